using System.Diagnostics;
using System.Globalization;
using Pando.Kvm.Guests;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Kvm.Tests;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Benchmarks;

/// <summary>What each way into and out of a vCPU costs on this host: the numbers of docs/kvm-findings.md.</summary>
/// <remarks>
/// Run by <c>dotnet run -c Release --project bench/Pando.Benchmarks -- kvm-costs</c>. Medians of many single
/// operations, since a host shared with others has long outliers; a table of about 25 lines, in 10 s or less.
/// </remarks>
internal static class KvmCosts
{
    private const ulong Data = 0x7000_0000;
    private const int Samples = 2000;

    internal static int Run()
    {
        var availability = KvmAvailability.Check();
        if (!availability.IsUsable)
        {
            Console.WriteLine($"nothing measured: {availability.Reason}");
            return 1;
        }

        MeasureCreation();
        using (var guest = new GuestMachine())
        {
            Console.WriteLine($"the CPU walks: {guest.Machine.Translation}; PCID {guest.Machine.HasPcid}; LA57 {KvmAvailability.Check(levels: 5).IsUsable}; MAXPHYADDR {guest.Machine.PhysicalAddressBits}");
        }

        MeasureCalls();
        MeasureExits();
        MeasureSpaces();
        MeasureFaults();
        MeasureFlushes();
        ShowWhatIsSeen();
        foreach (var largePages in new[] { false, true })
        {
            MeasureManySpaces(2_000, largePages);
        }

        return 0;
    }

    private static void MeasureCreation()
    {
        Report("machine with probe, created and disposed", Median(20, static () => new VirtualMachine().Dispose()));
        using var machine = new VirtualMachine();
        Report("vCPU created", Median(50, () => machine.CreateProcessor()));
        foreach (var length in new[] { 1UL << 30, 4UL << 30, 16UL << 30 })
        {
            using var memory = new HostMemory(length);
            var added = Once(() => machine.AddMemory(0, length, memory.Address));
            var removed = Once(() => machine.RemoveMemory(0, length));
            Report($"slot of {length >> 30} GiB attached", added);
            Report($"slot of {length >> 30} GiB removed", removed);
        }
    }

    private static void MeasureCalls()
    {
        using var guest = new GuestMachine();
        var (processor, _) = Looping(guest, static a => a.int3());
        processor.Run();
        using var buffer = new HostMemory(4096);
        var registers = (nuint)buffer.Address;
        var special = registers + 1024;
        var vcpu = processor.Descriptor;
        Report("getppid", Median(Samples, static () => LibC.SystemCall(110, 0, 0, 0)));
        Report("KVM_GET_REGS", Median(Samples, () => LibC.Ioctl(vcpu, KvmRequest.GetRegisters, registers)));
        Report("KVM_SET_REGS", Median(Samples, () => LibC.Ioctl(vcpu, KvmRequest.SetRegisters, registers)));
        Report("KVM_GET_SREGS", Median(Samples, () => LibC.Ioctl(vcpu, KvmRequest.GetSpecialRegisters, special)));
        Report("KVM_SET_SREGS, nothing changed", Median(Samples, () => LibC.Ioctl(vcpu, KvmRequest.SetSpecialRegisters, special)));
        Report("KVM_TRANSLATE", Median(Samples, () => processor.Translate(GuestMachine.CodeAddress)));
    }

    private static void MeasureExits()
    {
        using (var guest = new GuestMachine())
        {
            MeasureExit(guest, "exit by SYSCALL, resumed", static a => a.syscall(), ExitKind.SystemCall);
        }

        using (var guest = new GuestMachine())
        {
            MeasureExit(guest, "exit by INT3 (7 ring-0 instructions), resumed", static a => a.int3(), ExitKind.Breakpoint);
        }

        using (var guest = new GuestMachine())
        {
            MeasureExit(guest, "exit by UD2, resumed", static a => a.ud2(), ExitKind.Exception);
        }

        using (var guest = new GuestMachine())
        {
            MeasureExit(guest, "exit by page fault, nothing served, resumed", static a => a.mov(rax, __qword_ptr[rdi]), ExitKind.PageFault);
        }

        using (var guest = new GuestMachine())
        {
            var (processor, space) = Looping(guest, static a => a.mov(__qword_ptr[rdi], rax));
            guest.Entry(space, Data) = 0x40_0000_0000 | GuestMachine.UserPage;
            Report("exit by a store to absent memory (KVM_EXIT_MMIO), goes on", Median(Samples, () => Expect(processor.Run(), ExitKind.NoMemory)));
        }
    }

    private static void MeasureExit(GuestMachine guest, string name, Action<Iced.Intel.Assembler> instruction, ExitKind expected)
    {
        var (processor, _) = Looping(guest, instruction);
        Report(name, Median(Samples, () =>
        {
            Expect(processor.Run(), expected);
            processor.Registers.Rip = GuestMachine.CodeAddress;
        }));
    }

    private static void MeasureSpaces()
    {
        using var guest = new GuestMachine();
        var program = UserProgram.Assembled("next", GuestMachine.CodeAddress, static a =>
        {
            var self = a.CreateLabel();
            a.Label(ref self);
            a.int3();
            a.jmp(self);
        });
        var spaces = new ulong[64];
        for (var i = 0; i < spaces.Length; i++)
        {
            spaces[i] = guest.CreateSpace();
            guest.Load(spaces[i], program);
        }

        var processor = guest.Machine.CreateProcessor();
        GuestMachine.Start(processor, spaces[0], program);
        foreach (var (count, name) in new[] { (1, "1 space"), (2, "2 spaces in turn"), (4, "4 spaces in turn"), (64, "64 spaces in turn") })
        {
            var next = 0;
            Report($"exit and entry, {name}", Median(Samples, () =>
            {
                processor.Space = spaces[next = (next + 1) % count];
                processor.Registers.Rip = GuestMachine.CodeAddress;
                Expect(processor.Run(), ExitKind.Breakpoint);
            }));

            var queue = Enumerable.Range(0, 500).Select(i => spaces[i % count]).ToArray();
            Report($"from space to space without exit, {name}", Median(20, () =>
            {
                processor.QueueRound(queue);
                processor.Registers.Rip = GuestMachine.CodeAddress;
                Expect(processor.Run(), ExitKind.Breakpoint);
            }) / queue.Length);
        }
    }

    /// <summary>A program that reads page after page; the host fills in a leaf for each and resumes.</summary>
    private static void MeasureFaults()
    {
        using var guest = new GuestMachine();
        var (processor, space) = Looping(guest, static a =>
        {
            a.mov(rax, __qword_ptr[rdi]);
            a.add(rdi, 4096);
        });
        var faults = 0UL;
        var frame = guest.Allocate();
        Report("page fault served by a new leaf, resumed, until the next", Median(Samples, () =>
        {
            Expect(processor.Run(), ExitKind.PageFault);
            guest.Entry(space, Data + (faults++ * 4096)) = frame | GuestMachine.UserPage;
        }));
    }

    private static void MeasureFlushes()
    {
        using var guest = new GuestMachine();
        var (processor, space) = Looping(guest, static a => a.int3());
        Expect(processor.Run(), ExitKind.Breakpoint);
        var tables = new ulong[64];
        for (var i = 0; i < tables.Length; i++)
        {
            guest.MapPage(space, Data + ((ulong)i << 21));
            tables[i] = guest.TableOf(space, Data + ((ulong)i << 21));
        }

        foreach (var count in new[] { 1, 4, 16, 64 })
        {
            Report($"flush of {count} changed tables, vCPUs idle", Median(Samples / 10, () => guest.Machine.Flush(tables.AsSpan(0, count))));
        }

        Report("flush of everything, vCPUs idle", Median(Samples / 10, guest.Machine.FlushEverything));

        var loop = BrokenPrograms.EndlessLoop(GuestMachine.CodeAddress + 0x1000);
        guest.Load(space, loop);
        GuestMachine.Start(processor, space, loop);
        var thread = new Thread(() => processor.Run());
        thread.Start();
        foreach (var (name, action) in new (string, Action)[]
        {
            ("kick of a running vCPU until it is out", guest.Machine.KickAll),
            ("flush of 1 changed table, one vCPU running", () => guest.Machine.Flush(tables.AsSpan(0, 1))),
            ("flush of everything, one vCPU running", guest.Machine.FlushEverything),
        })
        {
            Report(name, MedianOf([.. Enumerable.Range(0, Samples / 10).Select(_ =>
            {
                // Only once the vCPU is well inside again is there something to measure.
                Thread.Sleep(1);
                return Once(action);
            })]));
        }

        processor.Stop();
        thread.Join();
    }

    /// <summary>An entry in memory is changed to another page: which ways of flushing make ring 3 read the other page?</summary>
    private static void ShowWhatIsSeen()
    {
        const int Rounds = 100;
        using var guest = new GuestMachine();
        var program = UserProgram.Assembled("load", GuestMachine.CodeAddress, static a =>
        {
            a.mov(rax, __qword_ptr[rdi]);
            a.int3();
            a.mov(rax, __qword_ptr[rdi]);
            a.int3();
        });
        var (processor, space) = guest.Prepare(program);
        var other = guest.CreateSpace();
        guest.Load(other, program);
        guest.MapPage(other, Data);
        var frames = new[] { guest.Allocate(), guest.Allocate() };
        guest.Memory.Word(frames[1]) = 1;
        guest.Entry(space, Data) = frames[0] | GuestMachine.UserPage;
        var table = guest.TableOf(space, Data);

        ulong Load(ulong root, params ReadOnlySpan<ulong> round)
        {
            GuestMachine.Start(processor, root, program);
            processor.Registers.Rdi = Data;
            processor.QueueRound(round);
            Expect(processor.Run(), ExitKind.Breakpoint);
            return processor.Registers.Rax;
        }

        foreach (var (name, flushAndLoad) in new (string, Func<ulong>)[]
        {
            ("nothing", () => Load(space)),
            ("another CR3 by KVM_SET_SREGS, and back", () => Load(other) + Load(space)),
            ("CR4.PGE changed twice by KVM_SET_SREGS", () =>
            {
                processor.RequestFlush();
                return Load(space);
            }),
            ("MOV to CR3 in ring 0, the same value", () => Load(space, space)),
            ("the changed table touched", () =>
            {
                guest.Machine.Flush([table]);
                return Load(space);
            }),
            ("the marker slot moved", () =>
            {
                guest.Machine.FlushEverything();
                return Load(space);
            }),
        })
        {
            var stale = 0;
            for (var round = 0; round < Rounds; round++)
            {
                var from = (ulong)(round & 1);
                guest.Entry(space, Data) = frames[from] | GuestMachine.UserPage;
                guest.Machine.Flush([table]);
                Load(space);
                guest.Entry(space, Data) = frames[1 - from] | GuestMachine.UserPage;
                stale += flushAndLoad() == from ? 1 : 0;
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"stale {stale,3} of {Rounds} after: {name}"));
        }
    }

    /// <summary>Spaces with a root and a PUD table of their own, all attached to one PMD table of 512 leaves of 2 MiB.</summary>
    private static void MeasureManySpaces(int count, bool largePages)
    {
        const ulong SharedGiB = 1UL << 30;
        using var guest = new GuestMachine(memoryLength: 2UL << 30, largePages: largePages);
        var program = Workloads.SequentialReadRound(GuestMachine.CodeAddress);
        var first = guest.CreateSpace();
        guest.Load(first, program);
        for (ulong i = 0; i < 512; i++)
        {
            var frame = guest.Allocate(512);
            guest.Memory.Word(frame) = i;
            guest.Entry(first, SharedGiB + (i << 21), level: 2) = frame | GuestMachine.UserPage | GuestMachine.LargePage;
        }

        var spaces = new ulong[count];
        for (var i = 0; i < count; i++)
        {
            spaces[i] = guest.CreateSpace();
            guest.Entry(spaces[i], 0, level: 3) = guest.Entry(first, 0, level: 3);
            guest.Entry(spaces[i], SharedGiB, level: 3) = guest.Entry(first, SharedGiB, level: 3);
        }

        var processor = guest.Machine.CreateProcessor();
        foreach (var pass in new[] { "first", "second" })
        {
            GuestMachine.Start(processor, first, program);
            processor.Registers.Rsi = 2UL << 20;
            processor.Registers.R8 = SharedGiB;
            processor.Registers.R9 = 512;
            var time = Once(() =>
            {
                for (var done = 0; done < count; done += 500)
                {
                    processor.QueueRound(spaces.AsSpan(done, Math.Min(500, count - done)));
                    Expect(processor.Run(), ExitKind.Breakpoint);
                    processor.Registers.Rip = GuestMachine.CodeAddress;
                }
            });
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} spaces x 512 pages of a shared GiB, {(largePages ? "2 MiB" : "4 KiB")} host pages, {pass} pass: {time / 1e6:F0} ms, {time / count / 1e3:F1} us a space"));
        }
    }

    private static (VirtualProcessor Processor, ulong Space) Looping(GuestMachine guest, Action<Iced.Intel.Assembler> instruction)
    {
        var program = UserProgram.Assembled("loop", GuestMachine.CodeAddress, a =>
        {
            var self = a.CreateLabel();
            a.Label(ref self);
            instruction(a);
            a.jmp(self);
        });
        var looping = guest.Prepare(program);
        looping.Processor.Registers.Rdi = Data;
        return looping;
    }

    private static void Expect(ProcessorExit exit, ExitKind kind)
    {
        if (exit.Kind != kind)
        {
            throw new InvalidOperationException($"measured {exit} instead of {kind}. {exit.Failure}");
        }
    }

    private static double Once(Action action)
    {
        var start = Stopwatch.GetTimestamp();
        action();
        return Elapsed(start);
    }

    private static double Median<T>(int samples, Func<T> action) => Median(samples, () => { _ = action(); });

    private static double Median(int samples, Action action)
    {
        action();
        var times = new double[samples];
        for (var i = 0; i < samples; i++)
        {
            times[i] = Once(action);
        }

        return MedianOf(times);
    }

    private static double MedianOf(double[] times)
    {
        Array.Sort(times);
        return times[times.Length / 2];
    }

    private static double Elapsed(long start) => Stopwatch.GetElapsedTime(start).TotalNanoseconds;

    private static void Report(string what, double nanoseconds) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{nanoseconds,14:N0} ns  {what}"));
}
