using System.Diagnostics;
using Pando.Files;
using Pando.Hardware;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Spaces;

namespace Pando.Kvm.Engine;

/// <summary>What programs ask of the engine; see <see cref="SystemCallNumber"/>. Every argument is a program's: nothing is trusted.</summary>
/// <param name="machine">The machine.</param>
/// <param name="start">Starts a child, and gives its number.</param>
internal sealed class SystemCalls(KvmMachine machine, Func<GuestProcess, int> start)
{
    private const ulong MostWritten = 64 << 10;

    /// <summary>Carries out the call in the process's registers and puts its result there.</summary>
    /// <returns>How the process ends; null where it goes on.</returns>
    internal ProcessEnd? Serve(GuestProcess process)
    {
        ref var r = ref process.Registers;
        if (r.Rax == (ulong)SystemCallNumber.Exit)
        {
            return new ProcessEnd(ProcessSignal.None, Result: r.Rdi);
        }

        try
        {
            r.Rax = unchecked((ulong)Call(process));
            return null;
        }
        catch (ObjectDisposedException) when (process.Space.IsEnding)
        {
            return new ProcessEnd(ProcessSignal.Kill, Report: "its address space ended during a system call");
        }
    }

    private long Call(GuestProcess process)
    {
        ref var r = ref process.Registers;
        var space = process.Space;
        var address = new VirtualAddress(r.Rdi);
        return (SystemCallNumber)r.Rax switch
        {
            SystemCallNumber.Map => Map(process),
            SystemCallNumber.Unmap => -(long)space.Unmap(address, Length(r.Rsi)),
            SystemCallNumber.Protect => AreRights(r.Rdx) ? -(long)space.Protect(address, Length(r.Rsi), (Rights)r.Rdx) : -(long)Errno.EINVAL,
            SystemCallNumber.Remap => r.R10 <= (ulong)(RemapFlags.MayMove | RemapFlags.Fixed | RemapFlags.DontUnmap)
                ? Result(space.Remap(address, Length(r.Rsi), Length(r.Rdx), (RemapFlags)r.R10, new VirtualAddress(r.R8)))
                : -(long)Errno.EINVAL,
            SystemCallNumber.Advise => r.Rdx <= int.MaxValue ? -(long)space.Advise(address, Length(r.Rsi), (Advice)(int)r.Rdx) : -(long)Errno.EINVAL,
            SystemCallNumber.Fork => Fork(process),
            SystemCallNumber.Write => Write(process, address, r.Rsi),
            SystemCallNumber.Time => (long)Stopwatch.GetElapsedTime(0).TotalNanoseconds,
            _ => -(long)Errno.ENOSYS,
        };
    }

    private static long Map(GuestProcess process)
    {
        ref var r = ref process.Registers;
        var flags = (MapFlags)r.R10;
        MappedFile? file = null;
        if ((flags & MapFlags.Anonymous) == 0)
        {
            if (r.R8 >= (ulong)process.Files.Length)
            {
                return -(long)Errno.EBADF;
            }

            file = process.Files[(int)r.R8];
        }

        bool shared = (flags & MapFlags.Shared) != 0;
        if (!AreRights(r.Rdx) || (flags & ~MapFlags.Known) != 0 || shared == ((flags & MapFlags.Private) != 0))
        {
            return -(long)Errno.EINVAL;
        }

        return Result(process.Space.Map(new MapRequest(Length(r.Rsi), (Rights)r.Rdx)
        {
            File = file,
            Offset = file is null ? 0 : Length(r.R9),
            Shared = shared,
            Address = new VirtualAddress(r.Rdi),
            Placement = (flags & MapFlags.FixedNoReplace) != 0 ? MapPlacement.FixedNoReplace
                : (flags & MapFlags.Fixed) != 0 ? MapPlacement.Fixed
                : MapPlacement.Anywhere,
            Populate = (flags & MapFlags.Populate) != 0 ? PopulateKind.Read : PopulateKind.None,
            Synchronous = (flags & MapFlags.Synchronous) != 0,
        }));
    }

    private long Fork(GuestProcess process)
    {
        if (process.Space.Fork() is not { } space)
        {
            return -(long)Errno.ENOMEM;
        }

        var child = new GuestProcess(process, space);
        child.Registers.Rax = 0;
        return start(child);
    }

    private long Write(GuestProcess process, VirtualAddress address, ulong length)
    {
        var bytes = new byte[Math.Min(length, MostWritten)];
        if (!machine.TryCopyFrom(process.Space, address, bytes))
        {
            return -(long)Errno.EFAULT;
        }

        return process.TryWrite(bytes) ? bytes.Length : -(long)Errno.ENOSPC;
    }

    // What is too large for a length is refused by the engine as negative.
    private static long Length(ulong value) => value > long.MaxValue ? -1 : (long)value;

    private static bool AreRights(ulong value) => value <= (ulong)Rights.All;

    private static long Result(MapResult result) => result.Succeeded ? (long)result.Address.Value : -(long)result.Error;
}
