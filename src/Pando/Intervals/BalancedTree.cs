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

        root = nodes.Open(root);
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

        root = nodes.Open(root);
        int order = nodes.Compare(node, root);
        if (order < 0)
        {
            return Balance(nodes, root, Remove(nodes, nodes.Left(root), node), nodes.Right(root));
        }

        if (order > 0)
        {
            return Balance(nodes, root, nodes.Left(root), Remove(nodes, nodes.Right(root), node));
        }

        return Join(nodes, nodes.Left(root), nodes.Right(root));
    }

    /// <summary>Makes one tree of a node and of all that comes before and after it. Costs the difference of the heights.</summary>
    public static TNode Join(TNodes nodes, TNode before, TNode node, TNode after)
    {
        int difference = nodes.Height(before) - nodes.Height(after);
        if (difference > 1)
        {
            before = nodes.Open(before);
            return Balance(nodes, before, nodes.Left(before), Join(nodes, nodes.Right(before), node, after));
        }

        if (difference < -1)
        {
            after = nodes.Open(after);
            return Balance(nodes, after, Join(nodes, before, node, nodes.Left(after)), nodes.Right(after));
        }

        return nodes.With(node, before, after);
    }

    /// <summary>Makes one tree of two, of which the first comes before the second.</summary>
    public static TNode Join(TNodes nodes, TNode before, TNode after)
    {
        if (nodes.IsNone(before) || nodes.IsNone(after))
        {
            return nodes.IsNone(before) ? after : before;
        }

        after = RemoveFirst(nodes, after, out var next);
        return Join(nodes, before, next, after);
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
            left = nodes.Open(left);
            var inner = nodes.Right(left);
            if (nodes.Height(nodes.Left(left)) >= nodes.Height(inner))
            {
                var outer = nodes.Left(left);
                return nodes.With(left, outer, nodes.With(node, inner, right));
            }

            inner = nodes.Open(inner);
            var (low, high) = (nodes.Left(inner), nodes.Right(inner));
            return nodes.With(inner, nodes.With(left, nodes.Left(left), low), nodes.With(node, high, right));
        }

        if (difference < -1)
        {
            right = nodes.Open(right);
            var inner = nodes.Left(right);
            if (nodes.Height(nodes.Right(right)) >= nodes.Height(inner))
            {
                var outer = nodes.Right(right);
                return nodes.With(right, nodes.With(node, left, inner), outer);
            }

            inner = nodes.Open(inner);
            var (low, high) = (nodes.Left(inner), nodes.Right(inner));
            return nodes.With(inner, nodes.With(node, left, low), nodes.With(right, high, nodes.Right(right)));
        }

        return nodes.With(node, left, right);
    }

    private static TNode RemoveFirst(TNodes nodes, TNode root, out TNode first)
    {
        root = nodes.Open(root);
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
