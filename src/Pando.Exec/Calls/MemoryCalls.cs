using Pando.Exec.Memory;
using Pando.Exec.Native;
using Pando.Exec.Tasks;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Exec.Calls;

/// <summary>Memory: the engine's own operations under the names of system calls.</summary>
internal static class MemoryCalls
{
    // linux/mman.h, asm-generic/mman.h.
    private const ulong Shared = 1;
    private const ulong Private = 2;
    private const ulong SharedValidate = 3;
    private const ulong TypeMask = 0xF;
    private const ulong Fixed = 0x10;
    private const ulong Anonymous = 0x20;
    private const ulong Locked = 0x2000;
    private const ulong Populate = 0x8000;
    private const ulong HugePages = 0x40000;
    private const ulong Synchronous = 0x80000;
    private const ulong FixedNoReplace = 0x100000;
    private const ulong KnownToValidate = 0x1C_FFFF;
    private const ulong Page = UserPage.Size;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.Mmap] = Map;
        set[CallNumber.Munmap] = static (task, in call) => -(long)Space(task).Unmap(new VirtualAddress(call.A), (long)call.B);
        set[CallNumber.Mprotect] = static (task, in call) =>
            call.C > (ulong)Rights.All ? -Error.EINVAL : -(long)Space(task).Protect(new VirtualAddress(call.A), (long)call.B, (Rights)call.C);
        set[CallNumber.Mremap] = Remap;
        set[CallNumber.Madvise] = Advise;
        set[CallNumber.Brk] = Break;
        set[CallNumber.Msync] = Sync;
        set[CallNumber.Mincore] = Resident;
        set[CallNumber.Mlock] = static (task, in call) => -(long)Space(task).LockMemory(new VirtualAddress(call.A), (long)call.B);
        set[CallNumber.Mlock2] = static (task, in call) =>
            call.C > 1 ? -Error.EINVAL : -(long)Space(task).LockMemory(new VirtualAddress(call.A), (long)call.B, call.C == 1);
        set[CallNumber.Munlock] = static (task, in call) => -(long)Space(task).UnlockMemory(new VirtualAddress(call.A), (long)call.B);
        set[CallNumber.Mlockall] = static (task, in call) => call.A is 0 or > 7 || call.A == 4
            ? -Error.EINVAL
            : -(long)Space(task).LockAll((call.A & 1) != 0, (call.A & 2) != 0, (call.A & 4) != 0);
        set[CallNumber.Munlockall] = static (task, in call) => -(long)Space(task).UnlockAll();
        set[CallNumber.Membarrier] = Barrier;
    }

    private static AddressSpace Space(GuestTask task) => task.Process.Memory.Space;

    private static long Map(GuestTask task, in CallArguments call)
    {
        ulong flags = call.D;
        ulong type = flags & TypeMask;
        if (call.B == 0 || call.C > (ulong)Rights.All || (call.F & (Page - 1)) != 0 || type is not (Shared or Private or SharedValidate))
        {
            return -Error.EINVAL;
        }

        if (type == SharedValidate && (flags & ~KnownToValidate) != 0)
        {
            return -Error.EOPNOTSUPP;
        }

        if ((flags & HugePages) != 0 && (flags & Anonymous) != 0)
        {
            // There is no pool of huge pages; so says Linux with an empty one.
            return -Error.ENOMEM;
        }

        var request = new MapRequest((long)call.B, (Rights)call.C)
        {
            Shared = type != Private,
            Address = new VirtualAddress(call.A),
            Placement = (flags & FixedNoReplace) != 0 ? MapPlacement.FixedNoReplace : (flags & Fixed) != 0 ? MapPlacement.Fixed : MapPlacement.Anywhere,
            Populate = (flags & Populate) != 0 ? PopulateKind.Read : PopulateKind.None,
            Locked = (flags & Locked) != 0,
        };
        return (flags & Anonymous) != 0 ? Result(Space(task).Map(request)) : MapFile(task, call, request);
    }

    private static long MapFile(GuestTask task, in CallArguments call, MapRequest request)
    {
        const long AccessMode = 3;
        const long WriteOnly = 1;
        const long ReadWrite = 2;
        using var use = task.Process.Descriptors.Use((int)call.E);
        if (!use.IsOpen)
        {
            return -Error.EBADF;
        }

        long mode = Host.Call(CallNumber.Fcntl, use.Host, 3 /* F_GETFL */);
        if (mode < 0 || (mode & Host.OpenPath) != 0)
        {
            return -Error.EBADF;
        }

        bool mayWrite = (mode & AccessMode) == ReadWrite;
        if ((mode & AccessMode) == WriteOnly || (request.Shared && !mayWrite && (request.Rights & Rights.Write) != 0))
        {
            return -Error.EACCES;
        }

        long error = Host.Stat(use.Host, out var stat);
        if (error < 0)
        {
            return error;
        }

        if ((call.D & Synchronous) != 0 && (call.D & TypeMask) == SharedValidate)
        {
            // Which the host would have to grant for the file; its page cache is what is mapped here.
            return -Error.EOPNOTSUPP;
        }

        if (!stat.IsRegular)
        {
            const ulong Zero = (1 << 8) | 5; // /dev/zero: major 1, minor 5
            return stat.IsCharacterDevice && stat.SpecialDevice == Zero ? Result(Space(task).Map(request)) : -Error.ENODEV;
        }

        using var opened = task.System.HostFiles.Open(use.Host, PathOf(use.Host), out error);
        if (opened is null)
        {
            return error;
        }

        var file = (HostFile)opened.File;
        error = request.Shared && mayWrite ? file.AllowStores(use.Host) : 0;
        if (error < 0 || (long)call.F < 0 || !file.TryPrepare((long)call.F, (long)Math.Min(call.B, long.MaxValue)))
        {
            return error < 0 ? error : (long)call.F < 0 ? -Error.EOVERFLOW : -Error.ENOMEM;
        }

        return Result(Space(task).Map(request with
        {
            File = file,
            Offset = (long)call.F,
            OpenedFor = mayWrite ? Rights.All : Rights.Read | Rights.Execute,
        }));
    }

    private static string PathOf(int descriptor) =>
        Host.PathOf(descriptor) is { } path ? System.Text.Encoding.UTF8.GetString(path) : "a file without a name";

    private static long Remap(GuestTask task, in CallArguments call)
    {
        const ulong Known = (ulong)(RemapFlags.MayMove | RemapFlags.Fixed | RemapFlags.DontUnmap);
        if ((call.D & ~Known) != 0)
        {
            return -Error.EINVAL;
        }

        // What grows shows more of its file.
        var space = Space(task);
        if (call.C > call.B && space.AreaAt(new VirtualAddress(call.A)) is { File: HostFile file } area)
        {
            if (!file.TryPrepare(area.Offset + (long)(call.A - area.Range.Start.Value), (long)Math.Min(call.C, long.MaxValue)))
            {
                return -Error.ENOMEM;
            }
        }

        return Result(space.Remap(new VirtualAddress(call.A), (long)call.B, (long)call.C, (RemapFlags)call.D, new VirtualAddress(call.E)));
    }

    private static long Advise(GuestTask task, in CallArguments call)
    {
        // What Linux takes as numbers that the engine has no names for: collapse into huge pages is refused as by a kernel without them.
        int advice = (int)call.C;
        return Enum.IsDefined((Advice)advice) ? -(long)Space(task).Advise(new VirtualAddress(call.A), (long)call.B, (Advice)advice) : -Error.EINVAL;
    }

    private static long Break(GuestTask task, in CallArguments call)
    {
        var memory = task.Process.Memory;
        lock (memory.Sync)
        {
            ulong wanted = call.A;
            if (wanted < memory.BreakStart || wanted >= memory.Space.UserEnd.Value - Page)
            {
                return (long)memory.Break;
            }

            ulong before = (memory.Break + Page - 1) & ~(Page - 1);
            ulong after = (wanted + Page - 1) & ~(Page - 1);
            var error = Errno.None;
            if (after > before)
            {
                error = memory.Space.Map(MapRequest.Anonymous((long)(after - before), Rights.ReadWrite) with
                {
                    Address = new VirtualAddress(before),
                    Placement = MapPlacement.FixedNoReplace,
                }).Error;
            }
            else if (after < before)
            {
                error = memory.Space.Unmap(new VirtualAddress(after), (long)(before - after));
            }

            if (error == Errno.None)
            {
                memory.Break = wanted;
            }

            return (long)memory.Break;
        }
    }

    private static long Sync(GuestTask task, in CallArguments call)
    {
        const ulong Async = 1;
        const ulong Invalidate = 2;
        const ulong Sync = 4;
        if ((call.C & ~(Async | Invalidate | Sync)) != 0 || (call.C & (Async | Sync)) == (Async | Sync) || (call.A & (Page - 1)) != 0)
        {
            return -Error.EINVAL;
        }

        var error = Space(task).Sync(new VirtualAddress(call.A), (long)call.B, (call.C & Invalidate) != 0);
        if ((call.C & Sync) != 0)
        {
            // The host has the dirty pages of its own files.
            var range = (Start: call.A, End: call.A + call.B);
            foreach (var area in Space(task).Areas)
            {
                if (area is { Shared: true, File: HostFile file } && area.Range.Start.Value < range.End && range.Start < area.Range.End.Value)
                {
                    ulong start = Math.Max(range.Start, area.Range.Start.Value);
                    ulong end = Math.Min(range.End, area.Range.End.Value);
                    long result = file.WriteBackFromHost(area.Offset + (long)(start - area.Range.Start.Value), (long)(end - start));
                    if (result < 0)
                    {
                        return result;
                    }
                }
            }
        }

        return -(long)error;
    }

    private static long Resident(GuestTask task, in CallArguments call)
    {
        const ulong MostAtOnce = 4096;
        if ((call.A & (Page - 1)) != 0)
        {
            return -Error.EINVAL;
        }

        ulong pages = (call.B / Page) + (call.B % Page != 0 ? 1UL : 0);
        var resident = new bool[Math.Min(pages, MostAtOnce)];
        for (ulong done = 0; done < pages; done += MostAtOnce)
        {
            var part = resident.AsSpan(0, (int)Math.Min(MostAtOnce, pages - done));
            var error = Space(task).Resident(new VirtualAddress(call.A + (done * Page)), part);
            if (error != Errno.None)
            {
                return -(long)error;
            }

            if (!task.Write(call.C + done, System.Runtime.InteropServices.MemoryMarshal.AsBytes(part)))
            {
                return -Error.EFAULT;
            }
        }

        return 0;
    }

    // membarrier(2): each return from the host to ring 3 is a barrier, and an interrupt makes every other task of the process return.
    private static long Barrier(GuestTask task, in CallArguments call)
    {
        const ulong Query = 0;
        const ulong Global = 1;
        const ulong PrivateExpedited = 8;
        const ulong RegisterPrivate = 16;
        switch (call.A)
        {
            case Query:
                return (long)(Global | PrivateExpedited | RegisterPrivate);
            case Global or PrivateExpedited:
                foreach (var other in task.Process.Tasks)
                {
                    if (other != task)
                    {
                        other.Context.Interrupt();
                    }
                }

                Interlocked.MemoryBarrierProcessWide();
                return 0;
            case RegisterPrivate:
                return 0;
            default:
                return -Error.EINVAL;
        }
    }

    private static long Result(MapResult result) => result.Succeeded ? (long)result.Address.Value : -(long)result.Error;
}
