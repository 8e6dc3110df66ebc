using System.Diagnostics;
using System.Globalization;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Spaces;

namespace Pando.Kvm.Engine;

/// <summary>Runs one program in many spaces: each vCPU goes from space to space by itself, and comes out for faults only.</summary>
/// <remarks>The program ends its turn in a space by INT3, and sums in R15.</remarks>
/// <param name="machine">The machine.</param>
/// <param name="program">The program.</param>
/// <param name="limit">The most time for one space.</param>
/// <param name="ended">Told how many spaces more a vCPU is through with, on its thread.</param>
/// <param name="cancellation">Calls it off.</param>
internal sealed class SpaceRounds(
    KvmMachine machine, UserProgram program, TimeSpan limit, Action<int>? ended = null, CancellationToken cancellation = default)
{
    // Spaces that a vCPU takes at a time: enough to make an exit's cost small, few enough that both end together.
    private const int MostPerRound = 256;

    private readonly Lock _lock = new();
    private readonly List<string> _failures = [];
    private IReadOnlyList<AddressSpace> _spaces = [];
    private Func<int, KvmRegisters> _begin = static _ => default;
    private int _perRound;
    private int _next;
    private int _completed;
    private ulong _sum;
    private long _faults;
    private long _faultTicks;
    private long _ticks;
    private long _exits;

    /// <summary>Runs it. Called once.</summary>
    /// <param name="spaces">The spaces, each once.</param>
    /// <param name="begin">The registers for a round that begins with the space of that index; RIP is filled in.</param>
    internal RoundReport Run(IReadOnlyList<AddressSpace> spaces, Func<int, KvmRegisters> begin)
    {
        _spaces = spaces;
        _begin = begin;
        _perRound = Math.Clamp(spaces.Count / (machine.ProcessorCount * 4), 1, MostPerRound);
        long start = Stopwatch.GetTimestamp();
        using (var ticker = new RunTicker(machine, limit))
        using (var registration = cancellation.Register(StopAll))
        {
            ProcessorThreads.Run(machine.Processors.ToArray(), Drive);
        }

        cancellation.ThrowIfCancellationRequested();

        return new RoundReport(
            _completed, _sum, _faults, Stopwatch.GetElapsedTime(0, _faultTicks),
            _exits, Stopwatch.GetElapsedTime(start), Stopwatch.GetElapsedTime(0, _ticks), _failures);
    }

    private void StopAll()
    {
        foreach (var processor in machine.Processors)
        {
            processor.Cpu.Stop();
        }
    }

    private void Drive(SpaceProcessor processor)
    {
        while (!cancellation.IsCancellationRequested)
        {
            int first = Interlocked.Add(ref _next, _perRound) - _perRound;
            if (first >= _spaces.Count)
            {
                return;
            }

            var spaces = new AddressSpace[Math.Min(_perRound, _spaces.Count - first)];
            for (int i = 0; i < spaces.Length; i++)
            {
                spaces[i] = _spaces[first + i];
            }

            long start = Stopwatch.GetTimestamp();
            processor.Occupy(spaces);
            try
            {
                RunRound(processor, spaces, _begin(first));
            }
            finally
            {
                processor.Cpu.ClearRound();
                processor.Vacate();
                Interlocked.Add(ref _ticks, Stopwatch.GetTimestamp() - start);
            }

            ended?.Invoke(spaces.Length);
        }
    }

    private void RunRound(SpaceProcessor processor, AddressSpace[] spaces, KvmRegisters begin)
    {
        begin.Rip = program.Address;
        begin.Rflags = 2;
        var left = Living(spaces);
        var roots = processor.Load(left);
        var cpu = processor.Cpu;
        long faults = 0;
        long faultTicks = 0;
        long exits = 0;
        ulong sum = 0;
        int completed = 0;
        long turn = Stopwatch.GetTimestamp();
        int turnOf = 0;
        if (left.Length > 0)
        {
            Enter(cpu, roots, begin);
        }

        while (left.Length > 0)
        {
            var exit = cpu.Run();
            exits++;
            int position = cpu.RoundPosition;
            if (position != turnOf)
            {
                (turnOf, turn) = (position, Stopwatch.GetTimestamp());
            }

            ProcessEnd? end = null;
            switch (exit.Kind)
            {
                case ExitKind.PageFault:
                    faults++;
                    long before = Stopwatch.GetTimestamp();
                    end = processor.Serve(left[position], exit);
                    faultTicks += Stopwatch.GetTimestamp() - before;
                    break;
                case ExitKind.Breakpoint:
                    completed += left.Length;
                    left = [];
                    continue;
                case ExitKind.Stopped when cancellation.IsCancellationRequested:
                    left = [];
                    continue;
                case ExitKind.Stopped when Stopwatch.GetElapsedTime(turn) > limit:
                    end = new ProcessEnd(ProcessSignal.ProcessorTime);
                    break;
                case ExitKind.Stopped when left[position].IsEnding:
                    end = new ProcessEnd(ProcessSignal.Kill, Report: "the space ended");
                    break;
                case ExitKind.Stopped:
                    // One that was to come may be ending; those that are left are entered from a new queue.
                    completed += position;
                    (left, roots) = Living(left, roots, position);
                    cpu.QueueRound(roots.AsSpan(1));
                    turnOf = 0;
                    break;
                case ExitKind.SystemCall:
                    end = new ProcessEnd(ProcessSignal.SystemCall, Report: "a program that goes from space to space makes no system call");
                    break;
                default:
                    end = processor.EndBy(exit);
                    break;
            }

            if (end is not null)
            {
                completed += position;
                Fail(left[position], end);
                (left, roots) = Living(left, roots, position);
                (left, roots) = (left[1..], roots[1..]);
                sum += cpu.Registers.R15;
                (turnOf, turn) = (0, Stopwatch.GetTimestamp());
                if (left.Length > 0)
                {
                    Enter(cpu, roots, begin);
                }
                else
                {
                    cpu.Registers.R15 = 0;
                }
            }
        }

        lock (_lock)
        {
            _faults += faults;
            _faultTicks += faultTicks;
            _exits += exits;
            _completed += completed;
            _sum += sum + cpu.Registers.R15;
        }

        cpu.Registers.R15 = 0;
    }

    private static void Enter(VirtualProcessor cpu, ReadOnlySpan<ulong> roots, in KvmRegisters registers)
    {
        cpu.Registers = registers;
        cpu.BeginRound(roots);
    }

    /// <summary>
    /// What is left of a round from a position on: the space there, and those behind it that are not ending. Their roots stay as
    /// they were loaded.
    /// </summary>
    private (AddressSpace[] Spaces, ulong[] Roots) Living(AddressSpace[] spaces, ulong[] roots, int position)
    {
        var living = Living(spaces[(position + 1)..]);
        var rootsOfLiving = new ulong[living.Length];
        for (int i = 0, at = position + 1; i < living.Length; i++, at++)
        {
            while (spaces[at] != living[i])
            {
                at++;
            }

            rootsOfLiving[i] = roots[at];
        }

        return ([spaces[position], .. living], [roots[position], .. rootsOfLiving]);
    }

    /// <summary>Those that are not ending. Asked after the processor has said that it may be in them.</summary>
    private AddressSpace[] Living(AddressSpace[] spaces)
    {
        foreach (var space in spaces)
        {
            if (space.IsEnding)
            {
                Fail(space, new ProcessEnd(ProcessSignal.Kill, Report: "the space had ended"));
            }
        }

        return Array.TrueForAll(spaces, static space => !space.IsEnding) ? spaces : Array.FindAll(spaces, static space => !space.IsEnding);
    }

    private void Fail(AddressSpace space, ProcessEnd end)
    {
        lock (_lock)
        {
            _failures.Add(string.Create(CultureInfo.InvariantCulture, $"{space}: {end.Signal} at 0x{end.Address:x}. {end.Report}"));
        }
    }
}
