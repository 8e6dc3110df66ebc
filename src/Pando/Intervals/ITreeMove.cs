namespace Pando.Intervals;

/// <summary>How a <see cref="NativeTree{TItem, TSummary, TOrder}"/> moves items.</summary>
internal interface ITreeMove<TItem>
{
    /// <summary>Whether an item moves; if it does, so do all that come after it.</summary>
    bool Moves(in TItem item);

    /// <summary>The item after the move.</summary>
    TItem Moved(in TItem item);
}
