using System.Runtime.CompilerServices;
using Pando.Kvm.Engine;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Spaces;

namespace Pando.Kvm.Tasks;

/// <summary>Runs programs of many address spaces on the vCPUs of a machine: any number of programs, as many at a time as there are tokens.</summary>
/// <remarks>
/// <para>
/// A program goes on where it was last if it can, since that vCPU still has its extended state; a vCPU that is not running may be
/// taken over by another, which costs two ioctl calls.
/// </para>
/// <para>
/// There are no more tokens than cores. A flush waits for every vCPU that is inside guest mode; one that is inside and not on a
/// core would make it wait for the host's scheduler.
/// </para>
/// <para>All members but <see cref="Dispose"/> are safe for threads; each program has one thread that runs it at a time.</para>
/// </remarks>
public sealed class UserProcessors : IDisposable
{
    /// <summary>How long a program stays in ring 3 while others wait for a token.</summary>
    public static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(4);

    // A breakpoint that was under way when a run was stopped gets so many more stays to take effect.
    private const int MostExtraStays = 2;

    private readonly Lock _lock = new();
    private readonly TaskSeat[] _seats;
    private readonly SemaphoreSlim _tokens;
    private readonly RunTicker _ticker;
    private int _waiting;
    private long _uses;

    /// <summary>Takes the machine's vCPUs, all of them; nobody else uses them from now on.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="tokens">How many programs are in ring 3 at a time: 1 to the number of vCPUs.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are not as many vCPUs.</exception>
    public UserProcessors(KvmMachine machine, int tokens)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, machine.ProcessorCount);
        _seats = [.. machine.Processors.ToArray().Select(static processor => new TaskSeat(processor))];
        foreach (var seat in _seats)
        {
            seat.Processor.Cpu.AllowExtendedState();
        }

        _tokens = new SemaphoreSlim(tokens, tokens);
        _ticker = new RunTicker(machine, Slice, () => Volatile.Read(ref _waiting) > 0);
    }

    /// <summary>Runs a program in a space until it needs something. Page faults that the space resolves are not among that.</summary>
    /// <param name="context">The program; nobody else runs it.</param>
    /// <param name="space">Its address space, of this machine.</param>
    public UserExit Run(UserContext context, AddressSpace space)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(space);
        while (true)
        {
            Interlocked.Increment(ref _waiting);
            _tokens.Wait();
            Interlocked.Decrement(ref _waiting);
            try
            {
                var seat = Take(context);
                try
                {
                    if (RunOn(seat.Processor, context, space) is { } exit)
                    {
                        return exit;
                    }
                }
                finally
                {
                    Return(seat);
                }
            }
            finally
            {
                _tokens.Release();
            }
        }
    }

    /// <summary>Copies a program's extended state, as XSAVE stores it in its standard form (Intel SDM vol. 1, 13.4).</summary>
    /// <param name="context">A program that is not running.</param>
    /// <param name="state">Receives 4,096 bytes.</param>
    public void ReadExtendedState(UserContext context, Span<byte> state)
    {
        ArgumentNullException.ThrowIfNull(context);
        lock (_lock)
        {
            if (context.Seat is { } seat)
            {
                seat.Processor.Cpu.ReadExtendedState(context.Extended);
            }

            context.Extended.CopyTo(state);
        }
    }

    /// <summary>Sets it.</summary>
    /// <param name="context">A program that is not running.</param>
    /// <param name="state">4,096 bytes.</param>
    /// <returns>False where a processor does not take it, as with components that it has not; then nothing has changed.</returns>
    public bool TryWriteExtendedState(UserContext context, ReadOnlySpan<byte> state)
    {
        ArgumentNullException.ThrowIfNull(context);
        var seat = Take(context);
        try
        {
            seat.Processor.Cpu.WriteExtendedState(state);
            return true;
        }
        catch (KvmException)
        {
            return false;
        }
        finally
        {
            Return(seat);
        }
    }

    /// <summary>A copy of a program that is not running: a child's beginning.</summary>
    public UserContext Copy(UserContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var copy = new UserContext { FsBase = context.FsBase, GsBase = context.GsBase };
        copy.Registers = context.Registers;
        ReadExtendedState(context, copy.Extended);
        return copy;
    }

    /// <summary>Forgets a program that will not run again.</summary>
    public void Forget(UserContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        lock (_lock)
        {
            if (context.Seat is { } seat)
            {
                seat.Resident = null;
                context.Seat = null;
            }
        }
    }

    /// <summary>Ends the slices. No program is running.</summary>
    public void Dispose()
    {
        _ticker.Dispose();
        _tokens.Dispose();
    }

    /// <summary>A vCPU for a program, with the program's extended state. There are at least as many as those who ask for one at a time, but for
    /// <see cref="TryWriteExtendedState"/>, which waits for one.</summary>
    private TaskSeat Take(UserContext context)
    {
        for (var wait = new SpinWait(); ; wait.SpinOnce())
        {
            TaskSeat? seat;
            UserContext? before;
            lock (_lock)
            {
                seat = context.Seat ?? Free();
                if (seat is null)
                {
                    continue;
                }

                seat.IsTaken = true;
                before = seat.Resident;
                if (before == context)
                {
                    return seat;
                }

                if (before is not null)
                {
                    // Before its program can be given another.
                    seat.Processor.Cpu.ReadExtendedState(before.Extended);
                    before.Seat = null;
                }

                seat.Resident = context;
                context.Seat = seat;
            }

            seat.Processor.Cpu.WriteExtendedState(context.Extended);
            return seat;
        }
    }

    private TaskSeat? Free()
    {
        TaskSeat? best = null;
        foreach (var seat in _seats)
        {
            if (!seat.IsTaken && (best is null || (seat.Resident is null) || (best.Resident is not null && seat.LastUse < best.LastUse)))
            {
                best = seat;
                if (seat.Resident is null)
                {
                    break;
                }
            }
        }

        return best;
    }

    private void Return(TaskSeat seat)
    {
        lock (_lock)
        {
            seat.IsTaken = false;
            seat.LastUse = ++_uses;
        }
    }

    /// <summary>Runs a program on a vCPU; null where its slice is over.</summary>
    private UserExit? RunOn(SpaceProcessor processor, UserContext context, AddressSpace space)
    {
        var cpu = processor.Cpu;
        var spaces = context.SpacesOf(space);
        processor.Occupy(spaces);
        try
        {
            if (space.IsEnding)
            {
                return new UserExit(UserExitKind.SpaceEnded);
            }

            cpu.Registers = Unsafe.As<UserRegisters, KvmRegisters>(ref context.Registers);
            cpu.Registers.Rflags = ProcessorState.FlagsOfUser(cpu.Registers.Rflags);
            cpu.FsBase = context.FsBase;
            cpu.GsBase = context.GsBase;
            cpu.Space = processor.Load(spaces)[0];
            context.BeginOn(cpu);
            try
            {
                return RunInside(processor, context, space);
            }
            finally
            {
                context.End();
                context.Registers = Unsafe.As<KvmRegisters, UserRegisters>(ref cpu.Registers);
                context.FsBase = cpu.FsBase;
                context.GsBase = cpu.GsBase;
            }
        }
        finally
        {
            processor.Vacate();
        }
    }

    private UserExit? RunInside(SpaceProcessor processor, UserContext context, AddressSpace space)
    {
        var cpu = processor.Cpu;
        int extraStays = 0;
        if (context.TakeInterrupt())
        {
            return new UserExit(UserExitKind.Interrupted);
        }

        while (true)
        {
            var exit = cpu.Run();
            if (space.IsEnding)
            {
                return new UserExit(UserExitKind.SpaceEnded);
            }

            switch (exit.Kind)
            {
                case ExitKind.SystemCall:
                    return new UserExit(UserExitKind.SystemCall);
                case ExitKind.PageFault:
                    var result = processor.Resolve(space, exit, out string? broken);
                    if (broken is not null)
                    {
                        return new UserExit(UserExitKind.Failed, exit.Vector, exit.ErrorCode, exit.Address, Report: broken);
                    }

                    if (!result.IsResolved)
                    {
                        return new UserExit(UserExitKind.PageFault, exit.Vector, exit.ErrorCode, exit.Address, result.Kind);
                    }

                    break;
                case ExitKind.Stopped:
                    if (extraStays++ < MostExtraStays && cpu.IsBehindBreakpoint)
                    {
                        break;
                    }

                    if (context.TakeInterrupt())
                    {
                        return new UserExit(UserExitKind.Interrupted);
                    }

                    if (Volatile.Read(ref _waiting) > 0)
                    {
                        return null;
                    }

                    break;
                case ExitKind.NoMemory:
                    return new UserExit(UserExitKind.NoMemory, Address: exit.Address);
                case ExitKind.Failed:
                    cpu.Reset();
                    return new UserExit(UserExitKind.Failed, Report: exit.Failure!.ToString());
                default:
                    return new UserExit(UserExitKind.Exception, exit.Vector, exit.ErrorCode);
            }
        }
    }
}
