using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>fork.</content>
public sealed partial class AddressSpace
{
    /// <summary>
    /// Makes a copy of the space (fork(2)). The child attaches to the same files' tables; private pages are shared
    /// until one of the two writes.
    /// </summary>
    /// <returns>The child, or null where memory is out (ENOMEM); then the parent is as before.</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public AddressSpace? Fork()
    {
        ThrowIfExited();
        var shortage = new MemoryShortage(_memory);
        AddressSpace? child;
        do
        {
            child = TryFork();
        }
        while (child is null && shortage.MakesRoom());
        return child;
    }

    private AddressSpace? TryFork()
    {
        AddressSpace child;
        try
        {
            child = new AddressSpace(_memory);
        }
        catch (InsufficientMemoryException)
        {
            return null;
        }

        bool complete = false;
        try
        {
            using var parentHeld = _lock.Write();
            ThrowIfExited();
            using var childHeld = child._lock.Write();
            complete = CopyTo(child);
        }
        finally
        {
            if (!complete)
            {
                child.Exit();

                // What a failed attempt gives back is no room for the next.
                Store.Retired.Collect();
            }
        }

        return complete ? child : null;
    }

    private bool CopyTo(AddressSpace child)
    {
        // Locks and user-fault handlers are not inherited (mlock(2), userfaultfd(2)).
        const AreaFlags own = AnyLock | AreaTraits.AnyUserFault;
        var pairs = new List<(Area Parent, Area Child)>(_areas.Count);
        foreach (var area in _areas.All)
        {
            if ((area.Traits.Flags & AreaFlags.DontFork) != 0)
            {
                continue;
            }

            pairs.Add((area, new Area(child, area.Range, area.Traits.With(0, own) with { UserFaults = null }, area.Opened, area.Offset)));
            if (area.File is { } file)
            {
                child.AddFile(file);
            }
        }

        child.InheritKeys(this);
        child._areas.Fill(pairs.ConvertAll(pair => pair.Child).ToArray());
        foreach (var (parent, copy) in pairs)
        {
            if (!parent.IsShared && (parent.Traits.Flags & AreaFlags.WipeOnFork) == 0 && !TryCopyPages(parent, copy))
            {
                return false;
            }
        }

        foreach (var (_, area) in pairs)
        {
            child._tables.AttachAll(area, area.Range);
        }

        return true;
    }

    /// <summary>
    /// Lets the child refer to the private pages of an area: both sides show the same frames, read-only, until one of
    /// them writes.
    /// </summary>
    private bool TryCopyPages(Area parent, Area copy)
    {
        if (parent.File is not { Tables.ReverseMap: { Count: > 0 } map })
        {
            return TryCopyPagesNow(parent, copy);
        }

        // While pages are between the two, a truncation of the file waits; then it finds both.
        using (map.Hold())
        {
            if (!Schedule.LeavesOut(ProtocolPart.IndexDuringFork))
            {
                return TryCopyPagesNow(parent, copy);
            }
        }

        return TryCopyPagesNow(parent, copy);
    }

    private bool TryCopyPagesNow(Area parent, Area copy)
    {
        var collect = new CollectVisitor(Store, []);
        FlushGather.State state = default;
        using (var gather = new FlushGather(Store, this, ref state))
        {
            _memory.Walker.VisitWithin(this, parent.Range, ref collect, in gather);
        }

        int done = 0;
        while (done < collect.Pages.Count && copy.Space.TryPutCopy(copy, collect.Pages[done].Address, collect.Pages[done].Leaf))
        {
            done++;
        }

        bool complete = done == collect.Pages.Count;
        for (; done < collect.Pages.Count; done++)
        {
            Store.ReleaseAnonymous(Store.Memory.FrameAt(Store.Format.TargetOf(collect.Pages[done].Leaf, Level.Pte)));
        }

        return complete;
    }

    private bool TryPutCopy(Area area, VirtualAddress address, Entry leaf)
    {
        if (!_tables.TryMakePath(address, Level.Pte, out var table))
        {
            return false;
        }

        using var held = Store.Lock(table, Level.Pte);
        _tables.LetFind(area, table, Level.Pte, address, _geometry.PageSize);
        Store.Fill(table, Level.Pte, _geometry.Index(address.Value, Level.Pte), leaf);
        Store.Memory.Record(table).AnonymousLeaves++;
        return true;
    }

    /// <summary>Takes the right to write from private pages, and one reference more to each for the child.</summary>
    private readonly record struct CollectVisitor(TableStore Store, List<(VirtualAddress Address, Entry Leaf)> Pages) : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather)
        {
            var frame = entry.AnonymousFrame;
            if (frame.IsNone)
            {
                return;
            }

            var format = Store.Format;
            var rights = format.RightsOf(entry.Entry, entry.Level) & ~Rights.Write;
            entry.SetRights(rights, in gather);
            Interlocked.Increment(ref Store.Memory.Record(frame).References);
            Pages.Add((entry.Range.Start, Store.MakeAnonymousLeaf(frame, rights, dirty: false, format.ProtectionKeyOf(entry.Entry, Level.Pte))));
        }
    }
}
