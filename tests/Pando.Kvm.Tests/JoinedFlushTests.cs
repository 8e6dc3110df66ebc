using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Kvm.Guests;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Platforms;
using Pando.Spaces;

namespace Pando.Kvm.Tests;

/// <summary>The engine's flushes reach vCPUs: without one of them a stale access happens, with all of them none does.</summary>
public class JoinedFlushTests
{
    private static readonly VirtualAddress Data = JoinedMachine.Data;

    public JoinedFlushTests() => Requires.Kvm();

    public static TheoryData<string> Changes => ["unmap", "protect", "truncate", "punch", "migrate", "remap", "fork", "write back"];

    [Theory]
    [MemberData(nameof(Changes))]
    public void Without_its_flush_a_change_leaves_a_stale_access_on_both_kinds_of_processors_and_with_it_none(string change)
    {
        foreach (bool leaveOut in (bool[])[true, false])
        {
            using var stale = new StaleAccess(change);
            var (software, hardware) = stale.After(leaveOut);
            Assert.Equal(leaveOut, software);
            if (!leaveOut)
            {
                Assert.False(hardware, "a vCPU made an access that the change forbids");
            }
            else if (stale.Kvm.Translation == TranslationKind.Shadow)
            {
                Assert.True(hardware, "the shadow keeps what no flush has dropped");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void Without_its_flush_a_change_lets_a_vcpu_go_on_that_stays_in_ring_3(string change)
    {
        // What a processor keeps it may drop at any time, an interrupt of the host's may have it do so: hence several tries.
        const int Tries = 20;
        var kind = TranslationKind.Hardware;
        for (int i = 0; i < Tries; i++)
        {
            using var stale = new StaleAccess(change);
            kind = stale.Kvm.Translation;
            if (stale.GoesOnInside(leaveOut: true))
            {
                return;
            }
        }

        Assert.SkipWhen(kind == TranslationKind.Hardware, $"in {Tries} tries this processor made no access by what it had kept: it drops that sooner");
        Assert.Fail("the shadow keeps what no flush has dropped");
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void With_its_flush_a_change_is_the_end_of_the_accesses_of_a_vcpu_that_is_in_ring_3(string change)
    {
        for (int round = 0; round < 5; round++)
        {
            using var flushed = new StaleAccess(change);
            Assert.False(flushed.GoesOnInside(leaveOut: false), "a vCPU made an access after the change had returned");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_kept_of_a_space_goes_though_the_vcpu_was_only_about_to_be_in_another(bool isStopped)
    {
        using var joined = new JoinedMachine();
        var spaces = new AddressSpace[2];
        for (int i = 0; i < spaces.Length; i++)
        {
            spaces[i] = joined.Process(joined.Machine.CreateSpace(), BrokenPrograms.EndlessLoop(JoinedMachine.Code.Value)).Space;
        }

        // As on a processor that walks the tables and has no PCIDs; this one may be another.
        var processor = new SpaceProcessor(joined.Kvm.Processors[0].Cpu, joined.Kvm.Seat, contexts: null, keepsByRoot: true);
        ProcessorExit Run(AddressSpace space, bool stop)
        {
            processor.Occupy([space]);
            processor.Cpu.Space = processor.Load([space])[0];
            processor.Cpu.Registers = new Native.KvmRegisters { Rip = JoinedMachine.Code.Value, Rflags = 2 };
            if (stop)
            {
                processor.Cpu.Stop();
            }

            var exit = processor.Cpu.Run(TimeSpan.FromMilliseconds(20));
            processor.Vacate();
            return exit;
        }

        Assert.Equal(ExitKind.TimeLimit, Run(spaces[0], stop: false).Kind);
        Assert.False(processor.Cpu.IsFlushRequested);
        if (isStopped)
        {
            Assert.Equal(ExitKind.Stopped, Run(spaces[1], stop: true).Kind);
        }
        else
        {
            processor.Occupy([spaces[1]]);
            processor.Vacate();
        }

        // Now the first one changes. The vCPU's CR3 is still its own.
        Assert.True(processor.Drop(new FlushRequest(new object(), FlushKind.Range, spaces[0], default, upperEntries: false)) || processor.Cpu.IsFlushRequested);
        Assert.Equal(ExitKind.TimeLimit, Run(spaces[0], stop: false).Kind);
        Assert.False(processor.Cpu.IsFlushRequested);
    }

    [Fact]
    public void A_space_that_is_on_no_processor_is_flushed_all_the_same()
    {
        using var stale = new StaleAccess("unmap", runsElsewhere: true);
        Assert.Equal((false, false), stale.After(leaveOut: false));
    }

    [Fact]
    public void Tables_that_become_others_tables_carry_nothing_over_though_spaces_come_and_go_by_the_hundred()
    {
        // Frames are few, so that tables are used again at once, at other addresses and levels.
        using var joined = new JoinedMachine(processors: 2, ram: 8 * JoinedMachine.Mebi, sharing: SharingLevels.None, largePages: false);
        using var file = joined.Device.CreateFile("data", 64 << 20);
        for (long offset = 0; offset < file.Size; offset += 4096)
        {
            joined.Word(file, offset) = (ulong)offset;
        }

        var random = new Random(5);
        for (int round = 0; round < 60; round++)
        {
            var processes = new List<GuestProcess>();
            var expected = new List<ulong>();
            for (int i = 0; i < 8; i++)
            {
                long first = random.NextInt64(64) << 20;
                var at = Data + ((long)random.Next(4) << 39) + ((long)random.Next(8) << 30) + ((long)random.Next(64) << 21);
                var space = joined.Machine.CreateSpace();
                Assert.True(space.Map(new MapRequest(1 << 20, Rights.Read) { File = file, Offset = first, Shared = true, Address = at, Placement = MapPlacement.Fixed }).Succeeded);
                var process = new GuestProcess(space, CommonCode.SequentialRead.Address) { TimeLimit = JoinedMachine.Patience };
                process.Registers.Rdi = at.Value;
                process.Registers.Rsi = 4096;
                process.Registers.Rdx = 256;
                processes.Add(process);
                expected.Add(Enumerable.Range(0, 256).Aggregate(0UL, (sum, page) => sum + (ulong)first + ((ulong)page * 4096)));
            }

            ProcessRunner.Run(joined.Kvm, processes);
            for (int i = 0; i < processes.Count; i++)
            {
                Assert.True(
                    processes[i].End == new ProcessEnd(ProcessSignal.None, Result: expected[i]),
                    $"round {round}, process {i}: {processes[i].End}, RDI {processes[i].Registers.Rdi:x}, RIP {processes[i].Registers.Rip:x}; {processes[i].Space.Areas[0]}; expected {expected[i]}");
            }

            processes.ForEach(p => p.Space.Exit());
            joined.Machine.Reclaim();
        }
    }

    [Fact]
    public void Counters_that_vcpus_count_lose_nothing_while_their_pages_migrate_are_protected_and_split()
    {
        const int Pages = 16;
        const ulong Times = 60_000;
        using var joined = new JoinedMachine(processors: 2, device: 256 * JoinedMachine.Mebi);
        using var file = joined.Device.CreateFile("counters", 4 << 20);
        var spaces = new AddressSpace[3];
        for (int i = 0; i < spaces.Length; i++)
        {
            spaces[i] = joined.Machine.CreateSpace();
            JoinedMachine.Map(spaces[i], file);
        }

        bool running = true;
        int changes = 0;
        var changer = new Thread(() =>
        {
            var random = new Random(7);
            for (; Volatile.Read(ref running); Interlocked.Increment(ref changes))
            {
                // Within the file's 4 MiB of the device: a range is retired at most once, so the file wanders.
                long offset = random.Next(Pages) * (64 << 10);
                Assert.Equal(Errno.None, file.WriteBack());
                var place = file.Locate(offset)!.Value - joined.Device.Start;
                Assert.Equal(Errno.None, joined.Device.Migrate(place & -4096, 4096));
                var space = spaces[random.Next(spaces.Length)];
                Assert.Equal(Errno.None, space.Protect(Data + offset, 4096, Rights.Read));
                Assert.Equal(Errno.None, space.Protect(Data + offset, 4096, Rights.ReadWrite));
                Assert.Equal(Errno.None, space.Advise(Data, 4 << 20, Advice.DontNeed));
            }
        });
        changer.Start();

        // Where all this is slow, once more, until something has changed under them.
        ulong made = 0;
        do
        {
            var processes = spaces.Select(static space =>
            {
                var process = new GuestProcess(space, CommonCode.LockedIncrement.Address) { TimeLimit = JoinedMachine.Patience };
                process.Registers.Rdi = Data.Value;
                process.Registers.Rsi = 64 << 10;
                process.Registers.Rdx = Pages;
                process.Registers.R8 = Times;
                return process;
            }).ToList();
            ProcessRunner.Run(joined.Kvm, processes);

            // A store between the two Protects ends its process, as it should; the additions that were made are all there.
            Assert.All(processes, static process => Assert.True(process.End!.Signal is ProcessSignal.None or ProcessSignal.Segmentation, $"{process.End}"));

            // RAX of an exited process holds the system call's number; what it exited with is the number of additions.
            made += processes.Aggregate(0UL, static (sum, p) => sum + (p.End!.Signal == ProcessSignal.None ? p.End.Result : p.Registers.Rax));
        }
        while (Volatile.Read(ref changes) < 4);

        Volatile.Write(ref running, false);
        changer.Join();

        ulong counted = 0;
        for (int page = 0; page < Pages; page++)
        {
            counted += joined.Word(file, page * (64 << 10));
        }

        Assert.Equal(made, counted);
    }

    [Fact]
    public void No_store_arrives_after_a_truncation_returned_and_every_one_before_write_back_is_in_what_it_made_durable()
    {
        using var joined = new JoinedMachine(device: 64 * JoinedMachine.Mebi, largePages: false);
        using var file = joined.Device.CreateFile("data", 8192);
        for (int round = 0; round < 20; round++)
        {
            Assert.Equal(Errno.None, file.SetSize(8192));
            Assert.Empty(joined.Machine.Spaces);
            var process = joined.Process(JoinedMachine.CountForEver);
            JoinedMachine.Map(process.Space, file);
            process.Registers.Rdi = Data.Value + 4096;
            var runner = new Thread(() => ProcessRunner.Run(joined.Kvm, process));
            runner.Start();

            // Written, and not only allocated.
            Assert.True(SpinWait.SpinUntil(() => file.Locate(4096) is not null && Volatile.Read(ref joined.Word(file, 4096)) > 0, JoinedMachine.Patience));
            var place = file.Locate(4096)!.Value;
            for (int writeBack = 0; writeBack < 5; writeBack++)
            {
                Assert.Equal(Errno.None, file.WriteBack());
                Thread.Sleep(1);
            }

            Assert.Equal(Errno.None, file.SetSize(4096));
            ref ulong word = ref System.Runtime.InteropServices.MemoryMarshal.AsRef<ulong>(joined.Machine.Memory.Bytes(place, 8));
            word = 0;
            Thread.Sleep(2);
            Assert.Equal(0UL, Volatile.Read(ref word));
            runner.Join();
            Assert.Equal(ProcessSignal.Bus, process.End!.Signal);
            process.Space.Exit();
        }
    }
}
