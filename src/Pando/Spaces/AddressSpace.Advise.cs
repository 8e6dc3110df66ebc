using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>madvise.</content>
public sealed partial class AddressSpace
{
    /// <summary>Says how a range will be used (madvise(2)).</summary>
    /// <returns>
    /// EINVAL for what is not aligned, advice that does not exist or does not fit what is mapped (locked, not
    /// anonymous, ...); ENOMEM if a part is not mapped; EACCES where Remove finds no shared writable mapping; EFAULT or
    /// EHWPOISON where a page cannot be populated; EPERM if a part is sealed and the advice would drop its contents.
    /// After an error nothing has changed, except that Populate may have populated a part.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno Advise(VirtualAddress address, long length, Advice advice)
    {
        ThrowIfExited();
        if (_geometry.OffsetInPage(address.Value) != 0 || !Enum.IsDefined(advice))
        {
            return Errno.EINVAL;
        }

        var (form, _, range) = RangeArgument.Of(_geometry, address, length);
        switch (form)
        {
            case RangeForm.Nothing:
                return Errno.None;
            case RangeForm.RoundsToNothing or RangeForm.WrapsRound:
                return Errno.EINVAL;
        }

        return advice switch
        {
            Advice.PopulateRead => PopulateAdvised(range, AccessKind.Read),
            Advice.PopulateWrite => PopulateAdvised(range, AccessKind.Write),
            Advice.Remove => RemoveAdvised(range),
            _ => AdviseAreas(range, advice),
        };
    }

    private Errno AdviseAreas(AddressRange range, Advice advice)
    {
        using var held = _lock.Write();
        ThrowIfExited();
        var error = WhyNotAdvise(range, advice);
        if (error != Errno.None)
        {
            return error;
        }

        if (FlagsOf(advice) != (0, 0))
        {
            Rewrite(range, area => Advised(area, advice));
        }
        else if (advice is Advice.DontNeed or Advice.Free)
        {
            DropPages(range);
        }

        return Errno.None;
    }

    /// <summary>As on Linux, the first area that the advice does not fit decides, and a hole only where there is none.</summary>
    private Errno WhyNotAdvise(AddressRange range, Advice advice)
    {
        foreach (var area in _areas.Overlapping(range))
        {
            var error = WhyNotAdvise(area, area.Range.Intersect(range), advice);
            if (error != Errno.None)
            {
                return error;
            }
        }

        return IsMapped(range) ? Errno.None : Errno.ENOMEM;
    }

    private Errno WhyNotAdvise(Area area, AddressRange part, Advice advice)
    {
        bool drops = advice is Advice.DontNeed or Advice.Free;
        bool reclaims = advice is Advice.Cold or Advice.PageOut;
        if ((drops || advice is Advice.DontFork or Advice.WipeOnFork) && KeepsContents(area))
        {
            return Errno.EPERM;
        }

        bool isFixed = area.File is { HasFixedPages: true };
        bool fits = !(reclaims && isFixed)
            && !((drops || reclaims) && (area.Traits.Flags & AnyLock) != 0)
            && !(advice is Advice.Free or Advice.WipeOnFork && area.File is not null);

        // What is dropped ends with the last whole page; what changes nothing cuts nothing.
        bool isAligned = !isFixed
            || (drops ? (part.Start - area.Range.Start) % area.File!.MappingAlignment == 0 : Advised(area, advice) == area.Traits || MayCutAt(part));
        return fits && isAligned ? Errno.None : Errno.EINVAL;
    }

    /// <summary>The traits of an area that has been given an advice.</summary>
    private static AreaTraits Advised(Area area, Advice advice)
    {
        var (set, cleared) = FlagsOf(advice);
        return advice is not Advice.Mergeable || MayMerge(area) ? area.Traits.With(set, cleared) : area.Traits;
    }

    /// <summary>
    /// What sealed read-only anonymous memory holds may not be thrown away; private pages of files may (mm/madvise.c,
    /// can_madvise_modify).
    /// </summary>
    private static bool KeepsContents(Area area) =>
        (area.Traits.Flags & AreaFlags.Sealed) != 0 && area.File is null && (area.Rights & Rights.Write) == 0;

    /// <summary>Only private pages of 4 KiB can be merged; elsewhere the advice is passed over (Linux: vma_ksm_compatible).</summary>
    private static bool MayMerge(Area area) => !area.IsShared && area.File is not (DaxFile or { HasFixedPages: true });

    private static (AreaFlags Set, AreaFlags Cleared) FlagsOf(Advice advice) => advice switch
    {
        Advice.Normal => (0, AreaFlags.Random | AreaFlags.Sequential),
        Advice.Random => (AreaFlags.Random, AreaFlags.Sequential),
        Advice.Sequential => (AreaFlags.Sequential, AreaFlags.Random),
        Advice.DontFork => (AreaFlags.DontFork, 0),
        Advice.DoFork => (0, AreaFlags.DontFork),
        Advice.Mergeable => (AreaFlags.Mergeable, 0),
        Advice.Unmergeable => (0, AreaFlags.Mergeable),
        Advice.HugePage => (AreaFlags.HugePages, AreaFlags.NoHugePages),
        Advice.NoHugePage => (AreaFlags.NoHugePages, AreaFlags.HugePages),
        Advice.DontDump => (AreaFlags.DontDump, 0),
        Advice.DoDump => (0, AreaFlags.DontDump),
        Advice.WipeOnFork => (AreaFlags.WipeOnFork, 0),
        Advice.KeepOnFork => (0, AreaFlags.WipeOnFork),
        _ => (0, 0),
    };

    /// <summary>
    /// Drops what the space's own tables show in a range, and tables of PTEs that are left without entries. What is attached stays attached: it shows the file itself,
    /// as it would again after the next fault.
    /// </summary>
    private void DropPages(AddressRange range)
    {
        var drop = new DropVisitor();
        FlushGather.State state = default;
        using (var gather = new FlushGather(Store, this, ref state))
        {
            foreach (var area in _areas.Overlapping(range))
            {
                // By areas: a table that two of them share stays, as on Linux (CONFIG_PT_RECLAIM). Of a page that cannot be smaller no
                // part is dropped (Linux: madvise_dontneed_free_valid_vma).
                var part = area.Range.Intersect(range);
                part = new AddressRange(part.Start, part.End.AlignDown(area.File?.MappingAlignment ?? _geometry.PageSize));
                _memory.Walker.VisitWithin(this, part, ref drop, in gather, freesEmptied: true);
                if (area.File is null)
                {
                    // Only pages that exist are protected there; of a file's, the protection does not depend on what is shown.
                    _protectedPages.Remove(part);
                }
            }
        }

        // Without copies of its own, a span may be one window of the file again.
        _tables.Converge(range);
    }

    private Errno PopulateAdvised(AddressRange range, AccessKind access)
    {
        // Area by area, so that what lies before the first address that is at fault is populated, as on Linux.
        for (var at = range.Start; at < range.End;)
        {
            Area? area;
            using (_lock.Read())
            {
                area = _areas.Find(at);
            }

            // Reading ahead wants the right itself, which a load may do without (Linux: check_vma_flags).
            if (area is null || (area.Rights & (access == AccessKind.Write ? Rights.Write : Rights.Read)) == 0)
            {
                return area is null ? Errno.ENOMEM : Errno.EINVAL;
            }

            var part = new AddressRange(at, area.Range.End < range.End ? area.Range.End : range.End);
            var error = Populate(part, access).Kind switch
            {
                FaultKind.BusError => Errno.EFAULT,
                FaultKind.HardwarePoison => Errno.EHWPOISON,
                FaultKind.OutOfMemory or FaultKind.NotMapped => Errno.ENOMEM,
                FaultKind.NotAllowed or FaultKind.DeniedByKey => Errno.EINVAL,
                _ => Errno.None,
            };
            if (error != Errno.None)
            {
                return error;
            }

            at = part.End;
        }

        return Errno.None;
    }

    private Errno RemoveAdvised(AddressRange range)
    {
        // The file's change takes locks of its own and reaches this space like any other: not under this space's lock.
        using var holes = new FileParts();
        using (_lock.Read())
        {
            ThrowIfExited();
            foreach (var area in _areas.Overlapping(range))
            {
                var error = KeepsContents(area) ? Errno.EPERM
                    : (area.Traits.Flags & AnyLock) != 0 || area.File is null ? Errno.EINVAL
                    : !area.IsShared || (area.Traits.MostRights & Rights.Write) == 0 ? Errno.EACCES
                    : Errno.None;
                if (error != Errno.None)
                {
                    return error;
                }

                holes.Add(area, area.Range.Intersect(range));
            }

            if (!IsMapped(range))
            {
                return Errno.ENOMEM;
            }
        }

        foreach (var hole in holes)
        {
            var error = hole.File.PunchHole(hole.Offset, hole.Length);
            if (error != Errno.None)
            {
                return error;
            }
        }

        return Errno.None;
    }

    private readonly struct DropVisitor : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather)
        {
            if (entry.IsLeaf)
            {
                entry.Clear(in gather);
            }
        }
    }
}
