namespace Pando.Intervals;

/// <summary>
/// A balanced binary search tree (Adelson-Velsky and Landis 1962): the heights of two siblings differ by one at most, so
/// that the height of a tree of n nodes is below 1.45 log2(n). Functions from one root to another; the nodes belong to the caller.
/// </summary>
/// <remarks>
/// Where <see cref="ITreeNodes{TNode}.With"/> makes copies, the old root still leads to the old tree; where it changes
/// nodes in place, somebody who walks the tree meanwhile without a lock may miss a node that is there, but meets only nodes
/// that are or were in it.
/// </remarks>
internal static class BalancedTree<TNode, TNodes>
    where TNodes : struct, ITreeNodes<TNode>
{
    /// <summary>Puts a node in, which is in no tree.</summary>
    public static TNode Insert(TNodes nodes, TNode root, TNode node)
    {
        if (nodes.IsNone(root))
        {
            return nodes.With(node, default!, default!);
        }

        return nodes.Compare(node, root) < 0
            ? Balance(nodes, root, Insert(nodes, nodes.Left(root), node), nodes.Right(root))
            : Balance(nodes, root, nodes.Left(root), Insert(nodes, nodes.Right(root), node));
    }

    /// <summary>Takes a node out, which is in the tree.</summary>
    public static TNode Remove(TNodes nodes, TNode root, TNode node)
    {
        if (nodes.IsNone(root))
        {
            throw new InvalidOperationException($"{node} is not in the tree.");
        }

        int order = nodes.Compare(node, root);
        if (order < 0)
        {
            return Balance(nodes, root, Remove(nodes, nodes.Left(root), node), nodes.Right(root));
        }

        if (order > 0)
        {
            return Balance(nodes, root, nodes.Left(root), Remove(nodes, nodes.Right(root), node));
        }

        var (left, right) = (nodes.Left(root), nodes.Right(root));
        if (nodes.IsNone(left) || nodes.IsNone(right))
        {
            return nodes.IsNone(left) ? right : left;
        }

        right = RemoveFirst(nodes, right, out var next);
        return Balance(nodes, next, left, right);
    }

    /// <summary>Makes a tree of nodes that are sorted already, and in no tree.</summary>
    public static TNode Build(TNodes nodes, ReadOnlySpan<TNode> sorted)
    {
        if (sorted.IsEmpty)
        {
            return default!;
        }

        int middle = sorted.Length / 2;
        var left = Build(nodes, sorted[..middle]);
        return nodes.With(sorted[middle], left, Build(nodes, sorted[(middle + 1)..]));
    }

    /// <summary>Gives a node children of which one may be higher than the other by two, and returns the root of the balanced tree.</summary>
    public static TNode Balance(TNodes nodes, TNode node, TNode left, TNode right)
    {
        int difference = nodes.Height(left) - nodes.Height(right);
        if (difference > 1)
        {
            var inner = nodes.Right(left);
            if (nodes.Height(nodes.Left(left)) >= nodes.Height(inner))
            {
                var outer = nodes.Left(left);
                return nodes.With(left, outer, nodes.With(node, inner, right));
            }

            var (low, high) = (nodes.Left(inner), nodes.Right(inner));
            return nodes.With(inner, nodes.With(left, nodes.Left(left), low), nodes.With(node, high, right));
        }

        if (difference < -1)
        {
            var inner = nodes.Left(right);
            if (nodes.Height(nodes.Right(right)) >= nodes.Height(inner))
            {
                var outer = nodes.Right(right);
                return nodes.With(right, nodes.With(node, left, inner), outer);
            }

            var (low, high) = (nodes.Left(inner), nodes.Right(inner));
            return nodes.With(inner, nodes.With(node, left, low), nodes.With(right, high, nodes.Right(right)));
        }

        return nodes.With(node, left, right);
    }

    private static TNode RemoveFirst(TNodes nodes, TNode root, out TNode first)
    {
        var left = nodes.Left(root);
        if (nodes.IsNone(left))
        {
            first = root;
            return nodes.Right(root);
        }

        left = RemoveFirst(nodes, left, out first);
        return Balance(nodes, root, left, nodes.Right(root));
    }
}
