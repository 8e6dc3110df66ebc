namespace Pando.Intervals;

/// <summary>
/// Is told which items a <see cref="NativeTree{TItem, TSummary, TOrder}"/> has, by the thread that changes it, while the change is being
/// made. Items of a part that was cut out are there until they are dropped.
/// </summary>
internal interface IItemWatcher<TItem>
{
    /// <summary>Sees to the memory that one more item may need: to be told of it cannot fail afterwards. Asked before each.</summary>
    void MakeRoom();

    /// <summary>An item has come in. It keeps the number while it moves, and while it is changed.</summary>
    void Added(int number, in TItem item);

    /// <summary>Another item has taken the place of one, and has its number.</summary>
    void Changed(int number, in TItem before, in TItem now);

    /// <summary>An item has gone; another may get the number.</summary>
    void Removed(int number, in TItem item);

    /// <summary>
    /// An item has gone with a part that was cut out; another may get the number. By how much the item had moved last is not in it.
    /// </summary>
    void Dropped(int number, in TItem item);

    /// <summary>What the watcher was told since the last time is one change, which readers are shown now.</summary>
    void Committed();
}
