using System.Diagnostics;
using Pando.Kvm.Processor;

namespace Pando.Kvm.Engine;

/// <summary>Runs processes to their ends: they take turns on the vCPUs, a slice each.</summary>
internal sealed class ProcessRunner : IDisposable
{
    /// <summary>How long a process keeps a vCPU while others wait.</summary>
    internal static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(4);

    // How often a slice is made longer for a breakpoint that may be under way. A program that only stands behind
    // an INT3's byte gets no more.
    private const int MostExtraSlices = 2;

    private readonly KvmMachine _machine;
    private readonly SystemCalls _systemCalls;

    // Protected by _lock.
    private readonly Lock _lock = new();
    private readonly Queue<GuestProcess> _ready = new();
    private readonly List<GuestProcess> _all = [];
    private int _alive;
    private bool _failed;

    private readonly SemaphoreSlim _wake = new(0);

    private ProcessRunner(KvmMachine machine)
    {
        _machine = machine;
        _systemCalls = new SystemCalls(machine, Add);
    }

    /// <summary>Runs processes, and those that they fork, until each has ended.</summary>
    /// <returns>All of them, by number, from 1; each has its <see cref="GuestProcess.End"/>.</returns>
    internal static IReadOnlyList<GuestProcess> Run(KvmMachine machine, params IReadOnlyList<GuestProcess> processes)
    {
        using var runner = new ProcessRunner(machine);
        foreach (var process in processes)
        {
            runner.Add(process);
        }

        using (var ticker = new RunTicker(machine, Slice))
        {
            ProcessorThreads.Run(machine.Processors.ToArray(), runner.Drive);
        }

        return runner._all;
    }

    public void Dispose() => _wake.Dispose();

    private int Add(GuestProcess process)
    {
        lock (_lock)
        {
            _all.Add(process);
            process.Number = _all.Count;
            _alive++;
            _ready.Enqueue(process);
        }

        _wake.Release();
        return process.Number;
    }

    private void Drive(SpaceProcessor processor)
    {
        try
        {
            while (Take() is { } process)
            {
                RunSlice(processor, process);
                Return(process);
            }
        }
        catch
        {
            lock (_lock)
            {
                _failed = true;
            }

            _wake.Release(_machine.ProcessorCount);
            throw;
        }
    }

    /// <summary>The next process; null where all have ended. Waits while those that live are on other vCPUs.</summary>
    private GuestProcess? Take()
    {
        while (true)
        {
            lock (_lock)
            {
                if (_failed || _alive == 0)
                {
                    return null;
                }

                if (_ready.TryDequeue(out var process))
                {
                    return process;
                }
            }

            _wake.Wait();
        }
    }

    private void Return(GuestProcess process)
    {
        if (process.End is not null && process.OwnsSpace)
        {
            process.Space.Exit();
        }

        bool last = false;
        lock (_lock)
        {
            if (process.End is null)
            {
                _ready.Enqueue(process);
            }
            else
            {
                last = --_alive == 0;
            }
        }

        _wake.Release(last ? _machine.ProcessorCount : 1);
    }

    private void RunSlice(SpaceProcessor processor, GuestProcess process)
    {
        processor.Occupy(process.Spaces);
        try
        {
            RunInside(processor, process);
        }
        finally
        {
            processor.Vacate();
        }
    }

    private void RunInside(SpaceProcessor processor, GuestProcess process)
    {
        var cpu = processor.Cpu;
        var space = process.Space;
        if (space.IsEnding)
        {
            process.End = new ProcessEnd(ProcessSignal.Kill, Report: "its address space ended");
            return;
        }

        // By what others of its family have taken: another slice for each would be time to fork in.
        EndIfOverTime(process);
        if (process.End is not null)
        {
            return;
        }

        long start = Stopwatch.GetTimestamp();
        cpu.Registers = process.Registers;
        cpu.Space = processor.Load(process.Spaces)[0];
        bool goesOn = true;
        int extraSlices = 0;
        while (goesOn && process.End is null)
        {
            var exit = cpu.Run();
            switch (exit.Kind)
            {
                case ExitKind.PageFault:
                    process.Faults++;
                    process.End = processor.Serve(space, exit);
                    break;
                case ExitKind.SystemCall:
                    process.SystemCalls++;
                    process.Registers = cpu.Registers;
                    process.End = _systemCalls.Serve(process);
                    cpu.Registers = process.Registers;
                    break;
                case ExitKind.Stopped:
                    goesOn = extraSlices++ < MostExtraSlices && !space.IsEnding && cpu.IsBehindBreakpoint;
                    break;
                default:
                    process.End = processor.EndBy(exit);
                    break;
            }

            if (process.End is null && space.IsEnding)
            {
                process.End = new ProcessEnd(ProcessSignal.Kill, Report: "its address space ended");
            }
        }

        process.Registers = cpu.Registers;
        process.CountTime(Stopwatch.GetTimestamp() - start);
        EndIfOverTime(process);
    }

    private static void EndIfOverTime(GuestProcess process)
    {
        if (process.End is null && process.IsOverTime)
        {
            process.End = new ProcessEnd(
                ProcessSignal.ProcessorTime, Report: $"it and those that were forked with it took more than {process.TimeLimit.TotalSeconds} s of processor time");
        }
    }
}
