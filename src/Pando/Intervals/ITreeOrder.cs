namespace Pando.Intervals;

/// <summary>How the items of a <see cref="NativeTree{TItem, TSummary, TOrder}"/> are ordered, and what is kept of each subtree.</summary>
/// <typeparam name="TItem">The items.</typeparam>
/// <typeparam name="TSummary">What is kept of a subtree: of items in their order, so that parts of it can be put together.</typeparam>
internal interface ITreeOrder<TItem, TSummary>
{
    /// <summary>Negative where <paramref name="one"/> comes before <paramref name="other"/>; zero where they are the same item.</summary>
    static abstract int Compare(in TItem one, in TItem other);

    /// <summary>What is kept of one item.</summary>
    static abstract TSummary Of(in TItem item);

    /// <summary>What is kept of two sequences of items, of which the first comes before the second.</summary>
    static abstract TSummary Join(in TSummary first, in TSummary second);

    /// <summary>
    /// An item that has moved with all others of a subtree: the order among them is the same, and so is what is kept of the
    /// subtree.
    /// </summary>
    /// <exception cref="NotSupportedException">The items are of a kind that does not move.</exception>
    static virtual TItem Moved(in TItem item, long distance) => throw new NotSupportedException("These items do not move.");
}
