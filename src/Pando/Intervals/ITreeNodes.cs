namespace Pando.Intervals;

/// <summary>
/// Where the nodes of a <see cref="BalancedTree{TNode, TNodes}"/> are kept, and in what order they stand. A structure, so
/// that the tree's code is made for each kind of node and calls nothing indirectly.
/// </summary>
/// <typeparam name="TNode">What stands for a node: a number or a reference. Its default is "none".</typeparam>
internal interface ITreeNodes<TNode>
{
    /// <summary>Whether it stands for no node.</summary>
    bool IsNone(TNode node);

    /// <summary>
    /// Makes a node ready for its subtrees to be read, on the way to a change: where they are not as they should be yet, as after
    /// a move of all that is below it, they are seen to.
    /// </summary>
    /// <returns>The node, or what stands for it now.</returns>
    TNode Open(TNode node);

    /// <summary>The subtree of what comes before the node, which is open.</summary>
    TNode Left(TNode node);

    /// <summary>The subtree of what comes after the node, which is open.</summary>
    TNode Right(TNode node);

    /// <summary>The height of the node's subtree, as it was noted by <see cref="With"/>; 0 for none.</summary>
    int Height(TNode node);

    /// <summary>The order: negative where <paramref name="one"/> comes before <paramref name="other"/>. No two nodes are equal.</summary>
    int Compare(TNode one, TNode other);

    /// <summary>
    /// Gives a node children, and notes what is kept of its subtree: its height (one more than the larger of theirs) and
    /// whatever else. Where nodes are not to be changed, that is done to a copy.
    /// </summary>
    /// <returns>The node that has them now.</returns>
    TNode With(TNode node, TNode left, TNode right);
}
