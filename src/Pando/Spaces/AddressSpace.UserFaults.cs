using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>userfaultfd.</content>
public sealed partial class AddressSpace
{
    private const AreaFlags AnyUserFault = AreaFlags.UserMissing | AreaFlags.UserMinor | AreaFlags.UserWriteProtect;

    /// <summary>
    /// Lets a handler resolve faults of a range (UFFDIO_REGISTER). Missing keeps the sharing: what the file has, is
    /// not missing. Minor and write-protect are about this space alone, so that it leaves the file's tables there.
    /// </summary>
    /// <param name="address">The first address; a multiple of 4 KiB.</param>
    /// <param name="length">Bytes; a multiple of 4 KiB.</param>
    /// <param name="modes">Which faults.</param>
    /// <param name="handler">Who resolves them.</param>
    /// <returns>
    /// EINVAL for what is not aligned or not mapped, no mode, memory other than anonymous and memory files (as on
    /// Linux, DAX files cannot be registered), or minor faults of private memory; EBUSY if another handler has a part;
    /// EPERM for a shared mapping of a file that was not opened for writing.
    /// </returns>
    public Errno RegisterUserFaults(VirtualAddress address, long length, UserFaultModes modes, IUserFaultHandler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        if (!IsUserFaultRange(address, length, out var range) || modes == UserFaultModes.None || ((int)modes & ~7) != 0)
        {
            return Errno.EINVAL;
        }

        using var held = _lock.Write();
        ThrowIfExited();
        var error = WhyNotRegister(range, modes, handler);
        if (error != Errno.None)
        {
            return error;
        }

        var flags = ((modes & UserFaultModes.Missing) != 0 ? AreaFlags.UserMissing : 0)
            | ((modes & UserFaultModes.Minor) != 0 ? AreaFlags.UserMinor : 0)
            | ((modes & UserFaultModes.WriteProtect) != 0 ? AreaFlags.UserWriteProtect : 0);
        if ((flags & AreaFlags.OwnTables) != 0)
        {
            // What shows the file goes: with minor faults, so that they happen; with protection, so that the
            // leaves to protect are the space's own.
            PrepareToDiverge(range, WithGaps(range));
            var leave = new LeaveVisitor(Store);
            FlushGather.State state = default;
            using var gather = new FlushGather(Store, this, ref state);
            _memory.Walker.Change(this, range, WithGaps(range), default, ref leave, in gather);
        }

        Rewrite(range, area => area.Traits.With(flags, 0) with { UserFaults = handler });

        // The windows at the ends have become narrower.
        Settle(range);
        return Errno.None;
    }

    /// <summary>Undoes <see cref="RegisterUserFaults"/> (UFFDIO_UNREGISTER); the space goes back to the files' tables.</summary>
    /// <returns>EINVAL for what is not aligned or not mapped.</returns>
    public Errno UnregisterUserFaults(VirtualAddress address, long length)
    {
        if (!IsUserFaultRange(address, length, out var range))
        {
            return Errno.EINVAL;
        }

        using var held = _lock.Write();
        ThrowIfExited();
        if (!IsMapped(range) || !MayCutAt(range))
        {
            return Errno.EINVAL;
        }

        var unmark = new MarkVisitor(Marked: false);
        FlushGather.State state = default;
        using (var gather = new FlushGather(Store, this, ref state))
        {
            _memory.Walker.VisitWithin(this, range, ref unmark, in gather);
        }

        Rewrite(range, area => area.Traits.With(0, AreaFlags.UserMissing | AreaFlags.UserMinor | AreaFlags.UserWriteProtect) with { UserFaults = null });
        Settle(range);
        return Errno.None;
    }

    /// <summary>Resolves missing pages with given contents (UFFDIO_COPY).</summary>
    /// <param name="address">The first address; a multiple of 4 KiB.</param>
    /// <param name="contents">The bytes, whole pages.</param>
    /// <param name="writeProtect">Whether stores to the pages go to the handler too.</param>
    /// <returns>
    /// EINVAL (not aligned); ENOENT (not registered); EFAULT (past the end of the file); EEXIST if a page is there;
    /// ENOMEM. Pages before the one at fault are resolved.
    /// </returns>
    public Errno UserCopy(VirtualAddress address, ReadOnlySpan<byte> contents, bool writeProtect = false)
    {
        if (!IsUserFaultRange(address, contents.Length, out var range))
        {
            return Errno.EINVAL;
        }

        for (var at = range.Start; at < range.End; at += Level.PageSize)
        {
            var error = ProvidePage(at, contents.Slice((int)(at - range.Start), Level.PageSize));
            if (error != Errno.None)
            {
                return error;
            }
        }

        return writeProtect ? UserWriteProtect(address, contents.Length, true) : Errno.None;
    }

    /// <summary>Resolves missing pages with zeroes (UFFDIO_ZEROPAGE).</summary>
    /// <returns>As <see cref="UserCopy"/>.</returns>
    public Errno UserZero(VirtualAddress address, long length)
    {
        if (!IsUserFaultRange(address, length, out var range))
        {
            return Errno.EINVAL;
        }

        Span<byte> zeroes = stackalloc byte[Level.PageSize];
        zeroes.Clear();
        for (var at = range.Start; at < range.End; at += Level.PageSize)
        {
            var error = ProvidePage(at, zeroes);
            if (error != Errno.None)
            {
                return error;
            }
        }

        return Errno.None;
    }

    /// <summary>Resolves minor faults: maps what the file has (UFFDIO_CONTINUE).</summary>
    /// <returns>EINVAL (not aligned); ENOENT (not registered); EFAULT if the file has no page there; EEXIST if it is mapped already.</returns>
    public Errno UserContinue(VirtualAddress address, long length)
    {
        if (!IsUserFaultRange(address, length, out var range))
        {
            return Errno.EINVAL;
        }

        for (var at = range.Start; at < range.End; at += Level.PageSize)
        {
            using var held = _lock.Read();
            var area = _areas.Find(at);
            bool registered = area is not null && (area.Traits.Flags & AreaFlags.UserMinor) != 0;
            bool exists = registered && area!.File!.Locate((long)at.Value + area.Delta) is not null;
            bool mapped = !OwnLeaf(at).IsNone;
            if (!exists || mapped)
            {
                return !registered ? Errno.ENOENT : mapped ? Errno.EEXIST : Errno.EFAULT;
            }
        }

        return ErrorOf(Populate(range, AccessKind.Read, asksUser: false).Kind);
    }

    /// <summary>
    /// Protects pages against stores, so that these go to the handler, or stops it (UFFDIO_WRITEPROTECT). Pages of
    /// files are mapped first; private pages that do not exist yet cannot be protected.
    /// </summary>
    /// <returns>EINVAL (not aligned); ENOMEM; ENOENT if a part is not mapped or not registered for it.</returns>
    public Errno UserWriteProtect(VirtualAddress address, long length, bool protect)
    {
        if (!IsUserFaultRange(address, length, out var range))
        {
            return Errno.EINVAL;
        }

        if (protect)
        {
            for (var at = range.Start; TryGetNextArea(at, range.End, out var area); at = area.Range.End)
            {
                var part = area.Range.Intersect(new AddressRange(at, range.End));
                if (area.File is not null && (area.Flags & AreaFlags.UserWriteProtect) != 0)
                {
                    var kind = Populate(part, AccessKind.Read, asksUser: false).Kind;
                    if (kind == FaultKind.OutOfMemory)
                    {
                        return Errno.ENOMEM;
                    }
                }
            }
        }

        using var held = _lock.Write();
        ThrowIfExited();
        if (!IsMapped(range))
        {
            return Errno.ENOENT;
        }

        foreach (var area in _areas.Overlapping(range))
        {
            if ((area.Traits.Flags & AreaFlags.UserWriteProtect) == 0)
            {
                return Errno.ENOENT;
            }
        }

        var mark = new MarkVisitor(protect);
        FlushGather.State state = default;
        using var gather = new FlushGather(Store, this, ref state);
        _memory.Walker.Change(this, range, range, default, ref mark, in gather);
        return Errno.None;
    }

    private bool IsUserFaultRange(VirtualAddress address, long length, out AddressRange range)
    {
        range = AddressRange.FromLength(address, length);
        return address.PageOffset == 0 && length > 0 && (length & (Level.PageSize - 1)) == 0 && IsUserRange(address, length);
    }

    private Errno WhyNotRegister(AddressRange range, UserFaultModes modes, IUserFaultHandler handler)
    {
        if (!IsMapped(range) || !MayCutAt(range))
        {
            return Errno.EINVAL;
        }

        foreach (var area in _areas.Overlapping(range))
        {
            bool fits = area.File is null or MemoryFile && ((modes & UserFaultModes.Minor) == 0 || (area.File is not null && area.IsShared));
            if (!fits)
            {
                return Errno.EINVAL;
            }

            if (area.Traits.UserFaults is not null && area.Traits.UserFaults != handler)
            {
                return Errno.EBUSY;
            }

            if ((area.Traits.MostRights & Rights.Write) == 0)
            {
                return Errno.EPERM;
            }
        }

        return Errno.None;
    }

    private Errno ProvidePage(VirtualAddress address, ReadOnlySpan<byte> contents)
    {
        while (true)
        {
            var error = TryProvidePage(address, contents);
            if (error != Errno.ENOMEM || !_memory.Reclaim())
            {
                return error;
            }
        }
    }

    private Errno TryProvidePage(VirtualAddress address, ReadOnlySpan<byte> contents)
    {
        using var held = _lock.Read();
        if (_areas.Find(address) is not { } area || area.Traits.UserFaults is null)
        {
            return Errno.ENOENT;
        }

        if (area.File is MemoryFile file && area.IsShared)
        {
            var error = file.Provide((long)address.Value + area.Delta, contents);
            return error != Errno.None
                ? error
                : ErrorOf(Resolve(address, AccessKind.Read, address + 1, asksUser: false, Frame.None, out _, out _, out _));
        }

        if (!OwnLeaf(address).IsNone)
        {
            return Errno.EEXIST;
        }

        if (!Store.Frames.TryAllocate(FrameKind.Anonymous, zero: false, out var frame))
        {
            return Errno.ENOMEM;
        }

        contents.CopyTo(Store.Memory.Bytes(frame.Address, Level.PageSize));
        var kind = Resolve(address, AccessKind.Write, address + 1, asksUser: false, frame, out _, out _, out _);
        if (kind == FaultKind.Copied)
        {
            return Errno.None;
        }

        Store.Frames.Free(frame);
        return kind <= FaultKind.Spurious ? Errno.EEXIST : ErrorOf(kind);
    }

    private static Errno ErrorOf(FaultKind kind) => kind switch
    {
        <= FaultKind.Spurious => Errno.None,
        FaultKind.OutOfMemory => Errno.ENOMEM,
        FaultKind.HardwarePoison => Errno.EHWPOISON,
        _ => Errno.EFAULT,
    };

    /// <summary>Takes out what shows a file, and keeps private pages.</summary>
    private readonly struct LeaveVisitor(TableStore store) : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather)
        {
            // Pages of zeroes are private memory's: what has no bytes of its own in a memory file is missing.
            if (!entry.IsLeaf || (entry.AnonymousFrame.IsNone && !store.IsZeroPage(store.Format.TargetOf(entry.Entry, entry.Level))))
            {
                entry.Clear(in gather);
            }
        }
    }

    private readonly record struct MarkVisitor(bool Marked) : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather)
        {
            if (entry.IsLeaf)
            {
                entry.SetMark(Marked, in gather);
            }
        }
    }
}
