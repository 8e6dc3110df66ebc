using System.Diagnostics;
using System.Globalization;
using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Kvm.Guests;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Spaces;

namespace Pando.Benchmarks;

/// <summary>What a page fault costs from the instruction to its end, the engine's handler included, beside an empty exit.</summary>
/// <remarks>Run by <c>dotnet run -c Release --project bench/Pando.Benchmarks -- kvm-faults</c>; some seconds.</remarks>
internal static class KvmFaults
{
    private const int Faults = 500;
    private const int Rounds = 21;

    private static readonly VirtualAddress _at = new(1UL << 40);

    internal static int Run()
    {
        var availability = KvmAvailability.Check();
        if (!availability.IsUsable)
        {
            Console.WriteLine($"nothing measured: {availability.Reason}");
            return 1;
        }

        var kinds = new (string Name, Func<double> Measure)[]
        {
            ("an empty exit (a page fault, nothing served, and back)", EmptyExits),
            ("read of a file's 4 KiB page: a leaf filled in the file's table", () => ServedFaults("file")),
            ("write of a file's 4 KiB page: filled, noted as written", () => ServedFaults("write")),
            ("first write of a page that was read: write-enabled", () => ServedFaults("enable")),
            ("read of a file's 2 MiB page", () => ServedFaults("large")),
            ("write of private memory: a zeroed page", () => ServedFaults("anonymous")),
        };

        // All kinds in every round: a host shared with others is quick and slow by turns.
        var times = Array.ConvertAll(kinds, static _ => new double[Rounds]);
        for (int round = 0; round < Rounds; round++)
        {
            for (int kind = 0; kind < kinds.Length; kind++)
            {
                times[kind][round] = kinds[kind].Measure();
            }
        }

        for (int kind = 0; kind < kinds.Length; kind++)
        {
            Array.Sort(times[kind]);
            double median = times[kind][Rounds / 2];
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{kinds[kind].Name}: {median:N0} ns, {median / times[0][Rounds / 2]:F2} times an empty exit"));
        }

        return 0;
    }

    private static double EmptyExits()
    {
        using var machine = new Machines.Machine(new Machines.MachineOptions());
        using var kvm = new KvmMachine(machine);
        var space = machine.CreateSpace();
        var processor = kvm.Processors[0];
        processor.Occupy([space]);
        processor.Cpu.Space = space.RootAddress.Value;
        processor.Cpu.Registers = new KvmRegisters { Rip = CommonCode.SequentialRead.Address, Rflags = 2, Rdi = _at.Value, Rdx = 1 };
        processor.Cpu.Run();
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < Faults; i++)
        {
            processor.Cpu.Run();
        }

        var time = Stopwatch.GetElapsedTime(begin);
        processor.Vacate();
        return time.TotalNanoseconds / Faults;
    }

    private static double ServedFaults(string kind)
    {
        using var machine = new Machines.Machine(new Machines.MachineOptions { Ram = 1L << 30, LargePages = kind == "large" });
        using var kvm = new KvmMachine(machine);
        using var file = machine.AddPmem(2L << 30).CreateFile("data", 1L << 30);
        var space = machine.CreateSpace();
        var request = kind == "anonymous" ? MapRequest.Anonymous(1L << 30, Rights.ReadWrite) : MapRequest.SharedFile(file, Rights.ReadWrite);
        _ = space.Map(request with { Address = _at, Placement = MapPlacement.Fixed }).Value;
        long stride = kind == "large" ? 2 << 20 : 4096;

        // Only the page's own fault is meant: its tables are there, and the device is attached.
        long table = kind == "large" ? 0 : 2 << 20;
        if (kind == "enable")
        {
            space.Populate(AddressRange.FromLength(_at, (Faults + 2) * stride), AccessKind.Read);
        }
        else
        {
            space.Fault(_at + table - (table > 0 ? 4096 : 0), AccessKind.Write);
        }

        if (kind == "large")
        {
            // Once over the device, so that all of it is attached; then the file's tables go, and its pages fault again.
            Run(kvm, space, CommonCode.SequentialRead, stride);
            space.Exit();
            machine.Reclaim();
            space = machine.CreateSpace();
            _ = space.Map(request with { Address = _at, Placement = MapPlacement.Fixed }).Value;
        }

        var process = Run(kvm, space, kind is "file" or "large" ? CommonCode.SequentialRead : CommonCode.Write, stride);
        if (process.End!.Signal != ProcessSignal.None || process.Faults < Faults * 9 / 10)
        {
            throw new InvalidOperationException($"{process.End}, {process.Faults} faults");
        }

        return process.Ticks * (1e9 / Stopwatch.Frequency) / process.Faults;
    }

    private static GuestProcess Run(KvmMachine kvm, AddressSpace space, UserProgram program, long stride)
    {
        var process = new GuestProcess(space, program.Address);
        process.Registers.Rdi = _at.Value;
        process.Registers.Rsi = (ulong)stride;
        process.Registers.Rdx = Faults;
        ProcessRunner.Run(kvm, process);
        return process;
    }
}
