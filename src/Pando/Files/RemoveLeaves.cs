using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// Takes the leaves of a range out, so that the next access faults. With copies (truncation: Linux's even_cows), the
/// private copies go too; their frames are released when the flush is done.
/// </summary>
internal sealed class RemoveLeaves(TableStore store, bool includingCopies) : FileChange(store)
{
    private List<Frame>? _copies;

    public override bool IncludesCopies => includingCopies;

    public override void Apply(Frame table, int level, int index, Entry leaf)
    {
        Store.Take(table, level, index);
        var copy = Store.AnonymousFrameOf(leaf, level);
        if (!copy.IsNone)
        {
            // Atomic for a child that fork is still making (see AddressSpace.Fork).
            Interlocked.Decrement(ref Store.Memory.Record(table).AnonymousLeaves);
            (_copies ??= []).Add(copy);
        }
    }

    /// <summary>Gives up the copies. After the flush.</summary>
    public void Release()
    {
        foreach (var copy in _copies ?? [])
        {
            Store.ReleaseAnonymous(copy);
        }
    }
}
