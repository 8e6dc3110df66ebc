using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>userfaultfd: who handles which faults of a range, and which of its pages are protected against stores.</content>
public sealed partial class AddressSpace
{
    // Under the space's lock. The pages of anonymous memory that are protected exist; of files, any may be. All lie in
    // areas that are registered for it.
    private readonly ProtectedPages _protectedPages;

    internal ProtectedPages ProtectedPages => _protectedPages;

    /// <summary>
    /// Lets a handler resolve faults of a range (UFFDIO_REGISTER). Missing keeps the sharing of shared mappings: what
    /// the file has, is not missing. Minor and write-protect are about this space alone, so that it leaves the file's
    /// tables there.
    /// </summary>
    /// <param name="address">The first address; a multiple of 4 KiB.</param>
    /// <param name="length">Bytes; a multiple of 4 KiB. Of what lies there, all that is mapped is registered.</param>
    /// <param name="modes">
    /// Which faults. They take the place of those that the handler was registered for before, and what was protected is
    /// no longer, where protection is not among them; an area that has all of them already stays as it is.
    /// </param>
    /// <param name="handler">Who resolves them.</param>
    /// <returns>
    /// EINVAL for what is not aligned, a range with nothing mapped, no mode, a part of a page of a file with fixed
    /// pages, memory other than anonymous and memory files (as on Linux, DAX files cannot be registered), or minor
    /// faults of anonymous memory; EBUSY if another handler has a part; EPERM for a shared mapping of a file that was
    /// not opened for writing. The first area at fault decides. After an error nothing has changed.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno RegisterUserFaults(VirtualAddress address, long length, UserFaultModes modes, IUserFaultHandler handler)
    {
        ThrowIfExited();
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
        LeaveFileTables(range, flags);
        CutLeaves(range, area => Registered(area, flags, handler));
        foreach (var area in _areas.Overlapping(range))
        {
            if ((flags & AreaFlags.UserWriteProtect) == 0 && Registered(area, flags, handler) != area.Traits)
            {
                _protectedPages.Remove(area.Range.Intersect(range));
            }
        }

        Rewrite(range, area => Registered(area, flags, handler));

        // The windows at the ends have become narrower; where tables can be shared again, they are.
        Settle(range);
        return Errno.None;
    }

    /// <summary>Undoes <see cref="RegisterUserFaults"/> (UFFDIO_UNREGISTER); the space goes back to the files' tables.</summary>
    /// <param name="address">The first address; a multiple of 4 KiB.</param>
    /// <param name="length">Bytes; a multiple of 4 KiB. Of what lies there, all that is registered is so no more, and not protected.</param>
    /// <param name="handler">Who asks for it; null for whoever it may be.</param>
    /// <returns>
    /// EINVAL for what is not aligned, a range with nothing mapped, with memory that cannot be registered, or with a
    /// part that another handler has. After an error nothing has changed.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno UnregisterUserFaults(VirtualAddress address, long length, IUserFaultHandler? handler = null)
    {
        ThrowIfExited();
        if (!IsUserFaultRange(address, length, out var range))
        {
            return Errno.EINVAL;
        }

        using var held = _lock.Write();
        ThrowIfExited();
        if (!MayUnregister(range, handler))
        {
            return Errno.EINVAL;
        }

        CutLeaves(range, Unregistered);
        _protectedPages.Remove(range);
        Rewrite(range, Unregistered);
        Settle(range);
        return Errno.None;
    }

    /// <summary>
    /// Protects pages against stores, so that these go to the handler, or stops it (UFFDIO_WRITEPROTECT). Private
    /// anonymous pages that do not exist yet are not protected; what a file has not yet is, from its first moment on.
    /// </summary>
    /// <param name="address">The first address; a multiple of 4 KiB.</param>
    /// <param name="length">Bytes; a multiple of 4 KiB.</param>
    /// <param name="protect">Whether to protect.</param>
    /// <returns>
    /// EINVAL (not aligned; a part of a page of a file with fixed pages); ENOENT if nothing is mapped, or a part not
    /// registered for it; ENOMEM. After an error nothing has changed.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno UserWriteProtect(VirtualAddress address, long length, bool protect)
    {
        ThrowIfExited();
        if (!IsUserFaultRange(address, length, out var range))
        {
            return Errno.EINVAL;
        }

        Errno error;
        var shortage = new MemoryShortage(_memory);
        do
        {
            error = TryWriteProtect(range, protect);
        }
        while (error == Errno.ENOMEM && shortage.MakesRoom());
        return error;
    }

    private Errno TryWriteProtect(AddressRange range, bool protect)
    {
        using var held = _lock.Write();
        ThrowIfExited();
        var error = WhyNotWriteProtect(range);
        if (error != Errno.None)
        {
            return error;
        }

        if (!protect)
        {
            // The right to store comes with the next one, by a fault.
            _protectedPages.Remove(range);
            return Errno.None;
        }

        FlushGather.State state = default;
        using var gather = new FlushGather(Store, this, ref state);
        var parts = PagesToProtect(range, in gather);
        for (int i = 0; i < parts.Count; i++)
        {
            if (!_protectedPages.TryMakeRoom(parts[i]))
            {
                parts[..i].ForEach(_protectedPages.GiveRoomBack);
                return Errno.ENOMEM;
            }
        }

        foreach (var part in parts)
        {
            _protectedPages.Add(part);
        }

        var narrow = new ProtectVisitor();
        if (!Store.Omissions.Leave(OmittedStep.RightsChanged))
        {
            _memory.Walker.Change(this, range, range, default, ref narrow, in gather);
        }

        return Errno.None;
    }

    /// <summary>What is protected of a range: the pages that exist of anonymous memory, and all of the areas of files.</summary>
    private List<AddressRange> PagesToProtect(AddressRange range, in FlushGather gather)
    {
        var parts = new List<AddressRange>();
        foreach (var area in _areas.Overlapping(range))
        {
            var part = area.Range.Intersect(range);
            if (area.File is not null)
            {
                Append(parts, part);
                continue;
            }

            var collect = new LeavesVisitor(parts);
            _memory.Walker.VisitWithin(this, part, ref collect, in gather);
        }

        return parts;
    }

    private static void Append(List<AddressRange> parts, AddressRange part)
    {
        if (parts.Count > 0 && parts[^1].End == part.Start)
        {
            parts[^1] = new AddressRange(parts[^1].Start, part.End);
        }
        else
        {
            parts.Add(part);
        }
    }

    /// <summary>
    /// Leaves the files' tables where an area is to have its own, and takes out what shows a file: by a table that was shared, or copied
    /// from one, the space may show pages that only others have touched, and would not be asked for them.
    /// </summary>
    private void LeaveFileTables(AddressRange range, AreaFlags flags)
    {
        foreach (var area in _areas.Overlapping(range))
        {
            var part = area.Range.Intersect(range);
            if (area.File is null || !area.CanAttach || !area.Traits.With(flags, AreaTraits.AnyUserFault).NeedsOwnTables)
            {
                continue;
            }

            var leave = new LeaveVisitor();
            FlushGather.State state = default;
            using var gather = new FlushGather(Store, this, ref state);
            _memory.Walker.Change(this, part, WithGaps(part), default, ref leave, in gather);
        }
    }

    /// <summary>The traits of an area that is registered: as Linux, with other modes than it has, unless it has all of them.</summary>
    private static AreaTraits Registered(Area area, AreaFlags flags, IUserFaultHandler handler) =>
        area.Traits.UserFaults == handler && (area.Traits.Flags & flags) == flags
            ? area.Traits
            : area.Traits.With(flags, AreaTraits.AnyUserFault) with { UserFaults = handler };

    private static AreaTraits Unregistered(Area area) => area.Traits.With(0, AreaTraits.AnyUserFault) with { UserFaults = null };

    /// <summary>Before areas are cut: a large leaf does not show pages of two that are shown in different ways.</summary>
    private void CutLeaves(AddressRange range, Func<Area, AreaTraits> change)
    {
        foreach (var area in _areas.Overlapping(range))
        {
            if (!area.Traits.TranslatesLike(change(area)))
            {
                _memory.Walker.CutLeaves(this, range);
                return;
            }
        }
    }

    private bool IsUserFaultRange(VirtualAddress address, long length, out AddressRange range)
    {
        bool isRange = _geometry.OffsetInPage(address.Value) == 0 && length > 0 && _geometry.IsPageAligned(length) && IsUserRange(address, length);
        range = isRange ? AddressRange.FromLength(address, length) : default;
        return isRange;
    }

    private Errno WhyNotRegister(AddressRange range, UserFaultModes modes, IUserFaultHandler handler)
    {
        var areas = _areas.Overlapping(range);
        if (areas.First is not { } first || !range.Start.IsAligned(first.File?.MappingAlignment ?? _geometry.PageSize))
        {
            return Errno.EINVAL;
        }

        foreach (var area in areas)
        {
            bool fits = area.File is MemoryFile || (area.File is null && (modes & UserFaultModes.Minor) == 0);
            var error = !fits ? Errno.EINVAL
                : (area.Traits.MostRights & Rights.Write) == 0 ? Errno.EPERM
                : !MayCutAt(area.Range.Intersect(range)) ? Errno.EINVAL
                : area.Traits.UserFaults is { } other && other != handler ? Errno.EBUSY
                : Errno.None;
            if (error != Errno.None)
            {
                return error;
            }
        }

        return Errno.None;
    }

    /// <summary>Only what is registered is cut; a page that is fixed may not be cut by the start, whatever it is (userfaultfd_unregister).</summary>
    private bool MayUnregister(AddressRange range, IUserFaultHandler? handler)
    {
        var areas = _areas.Overlapping(range);
        bool fits = areas.First is { } first && range.Start.IsAligned(first.File?.MappingAlignment ?? _geometry.PageSize);
        foreach (var area in areas)
        {
            fits &= area.File is null or MemoryFile
                && (area.Traits.UserFaults is not { } other || ((handler is null || other == handler) && MayCutAt(area.Range.Intersect(range))));
        }

        return fits;
    }

    /// <summary>The first area at fault decides, as on Linux (mwriteprotect_range).</summary>
    private Errno WhyNotWriteProtect(AddressRange range)
    {
        var areas = _areas.Overlapping(range);
        if (areas.IsEmpty)
        {
            return Errno.ENOENT;
        }

        foreach (var area in areas)
        {
            if ((area.Traits.Flags & AreaFlags.UserWriteProtect) == 0)
            {
                return Errno.ENOENT;
            }

            long page = area.File?.MappingAlignment ?? _geometry.PageSize;
            if (!range.Start.IsAligned(page) || range.Length % page != 0)
            {
                return Errno.EINVAL;
            }
        }

        return Errno.None;
    }

    /// <summary>Takes out slots and leaves that show a file; private pages stay.</summary>
    private readonly struct LeaveVisitor : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather)
        {
            if (entry.AnonymousFrame.IsNone)
            {
                entry.Clear(in gather);
            }
        }
    }

    /// <summary>Notes which pages there are.</summary>
    private readonly struct LeavesVisitor(List<AddressRange> parts) : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather)
        {
            if (entry.IsLeaf)
            {
                Append(parts, entry.Range);
            }
        }
    }

    /// <summary>Takes the right to store away.</summary>
    private readonly struct ProtectVisitor : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather)
        {
            if (entry.IsLeaf)
            {
                entry.SetRights(entry.Rights & ~Rights.Write, in gather);
            }
        }
    }
}
