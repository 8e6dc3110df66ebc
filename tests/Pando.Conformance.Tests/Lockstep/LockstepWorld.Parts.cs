using Pando.Conformance.Tests.Kernel;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <content>
/// Operations on ranges that the kernel may refuse after it has changed a part (<see cref="NamedDifference.AllOrNothing"/>):
/// the engine must refuse the whole with the same error; it is then given the parts that the kernel has changed.
/// </content>
internal sealed partial class LockstepWorld
{
    private void ProtectBoth(TestProcess process, ulong address, long length, Rights rights, int key, long result)
    {
        var at = new VirtualAddress(address);
        var error = process.Space.Protect(at, length, rights, key);
        Outcome(result, error);
        AfterAnyRefusal(process, error, address, length);
        if (IsPartial(process, error, at, length))
        {
            // Up to the first address that is at fault: a hole, a file not opened for it, a seal, a cut through a huge page.
            var first = MappedParts(process, at, length).FirstOrDefault();
            foreach (var piece in first.Start == at ? AreaPieces(process, first) : [])
            {
                if (process.Space.Protect(piece.Start, piece.Length, rights, key) != Errno.None)
                {
                    break;
                }

                Counts.Count(NamedDifference.AllOrNothing);
            }
        }
    }

    private void AdviseBoth(AdviseAt advise)
    {
        var process = At(advise.Space);
        var at = new VirtualAddress(advise.Address);
        long result = process.Agent.Call(SystemCall.Madvise, advise.Address, (ulong)advise.Length, (ulong)advise.Advice);
        if (!IsError(result) && advise.Advice == Advice.Free)
        {
            // As the kernel may do at any time: the pages go now.
            Counts.Count(NamedDifference.FreeDropsAtOnce);
            process.Agent.Call(SystemCall.Madvise, advise.Address, (ulong)advise.Length, (ulong)Advice.DontNeed);
        }

        var before = EngineTables.Positions(process.Space);
        var error = process.Space.Advise(at, advise.Length, advise.Advice);
        Outcome(result, error);
        AfterDropping(process, before);
        AfterAnyRefusal(process, error, advise.Address, advise.Length);
        if (advise.Advice == Advice.Remove)
        {
            process.Areas().Where(area => area.File is not null).Select(area => area.File!).Distinct().ToList().ForEach(DropZeroesThatTheKernelDropped);
        }

        if (error == Errno.None && advise.Advice == Advice.PageOut)
        {
            NotePageOut(process, HostileRange.Of(at, (advise.Length + Page - 1) & -Page));
        }

        if (error != Errno.None && advise.Advice is Advice.PopulateRead or Advice.PopulateWrite)
        {
            AfterFailedFaults(process, at, advise.Length);
        }

        if (!IsPartial(process, error, at, advise.Length)
            || advise.Advice is Advice.PopulateRead or Advice.PopulateWrite)
        {
            return;
        }

        // Advice goes on beyond holes, and stops at an area that it does not fit.
        foreach (var part in MappedParts(process, at, advise.Length))
        {
            foreach (var piece in AreaPieces(process, part))
            {
                before = EngineTables.Positions(process.Space);
                var done = process.Space.Advise(piece.Start, piece.Length, advise.Advice);
                AfterDropping(process, before);
                if (done != Errno.None)
                {
                    return;
                }

                if (advise.Advice == Advice.PageOut)
                {
                    NotePageOut(process, piece);
                }
                else if (advise.Advice == Advice.Free)
                {
                    process.Agent.Call(SystemCall.Madvise, piece.Start.Value, (ulong)piece.Length, (ulong)Advice.DontNeed);
                }

                Counts.Count(NamedDifference.AllOrNothing);
            }
        }
    }

    private void LockBoth(LockAt locked)
    {
        var process = At(locked.Space);
        var at = new VirtualAddress(locked.Address);
        long result = !locked.Locked ? process.Agent.Call(SystemCall.Munlock, locked.Address, (ulong)locked.Length)
            : locked.OnFault ? process.Agent.Call(SystemCall.Mlock2, locked.Address, (ulong)locked.Length, KernelArguments.LockOnFault)
            : process.Agent.Call(SystemCall.Mlock, locked.Address, (ulong)locked.Length);
        var error = DoLock(process.Space, at, locked.Length, locked);
        Outcome(result, error);
        if (error == Errno.ENOMEM)
        {
            // Up to the first hole.
            var range = Clamped(locked.Address, locked.Length);
            var first = MappedParts(process, range).FirstOrDefault();
            if (!first.IsEmpty && first.Start == range.Start && first.End < range.End)
            {
                // The kernel faults nothing in where it refuses.
                process.Space.SetLock(
                    first.Start,
                    first.Length,
                    !locked.Locked ? AreaFlags.None : locked.OnFault ? AreaFlags.LockedOnFault : AreaFlags.Locked,
                    out _);
                Counts.Count(NamedDifference.AllOrNothing);
            }

            AfterFailedFaults(process, at, locked.Length);
        }
    }

    /// <summary>
    /// hugetlbfs refuses an offset inside of one of its pages only when asked to map it (hugetlbfs_file_mmap); by then what was mapped at
    /// a fixed address is gone.
    /// </summary>
    private void AfterLateRefusal(TestProcess process, MapAt map, Errno error)
    {
        long alignment = map.File < 0 ? Page : _files[map.File].Engine.MappingAlignment;
        var range = HostileRange.Of(new VirtualAddress(map.Address), (map.Length + alignment - 1) & -alignment);
        if (error == Errno.EINVAL
            && map.Placement == MapPlacement.Fixed
            && map.Offset % alignment != 0
            && range.Start.IsAligned(alignment))
        {
            UnmapTargetThatIsGone(process, range);
        }
    }

    /// <summary>The kernel unmaps a target before it refuses the rest: where nothing of it is left there, the engine's goes too.</summary>
    private void UnmapTargetThatIsGone(TestProcess process, AddressRange target)
    {
        if (MappedParts(process, target.Start, target.Length).Count > 0
            && !process.Agent.Areas().Any(area => area.Start < target.End.Value && area.End > target.Start.Value))
        {
            process.Space.Unmap(target.Start, target.Length);
            Counts.Count(NamedDifference.AllOrNothing);
        }
    }

    /// <summary>A move of several areas to a given address goes by the areas that the kernel had, up to the first that is at fault.</summary>
    private void RemapParts(TestProcess process, RemapAt remap, List<Linux.Snapshot.MappingFacts> finer)
    {
        var from = new VirtualAddress(remap.Address);
        var target = HostileRange.Of(new VirtualAddress(remap.NewAddress), (remap.NewLength + Page - 1) & -Page);
        if ((remap.Flags & RemapFlags.Fixed) == 0
            || X64.OffsetInPage(from) != 0
            || X64.OffsetInPage(target.Start) != 0
            || !IsUserRange(process, from, remap.NewLength)
            || !IsUserRange(process, target.Start, remap.NewLength)
            || HostileRange.Of(from, remap.OldLength).Overlaps(target))
        {
            return;
        }

        // Refused late: the target's end lies inside of a huge page, or the source lay there too.
        UnmapTargetThatIsGone(process, target);
        if (remap.OldLength != remap.NewLength)
        {
            return;
        }

        var old = HostileRange.Of(from, (remap.OldLength + Page - 1) & -Page);
        var pieces = finer.ConvertAll(area => old.Intersect(new AddressRange(new VirtualAddress(area.Start), new VirtualAddress(area.End))));
        foreach (var piece in pieces.Count > 0 && pieces[0].Start == from ? pieces : [])
        {
            var to = new VirtualAddress(remap.NewAddress) + (piece.Start - from);
            if ((AreaAt(process, piece.Start).Flags & AnyUserFault) != 0 && piece != old)
            {
                // What a handler has moves alone or not at all.
                return;
            }

            var before = EngineTables.Positions(process.Space);
            before.UnionWith(process.MayHaveEmpty);
            if (!process.Space.Remap(piece.Start, piece.Length, piece.Length, remap.Flags, to).Succeeded)
            {
                return;
            }

            AfterMove(process, piece, to.Value, piece.Length, (remap.Flags & RemapFlags.DontUnmap) != 0, before);
            Counts.Count(NamedDifference.AllOrNothing);
        }
    }

    /// <summary>Areas that the kernel has kept apart, or cut, move one by one.</summary>
    private static void CarryCuts(TestProcess process, AddressRange old, long distance)
    {
        foreach (ulong at in process.MayBeCut.Union(process.KeptApart).Where(at => at > old.Start.Value && at < old.End.Value).ToList())
        {
            process.MayBeCut.Add(at + (ulong)distance);
        }
    }

    /// <summary>
    /// DONTUNMAP unlocks the whole of each area that it takes from. Where the engine's is larger than the kernel's, the rest is
    /// locked again (<see cref="NamedDifference.PrivateAreasJoin"/>).
    /// </summary>
    private void LockWhatTheKernelLeavesLocked(
        TestProcess process, List<Linux.Snapshot.MappingFacts> finer, List<AreaInfo> coarser, AddressRange target)
    {
        foreach (var area in coarser)
        {
            var flag = area.Flags & (AreaFlags.Locked | AreaFlags.LockedOnFault);
            var inside = finer.FindAll(one => one.Start < area.Range.End.Value && one.End > area.Range.Start.Value);
            if (flag == AreaFlags.None || inside.Count == 0)
            {
                continue;
            }

            foreach (var rest in (ReadOnlySpan<AddressRange>)
                [new(area.Range.Start, new VirtualAddress(inside[0].Start)), new(new VirtualAddress(inside[^1].End), area.Range.End)])
            {
                foreach (var part in rest.IsEmpty || rest.Overlaps(target) ? [] : MappedParts(process, rest.Start, rest.Length))
                {
                    process.Space.SetLock(part.Start, part.Length, flag, out _);
                    Counts.Count(NamedDifference.PrivateAreasJoin);
                }
            }
        }
    }

    /// <summary>See <see cref="NamedDifference.MovedStaysLocked"/>.</summary>
    private void UnlockWhatTheKernelUnlocks(TestProcess process, AddressRange target)
    {
        const AreaFlags locks = AreaFlags.Locked | AreaFlags.LockedOnFault;
        var kernel = process.Agent.AreaFlags().ToList();
        foreach (var area in process.Areas().FindAll(area => (area.Flags & locks) != 0 && area.Range.Overlaps(target)))
        {
            var part = area.Range.Intersect(target);
            if ((kernel.FindLast(one => one.Start <= part.Start.Value).Flags & locks) == 0)
            {
                process.Space.SetLock(part.Start, part.Length, AreaFlags.None, out _);
                Counts.Count(NamedDifference.MovedStaysLocked);
            }
        }
    }

    /// <summary>See <see cref="NamedDifference.MovedStaysRegistered"/>.</summary>
    private void UnregisterWhatTheKernelUnregisters(TestProcess process, AddressRange old)
    {
        var kernel = process.Agent.AreaFlags().ToList();
        foreach (var area in process.Areas().FindAll(area => (area.Flags & AnyUserFault) != 0 && area.Range.Overlaps(old)))
        {
            var part = area.Range.Intersect(old);
            if ((kernel.FindLast(one => one.Start <= part.Start.Value).Flags & AnyUserFault) == 0)
            {
                process.Space.UnregisterUserFaults(part.Start, part.Length);
                Counts.Count(NamedDifference.MovedStaysRegistered);
            }
        }
    }

    private static Errno DoLock(AddressSpace space, VirtualAddress at, long length, LockAt locked) =>
        locked.Locked ? space.LockMemory(at, length, locked.OnFault) : space.UnlockMemory(at, length);

    private void LockAllOfBoth(LockAllOf all)
    {
        var process = At(all.Space);
        ulong flags = (all.Current ? 1UL : 0) | (all.Future ? 2UL : 0) | (all.OnFault ? 4UL : 0);
        if (!all.Current && !all.Future)
        {
            Outcome(process.Agent.Call(SystemCall.Munlockall), process.Space.UnlockAll());
            return;
        }

        Outcome(process.Agent.Call(SystemCall.Mlockall, flags), process.Space.LockAll(all.Current, all.Future, all.OnFault));
    }

    private void SealBoth(SealAt seal)
    {
        var process = At(seal.Space);
        Outcome(
            process.Agent.Call(SystemCall.Mseal, seal.Address, (ulong)seal.Length, 0),
            process.Space.Seal(new VirtualAddress(seal.Address), seal.Length));
        AfterAnyRefusal(process, LastOutcome, seal.Address, seal.Length);
        if (LastOutcome == Errno.EINVAL && IsPartial(process, LastOutcome, new VirtualAddress(seal.Address), seal.Length))
        {
            // Up to the first cut through a huge page.
            foreach (var piece in AreaPieces(process, Clamped(seal.Address, seal.Length)))
            {
                if (process.Space.Seal(piece.Start, piece.Length) != Errno.None)
                {
                    break;
                }

                Counts.Count(NamedDifference.AllOrNothing);
            }
        }
    }

    private void SyncBoth(SyncAt sync)
    {
        const ulong Synchronous = 4;
        const ulong Invalidate = 2;
        var process = At(sync.Space);
        Outcome(
            process.Agent.Call(SystemCall.Msync, sync.Address, (ulong)sync.Length, Synchronous | (sync.Invalidate ? Invalidate : 0)),
            process.Space.Sync(new VirtualAddress(sync.Address), sync.Length, sync.Invalidate));
    }

    /// <summary>Whether a refusal may have come after a part was changed: not where the arguments alone were wrong.</summary>
    private static bool IsPartial(TestProcess process, Errno error, VirtualAddress at, long length) =>
        error != Errno.None && X64.OffsetInPage(at) == 0 && at < process.Space.UserEnd && !Clamped(at.Value, length).IsEmpty;

    private static bool IsUserRange(TestProcess process, VirtualAddress at, long length) =>
        at < process.Space.UserEnd && length > 0 && (ulong)length <= process.Space.UserEnd.Value - at.Value;

    /// <summary>The parts of a range without holes, in order.</summary>
    private static List<AddressRange> MappedParts(TestProcess process, VirtualAddress at, long length) => MappedParts(process, Clamped(at.Value, length));

    private static List<AddressRange> MappedParts(TestProcess process, AddressRange range)
    {
        var parts = new List<AddressRange>();
        foreach (var area in process.Space.Areas)
        {
            var part = area.Range.Intersect(range);
            if (part.IsEmpty)
            {
                continue;
            }

            if (parts.Count > 0 && parts[^1].End == part.Start)
            {
                parts[^1] = new AddressRange(parts[^1].Start, part.End);
            }
            else
            {
                parts.Add(part);
            }
        }

        return parts;
    }

    /// <summary>A part by areas, as fine as the kernel has them.</summary>
    private static List<AddressRange> AreaPieces(TestProcess process, AddressRange part)
    {
        var cuts = process.Space.Areas.SelectMany(area => (VirtualAddress[])[area.Range.Start, area.Range.End])
            .Concat(process.KeptApart.Select(at => new VirtualAddress(at)))
            .Where(at => at > part.Start && at < part.End)
            .Append(part.End)
            .Distinct()
            .Order();
        var pieces = new List<AddressRange>();
        foreach (var cut in cuts)
        {
            pieces.Add(new AddressRange(pieces.Count > 0 ? pieces[^1].End : part.Start, cut));
        }

        return pieces;
    }
}
