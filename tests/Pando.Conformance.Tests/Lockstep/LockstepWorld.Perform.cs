using Pando.Conformance.Tests.Kernel;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <content>The operations, first by the kernel, then by the engine.</content>
internal sealed partial class LockstepWorld
{
    /// <summary>
    /// An operation that has no sense here (a place that is empty, a file that is not there) does nothing, so that any
    /// part of a run is a run. Nor does one that would change what an agent needs for itself.
    /// </summary>
    private bool IsPossible(Operation operation) => WhyNot(operation) is null && operation switch
    {
        MapAt map => map.File < _files.Count && (map.Placement == MapPlacement.Anywhere
            ? Has(map.Space) && map.Address is 0 or >= AddressSpace.LowestAddress
            : IsFree(map.Space, map.Address, map.Length) && map.Address is 0 or >= AddressSpace.LowestAddress),
        UnmapAt unmap => IsFree(unmap.Space, unmap.Address, unmap.Length),
        ProtectAt protect => IsFree(protect.Space, protect.Address, protect.Length, Reach.UpToHole) && (MayFaultIn(protect.Space) || !HasLocked(protect.Space)),
        ProtectKeyAt protect => IsFree(protect.Space, protect.Address, protect.Length, Reach.UpToHole) && (MayFaultIn(protect.Space, protect.Key) || !HasLocked(protect.Space)),
        TakeKey take => Has(take.Space),
        GiveKey give => Has(give.Space) && give.Key != 0, // the engine never frees key 0
        RemapAt remap => IsFree(remap.Space, remap.Address, Math.Max(remap.OldLength, remap.NewLength))
            && ((remap.Flags & (RemapFlags.Fixed | RemapFlags.DontUnmap)) == 0 || IsFree(remap.Space, remap.NewAddress, remap.NewLength))
            && (remap.NewAddress >= AddressSpace.LowestAddress || (remap.NewAddress == 0 && (remap.Flags & RemapFlags.Fixed) == 0))
            && !MayHangTheKernel(remap)
            && (MayFaultIn(remap.Space) || !HasLocked(remap.Space)),
        AdviseAt advise => (advise.Advice is not (Advice.PopulateRead or Advice.PopulateWrite) || MayFaultIn(advise.Space)) && IsFree(advise.Space, advise.Address, advise.Length, advise.Advice is Advice.PopulateRead or Advice.PopulateWrite ? Reach.UpToHole : Reach.All),
        LockAt locked => MayFaultIn(locked.Space) && IsFree(locked.Space, locked.Address, locked.Length, Reach.UpToHole),
        LockAllOf all => Has(all.Space) && MayFaultIn(all.Space),
        SealAt seal => IsFree(seal.Space, seal.Address, seal.Length, Reach.UpToHole),
        ResidentAt resident => IsFree(resident.Space, resident.Address, resident.Length, Reach.All),
        SyncAt sync => Has(sync.Space),
        TouchAt touch => IsFree(touch.Space, touch.Address, 1),
        RegisterAt register => IsFree(register.Space, register.Address, register.Length),
        UnregisterAt unregister => IsFree(unregister.Space, unregister.Address, unregister.Length),
        ProvideAt provide => IsFree(provide.Space, provide.Address, provide.Length),
        ContinueAt onward => IsFree(onward.Space, onward.Address, onward.Length),
        WriteProtectAt protect => IsFree(protect.Space, protect.Address, protect.Length),
        ForkTo fork => Has(fork.Space) && fork.Child < Processes && !Has(fork.Child),
        ExitFrom exit => exit.Space > 0 && Has(exit.Space),
        Resize resize => resize.File < _files.Count,
        Punch punch => punch.File < _files.Count,
        _ => throw new NotSupportedException($"{operation} is not made in lockstep."),
    };

    /// <summary>What of the kernel's an operation needs here that is not there; null if it needs nothing of the kind.</summary>
    public string? WhyNot(Operation operation) => operation switch
    {
        SealAt => Features.WhyNoSeals,
        ProtectKeyAt or TakeKey or GiveKey => Features.WhyNoKeys,
        RegisterAt or UnregisterAt or ProvideAt or ContinueAt or WriteProtectAt => Features.WhyNoUserFaults,
        RemapAt remap when Features.WhyNoWideMoves is not null && MovesSeveralAreas(remap) => Features.WhyNoWideMoves,
        _ => null,
    };

    /// <summary>Whether a move to a given address begins in one area and ends elsewhere: in another, or in a gap.</summary>
    private bool MovesSeveralAreas(RemapAt remap) =>
        Has(remap.Space)
        && MovesToGivenAddress(remap)
        && Array.Find(At(remap.Space).Agent.Areas(), area => area.Start <= remap.Address && remap.Address < area.End) is { End: > 0 } first
        && first.End - remap.Address < (ulong)remap.OldLength;

    /// <summary>A move to a given address takes several areas as they are (Linux 6.17); all else is done to one.</summary>
    private static bool MovesToGivenAddress(RemapAt remap) =>
        (remap.Flags & RemapFlags.Fixed) != 0 && ((remap.OldLength + Page - 1) & -Page) == ((remap.NewLength + Page - 1) & -Page);

    /// <summary>
    /// Linux 6.18 deadlocks where mremap moves a hugetlbfs mapping whose table is not shared to where it may be shared:
    /// move_hugetlb_page_tables holds the file's i_mmap_rwsem for writing while huge_pmd_share takes it for reading. The
    /// process can never be killed (docs/conformance.md). Sharing takes a whole GiB.
    /// </summary>
    private bool MayHangTheKernel(RemapAt remap) =>
        At(remap.Space).Areas().Exists(area =>
            area.File is { MappingAlignment: > Page }
            && area.Range.Length >= 1L << 30
            && area.Range.Overlaps(HostileRange.Of(new VirtualAddress(remap.Address), Math.Max(Page, Math.Clamp(remap.OldLength, 0, 1L << 46)))));

    /// <summary>How far an operation goes that is given a range.</summary>
    private enum Reach
    {
        /// <summary>It refuses a range that is longer than all user addresses, and else goes through all of it.</summary>
        UserAddresses,

        /// <summary>It ends at the first address where nothing is mapped.</summary>
        UpToHole,

        /// <summary>It goes through all of any range.</summary>
        All,
    }

    /// <summary>Whether nothing is done to what an agent has for itself. A range that wraps round is refused by all operations.</summary>
    /// <param name="process">The process.</param>
    /// <param name="address">The first address.</param>
    /// <param name="length">Bytes; a negative number is a size_t from 2^63 on.</param>
    /// <param name="reach">How far the operation goes.</param>
    private bool IsFree(int process, ulong address, long length, Reach reach = Reach.UserAddresses)
    {
        if (!Has(process))
        {
            return false;
        }

        var range = Clamped(address, length);
        ulong end = reach == Reach.UpToHole ? MappedParts(At(process), range).FirstOrDefault(part => part.Start == range.Start).End.Value
            : reach == Reach.UserAddresses && Rounded(length) > At(process).Space.UserEnd.Value ? 0
            : range.End.Value;
        return !At(process).Agent.Own.Any(own => own.Start < Math.Max(end, address) && address < own.End);
    }

    /// <summary>A length as Linux rounds it up to pages (PAGE_ALIGN): so near 2^64 it comes to nothing.</summary>
    private static ulong Rounded(long length) => ((ulong)length + (ulong)Page - 1) & ~((ulong)Page - 1);

    /// <summary>The pages that a range has below 2^63; one that wraps round has none.</summary>
    private static AddressRange Clamped(ulong address, long length)
    {
        ulong start = address & ~((ulong)Page - 1);
        ulong end = start + Rounded(unchecked(length + (long)(address - start)));
        return new AddressRange(new VirtualAddress(Math.Min(start, long.MaxValue)), new VirtualAddress(end < start ? Math.Min(start, long.MaxValue) : Math.Min(end, 1UL << 63)));
    }

    private void Perform(Operation operation)
    {
        switch (operation)
        {
            case MapAt map:
                MapBoth(map);
                AfterExecuteOnly(At(map.Space), map.Rights);
                break;
            case UnmapAt unmap:
                var process = At(unmap.Space);
                Outcome(
                    process.Agent.Call(SystemCall.Munmap, unmap.Address, (ulong)unmap.Length),
                    process.Space.Unmap(new VirtualAddress(unmap.Address), unmap.Length));
                AfterRefusal(process, unmap.Address, unmap.Length);
                break;
            case ProtectAt protect:
                ProtectBoth(
                    At(protect.Space),
                    protect.Address,
                    protect.Length,
                    protect.Rights,
                    key: -1,
                    At(protect.Space).Agent.Call(SystemCall.Mprotect, protect.Address, (ulong)protect.Length, KernelArguments.Protection(protect.Rights)));
                AfterExecuteOnly(At(protect.Space), protect.Rights);
                break;
            case ProtectKeyAt protect:
                ProtectKeyBoth(protect);
                break;
            case TakeKey take:
                TakeKeyBoth(take);
                break;
            case GiveKey give:
                Outcome(At(give.Space).Agent.Call(SystemCall.PkeyFree, (ulong)give.Key), At(give.Space).Space.FreeKey(give.Key));
                break;
            case RemapAt remap:
                RemapBoth(remap);
                break;
            case AdviseAt advise:
                AdviseBoth(advise);
                break;
            case LockAt locked:
                LockBoth(locked);
                break;
            case LockAllOf all:
                LockAllOfBoth(all);
                break;
            case SealAt seal:
                SealBoth(seal);
                break;
            case ResidentAt resident:
                ResidentBoth(resident);
                break;
            case SyncAt sync:
                SyncBoth(sync);
                break;
            case TouchAt touch:
                AccessBoth(touch);
                break;
            case RegisterAt register:
                RegisterBoth(register);
                break;
            case UnregisterAt unregister:
                UnregisterBoth(unregister);
                break;
            case ProvideAt provide:
                ProvideBoth(provide);
                break;
            case ContinueAt onward:
                ContinueBoth(onward);
                break;
            case WriteProtectAt protect:
                WriteProtectBoth(protect);
                break;
            case ForkTo fork:
                ForkBoth(fork);
                break;
            case ExitFrom exit:
                Exit(exit.Space);
                break;
            case Resize resize:
                ResizeBoth(_files[resize.File], resize.Size);
                break;
            case Punch punch:
                Outcome(
                    At(0).Agent.Call(
                        SystemCall.Fallocate, (ulong)_files[punch.File].Descriptor, KernelArguments.PunchHole | KernelArguments.KeepSize, (ulong)punch.Offset, (ulong)punch.Length),
                    punch.Offset >= 0 && punch.Length > 0 && (_files[punch.File].OpenedFor & Rights.Write) == 0 ? Errno.EBADF : _files[punch.File].Engine.PunchHole(punch.Offset, punch.Length));
                DropZeroesThatTheKernelDropped(_files[punch.File].Engine);
                break;
        }
    }

    private void MapBoth(MapAt map)
    {
        var process = At(map.Space);
        var file = map.File < 0 ? null : _files[map.File];
        long result = process.Agent.Call(
            SystemCall.Mmap,
            map.Address,
            (ulong)map.Length,
            KernelArguments.Protection(map.Rights),
            KernelArguments.Flags(map, file?.Engine.MappingAlignment > Page),
            unchecked((ulong)(long)(file?.Descriptor ?? -1)),
            (ulong)map.Offset);
        var request = new MapRequest(map.Length, map.Rights)
        {
            File = file?.Engine,
            Offset = map.Offset,
            Shared = map.Shared,
            Placement = map.Placement,
            Address = new VirtualAddress(map.Address),
            Populate = map.Populate,
            OpenedFor = file?.OpenedFor ?? Rights.All,
        };
        if (map.Placement != MapPlacement.Anywhere && map.Address > ulong.MaxValue - 4095 && result == (long)map.Address)
        {
            Counts.Count(NamedDifference.AddressIsAnError);
            result = -(long)Errno.ENOMEM;
        }

        if (IsError(result))
        {
            Outcome(result, process.Space.Map(request).Error);
            AfterRefusal(process, map.Address, map.Length);
            AfterLateRefusal(process, map, (Errno)(-result));
            return;
        }

        if (map.Placement == MapPlacement.Anywhere)
        {
            Counts.Count(NamedDifference.AddressChoice);
            request = request with { Address = new VirtualAddress((ulong)result) };
        }

        var mapped = process.Space.Map(request);
        Outcome(result, mapped.Error);
        Same($"0x{result:x}", $"0x{mapped.Address.Value:x}", "the address of the mapping");
        if (map.Populate != PopulateKind.None)
        {
            AfterFailedFaults(process, mapped.Address, map.Length);
        }
    }

    private void RemapBoth(RemapAt remap)
    {
        var process = At(remap.Space);
        var old = HostileRange.Of(new VirtualAddress(remap.Address), Math.Max(0, remap.OldLength));
        bool crosses = process.KeptApart.Any(at => at > old.Start.Value && at <= old.End.AlignUp(Page).Value);
        var before = EngineTables.Positions(process.Space);
        before.UnionWith(process.MayHaveEmpty);
        var finer = process.Agent.Areas().Where(area => area.Start < old.End.Value && area.End > old.Start.Value).ToList();
        var coarser = process.Areas().FindAll(area => area.Range.Overlaps(old));
        long result = process.Agent.Call(
            SystemCall.Mremap, remap.Address, (ulong)remap.OldLength, (ulong)remap.NewLength, (ulong)remap.Flags, remap.NewAddress);
        if (crosses && IsError(result))
        {
            // Here the kernel's finer areas decide, which no address of the engine's can tell.
            Counts.Count(NamedDifference.RemapAcrossKeptApart);
            RemapParts(process, remap, finer);

            AfterRefusedRemap(process, remap);
            return;
        }

        bool chosen = !IsError(result) && (remap.Flags & RemapFlags.Fixed) == 0 && (ulong)result != remap.Address;
        var at = new VirtualAddress(chosen ? (ulong)result : remap.NewAddress);
        var flags = remap.Flags;
        if (chosen)
        {
            Counts.Count(NamedDifference.AddressChoice);
            var room = HostileRange.Of(at, remap.NewLength);
            Same(false, process.Space.Areas.Any(area => area.Range.Overlaps(room)), $"something at {room}");
            if ((flags & RemapFlags.DontUnmap) == 0)
            {
                // No new address is a hint: what the engine cannot do in place either is told where to go.
                Same(Errno.ENOMEM, process.Space.Remap(old.Start, remap.OldLength, remap.NewLength, flags & ~RemapFlags.MayMove).Error, "the outcome in place");
                flags |= RemapFlags.Fixed;
            }
        }

        var engine = process.Space.Remap(old.Start, remap.OldLength, remap.NewLength, flags, at);
        Outcome(result, engine.Error);
        if (IsError(result))
        {
            RemapParts(process, remap, finer);
            AfterRefusedRemap(process, remap);
            return;
        }

        Same($"0x{result:x}", $"0x{engine.Address.Value:x}", "the address of the mapping");
        if (remap.NewLength > remap.OldLength)
        {
            // What grows is faulted in if it is locked.
            AfterFailedFaults(process, engine.Address, remap.NewLength);
        }

        if ((ulong)result != remap.Address)
        {
            var target = HostileRange.Of(engine.Address, (remap.NewLength + Page - 1) & -Page);
            CarryCuts(process, old, target.Start - old.Start);
            if ((remap.Flags & RemapFlags.DontUnmap) != 0)
            {
                LockWhatTheKernelLeavesLocked(process, finer, coarser, target);
                UnlockWhatTheKernelUnlocks(process, target);
                UnregisterWhatTheKernelUnregisters(process, old);
            }

            AfterMove(process, old, (ulong)result, remap.NewLength, (remap.Flags & RemapFlags.DontUnmap) != 0, before);
        }
    }

    private static void AfterRefusedRemap(TestProcess process, RemapAt remap)
    {
        AfterRefusal(process, remap.Address, remap.OldLength);
        AfterRefusal(process, remap.Address, remap.NewLength);
        if ((remap.Flags & (RemapFlags.Fixed | RemapFlags.DontUnmap)) != 0)
        {
            AfterRefusal(process, remap.NewAddress, remap.NewLength);
        }
    }

    private void AccessBoth(TouchAt touch)
    {
        var process = At(touch.Space);
        var at = new VirtualAddress(touch.Address);
        Counts.Accesses++;
        LastTouch = default;
        if (touch.Access == AccessKind.Write)
        {
            var answer = process.Agent.Store(touch.Address, touch.Value);
            LastTouch = OutcomeOf(answer);
            Same(LastTouch, OutcomeOf(process.Processor.TryWrite(at, touch.Value).Outcome), "the outcome of the store");
        }
        else
        {
            var answer = process.Agent.Load(touch.Address);
            var result = process.Processor.TryRead(at, out byte value);
            LastTouch = OutcomeOf(answer);
            LastByte = (byte)answer.Value;
            Same(LastTouch, OutcomeOf(result.Outcome), "the outcome of the load");
            if (result.IsCompleted)
            {
                Same((byte)answer.Value, value, "the byte that was loaded");
            }
        }

        if (LastTouch == Touch.BusError)
        {
            AfterFailedFaults(process, at, 1);
        }
        else if (LastTouch == Touch.Allowed)
        {
            NoteResident(process, at);
        }
    }

    private void ResizeBoth(TestFile file, long size)
    {
        long before = file.Engine.Size;
        long cut = Math.Min(size, (before + Page - 1) & -Page);
        Outcome(
            At(0).Agent.Call(SystemCall.Ftruncate, (ulong)file.Descriptor, (ulong)size),
            (file.OpenedFor & Rights.Write) == 0 ? Errno.EINVAL : file.Engine.SetSize(size));
        if (LastOutcome == Errno.None && size < before)
        {
            ProtectWhatTheKernelForgot(file);
            DropZeroesThatTheKernelDropped(file.Engine);
        }

        if (LastOutcome == Errno.None && before < cut)
        {
            Counts.Count(NamedDifference.GrowthClears);
            At(0).Agent.Call(
                SystemCall.Fallocate, (ulong)file.Descriptor, KernelArguments.PunchHole | KernelArguments.KeepSize, (ulong)before, (ulong)(cut - before));
        }
    }

    private void ForkBoth(ForkTo fork)
    {
        var parent = At(fork.Space);
        var agent = parent.Agent.Fork(out int error);
        var space = parent.Space.Fork();
        Same(error, space is null ? (int)Errno.ENOMEM : 0, "the error of fork");
        if (agent is null || space is null)
        {
            return;
        }

        _processes[fork.Child] = Adopt(agent, space, fork.Child);
        At(fork.Child).Processor.ProtectionKeys = parent.Processor.ProtectionKeys;
        AfterFork(parent, At(fork.Child));
    }

    private static bool IsError(long result) => result is < 0 and >= -4095;

    private void Outcome(long kernel, Errno engine)
    {
        var error = IsError(kernel) ? (Errno)(-kernel) : Errno.None;
        Same(error, engine, "the outcome");
        LastOutcome = error;
        Counts.Errors += error == Errno.None ? 0 : 1;
    }
}
