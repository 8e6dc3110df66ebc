using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Kvm.Physical;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Spaces;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Tests;

public class ProcessTests
{
    public ProcessTests() => Requires.Kvm();

    [Fact]
    public void A_program_reads_and_writes_a_mapped_file_and_each_page_faults_once()
    {
        const ulong Pages = 64;
        using var joined = new JoinedMachine(largePages: false);
        using var file = joined.Device.CreateFile("data", (long)Pages * 4096);
        var space = joined.Machine.CreateSpace();
        JoinedMachine.Map(space, file);
        var process = new GuestProcess(space, CommonCode.Write.Address) { TimeLimit = JoinedMachine.Patience };
        process.Registers.Rdi = JoinedMachine.Data.Value;
        process.Registers.Rsi = 4096;
        process.Registers.Rdx = Pages;
        process.Registers.R8 = 77;

        Assert.Equal(WorkloadSums.WrittenSum(JoinedMachine.Data.Value, 4096, Pages, 77), joined.Run(process));
        Assert.Equal((long)Pages, process.Faults);
        Assert.Equal((long)Pages * 4096, file.DirtyBytes);
        for (ulong page = 0; page < Pages; page++)
        {
            Assert.Equal(WorkloadSums.WrittenWord(JoinedMachine.Data.Value + (page * 4096), 77), joined.Word(file, (long)page * 4096));
        }
    }

    [Fact]
    public void A_second_process_finds_the_shared_tables_filled_and_takes_one_fault_at_most()
    {
        using var joined = new JoinedMachine();
        using var file = joined.Device.CreateFile("data", 1 << 30);
        ulong sum = 0;
        for (long offset = 0; offset < 1 << 30; offset += 2 << 20)
        {
            sum += joined.Word(file, offset) = (ulong)offset + 3;
        }

        var processes = new GuestProcess[2];
        for (int i = 0; i < 2; i++)
        {
            var space = joined.Machine.CreateSpace();
            JoinedMachine.Map(space, file, Rights.Read);
            var process = processes[i] = new GuestProcess(space, CommonCode.SequentialRead.Address) { TimeLimit = JoinedMachine.Patience };
            process.Registers.Rdi = JoinedMachine.Data.Value;
            process.Registers.Rsi = 2 << 20;
            process.Registers.Rdx = 512;
            Assert.Equal(sum, joined.Run(process));
        }

        Assert.InRange(processes[0].Faults, 1, 512);
        Assert.InRange(processes[1].Faults, 0, 1);
    }

    [Theory]
    [InlineData(nameof(BrokenPrograms.Privileged), ProcessSignal.Segmentation)]
    [InlineData(nameof(BrokenPrograms.PortWrite), ProcessSignal.Segmentation)]
    [InlineData(nameof(BrokenPrograms.InvalidOpcode), ProcessSignal.IllegalInstruction)]
    [InlineData(nameof(BrokenPrograms.DivideByZero), ProcessSignal.FloatingPoint)]
    [InlineData(nameof(BrokenPrograms.EndlessLoop), ProcessSignal.ProcessorTime)]
    [InlineData("jump to nowhere", ProcessSignal.Segmentation)]
    [InlineData("jump to data", ProcessSignal.Segmentation)]
    [InlineData("jump to a non-canonical address", ProcessSignal.Segmentation)]
    [InlineData("jump into the stub", ProcessSignal.Segmentation)]
    public void A_broken_program_ends_by_a_signal_of_its_own_and_its_neighbours_go_on(string name, object expected)
    {
        using var joined = new JoinedMachine(processors: 2);
        using var counters = joined.Device.CreateFile("counters", 4096);
        var neighbours = new List<GuestProcess>();
        for (int i = 0; i < 4; i++)
        {
            var space = joined.Machine.CreateSpace();
            JoinedMachine.Map(space, counters);
            var neighbour = new GuestProcess(space, CommonCode.LockedIncrement.Address) { TimeLimit = JoinedMachine.Patience };
            neighbour.Registers.Rdi = JoinedMachine.Data.Value;
            neighbour.Registers.Rsi = 64;
            neighbour.Registers.Rdx = 16;
            neighbour.Registers.R8 = 100_000;
            neighbours.Add(neighbour);
        }

        var broken = joined.Process(name switch
        {
            nameof(BrokenPrograms.Privileged) => BrokenPrograms.Privileged,
            nameof(BrokenPrograms.PortWrite) => BrokenPrograms.PortWrite,
            nameof(BrokenPrograms.InvalidOpcode) => BrokenPrograms.InvalidOpcode,
            nameof(BrokenPrograms.DivideByZero) => BrokenPrograms.DivideByZero,
            nameof(BrokenPrograms.EndlessLoop) => BrokenPrograms.EndlessLoop,
            _ => BrokenPrograms.Jump,
        });
        broken = new GuestProcess(broken.Space, JoinedMachine.Code.Value)
        {
            TimeLimit = name == nameof(BrokenPrograms.EndlessLoop) ? TimeSpan.FromMilliseconds(50) : JoinedMachine.Patience,
        };
        JoinedMachine.Map(broken.Space, counters);
        broken.Registers.Rdi = name switch
        {
            "jump to data" => JoinedMachine.Data.Value,
            "jump to a non-canonical address" => 0x8000_0000_0000_0000,
            "jump into the stub" => KernelLayout.Virtual(KernelLayout.StubPage),
            _ => 0xdead_0000,
        };
        ProcessRunner.Run(joined.Kvm, [neighbours[0], neighbours[1], broken, neighbours[2], neighbours[3]]);

        Assert.Equal((ProcessSignal)expected, broken.End!.Signal);
        Assert.All(neighbours, neighbour => Assert.Equal(new ProcessEnd(ProcessSignal.None, Result: 1_600_000), neighbour.End));
        Assert.Equal(400_000UL, joined.Word(counters, 0));
    }

    [Fact]
    public void A_vcpu_that_fails_is_reported_with_registers_and_walk_and_runs_the_next_process()
    {
        using var joined = new JoinedMachine();
        var process = joined.Process(BrokenPrograms.InvalidOpcode);
        var root = process.Space.Root;
        var kernel = joined.Machine.Store.Read(root, KernelLayout.RootIndex);
        joined.Machine.Store.Prepare(root, KernelLayout.RootIndex, Entry.None);
        ProcessRunner.Run(joined.Kvm, process);
        joined.Machine.Store.Prepare(root, KernelLayout.RootIndex, kernel);
        Assert.Equal(ProcessSignal.Kill, process.End!.Signal);
        Assert.Contains("shutdown", process.End.Report, StringComparison.Ordinal);

        // The last 12 bits are its PCID.
        Assert.Contains($"cr3 {process.Space.RootAddress.Value >> 12:x13}", process.End.Report, StringComparison.Ordinal);
        Assert.Contains("level 4 table", process.End.Report, StringComparison.Ordinal);

        var next = joined.Process(BrokenPrograms.InvalidOpcode);
        ProcessRunner.Run(joined.Kvm, next);
        Assert.Equal(ProcessSignal.IllegalInstruction, next.End!.Signal);
    }

    [Fact]
    public void A_program_does_to_itself_what_tests_do_to_spaces()
    {
        using var joined = new JoinedMachine(processors: 2);
        using var file = joined.Device.CreateFile("data", 4 << 20);
        joined.Word(file, 0) = 41;

        // Maps the file, adds 1, forks; the child adds 1 and exits; the parent moves the mapping, drops a part of it,
        // makes it read-only, says what time it is and exits with what it reads.
        var process = joined.Process(address => UserProgram.EndingWithExit("life", address, static a =>
        {
            var child = a.CreateLabel();
            var wait = a.CreateLabel();
            a.mov(rdi, JoinedMachine.Data.Value);
            a.mov(esi, 4 << 20);
            a.mov(edx, 3);
            a.mov(r10d, (int)(MapFlags.Shared | MapFlags.FixedNoReplace));
            a.xor(r8d, r8d);
            a.xor(r9d, r9d);
            UserProgram.Call(a, SystemCallNumber.Map);
            a.mov(rbx, rax);
            a.@lock.inc(__qword_ptr[rbx]);
            UserProgram.Call(a, SystemCallNumber.Fork);
            a.test(rax, rax);
            a.je(child);
            a.Label(ref wait);
            a.mov(rax, __qword_ptr[rbx]);
            a.cmp(rax, 43);
            a.jne(wait);

            a.mov(rdi, rbx);
            a.mov(esi, 4 << 20);
            a.mov(edx, 4 << 20);
            a.mov(r10d, 3); // may move, fixed
            a.mov(r8, JoinedMachine.Data.Value + (1UL << 32));
            UserProgram.Call(a, SystemCallNumber.Remap);
            a.mov(rbx, rax);
            a.lea(rdi, __[rbx + (2 << 20)]);
            a.mov(esi, 2 << 20);
            UserProgram.Call(a, SystemCallNumber.Unmap);
            a.mov(r14, rax);
            a.mov(rdi, rbx);
            a.mov(esi, 2 << 20);
            a.mov(edx, 1);
            UserProgram.Call(a, SystemCallNumber.Protect);
            a.or(r14, rax);
            a.mov(rdi, rbx);
            a.mov(esi, 2 << 20);
            a.mov(edx, (int)Advice.DontNeed);
            UserProgram.Call(a, SystemCallNumber.Advise);
            a.or(r14, rax);
            UserProgram.Call(a, SystemCallNumber.Time);
            a.mov(r13, rax);
            UserProgram.Call(a, SystemCallNumber.Time);
            a.sub(rax, r13); // not negative
            a.shr(rax, 63);
            a.or(r14, rax);
            a.mov(rdi, JoinedMachine.Code.Value + 1024);
            a.mov(esi, 5);
            UserProgram.Call(a, SystemCallNumber.Write);
            a.sub(rax, 5);
            a.or(r14, rax);
            a.mov(rdi, KernelLayout.Virtual(KernelLayout.StubPage)); // not the program's own
            a.mov(esi, 5);
            UserProgram.Call(a, SystemCallNumber.Write);
            a.add(rax, (int)Errno.EFAULT);
            a.or(r14, rax);
            a.mov(rdi, 12345); // not a page: refused
            UserProgram.Call(a, SystemCallNumber.Unmap);
            a.add(rax, (int)Errno.EINVAL);
            a.or(r14, rax);
            a.mov(rax, 999); // no such call
            a.syscall();
            a.add(rax, (int)Errno.ENOSYS);
            a.or(r14, rax);
            a.mov(rax, __qword_ptr[rbx]);
            a.shl(r14, 32);
            a.or(rax, r14);
            a.mov(rdi, rax);
            UserProgram.Call(a, SystemCallNumber.Exit);

            a.Label(ref child);
            a.@lock.inc(__qword_ptr[rbx]);
            a.mov(eax, 7);
        }), file);
        "hello"u8.CopyTo(joined.Machine.Memory.Bytes(CodePage(process) + 1024, 5));
        var all = ProcessRunner.Run(joined.Kvm, process);

        Assert.Equal(
            [new ProcessEnd(ProcessSignal.None, Result: 43), new ProcessEnd(ProcessSignal.None, Result: 7)],
            all.Select(p => p.End));
        Assert.Equal("hello", process.Output);
        Assert.Equal([process.Space], joined.Machine.Spaces);
        var area = process.Space.Areas.Single(a => a.File == file);
        Assert.Equal(
            (AddressRange.FromLength(JoinedMachine.Data + (1L << 32), 2 << 20), Rights.Read),
            (area.Range, area.Rights));
    }

    [Fact]
    public void A_forked_child_and_its_parent_see_their_own_private_pages()
    {
        using var joined = new JoinedMachine(processors: 2);
        var process = joined.Process(address => UserProgram.EndingWithExit("fork", address, static a =>
        {
            var child = a.CreateLabel();
            var end = a.CreateLabel();
            a.mov(rdi, JoinedMachine.Data.Value);
            a.mov(__qword_ptr[rdi], 10);
            UserProgram.Call(a, SystemCallNumber.Fork);
            a.mov(rdi, JoinedMachine.Data.Value);
            a.test(rax, rax);
            a.je(child);
            a.add(__qword_ptr[rdi], 1);
            a.jmp(end);
            a.Label(ref child);
            a.add(__qword_ptr[rdi], 2);
            a.Label(ref end);
            a.mov(rax, __qword_ptr[rdi]);
        }));
        process.Space.Map(MapRequest.Anonymous(4096, Rights.ReadWrite) with { Address = JoinedMachine.Data, Placement = MapPlacement.Fixed });
        Assert.Equal([11UL, 12UL], ProcessRunner.Run(joined.Kvm, process).Select(p => p.End!.Result));
    }

    [Fact]
    public void A_space_that_ends_while_it_runs_ends_its_process_and_nothing_else()
    {
        using var joined = new JoinedMachine(processors: 2);
        using var file = joined.Device.CreateFile("counter", 4096);
        var first = joined.Process(JoinedMachine.CountForEver);
        JoinedMachine.Map(first.Space, file);
        first.Registers.Rdi = JoinedMachine.Data.Value;
        var second = joined.Process(BrokenPrograms.EndlessLoop);
        var ending = new Thread(() =>
        {
            // Once it runs; it has no other end.
            SpinWait.SpinUntil(() => Volatile.Read(ref joined.Word(file, 0)) > 0, JoinedMachine.Patience);
            first.Space.Exit();
        });
        ending.Start();
        GuestProcess[] processes = [first, new GuestProcess(second.Space, JoinedMachine.Code.Value) { TimeLimit = TimeSpan.FromMilliseconds(400) }];
        ProcessRunner.Run(joined.Kvm, processes);
        ending.Join();
        Assert.Equal([ProcessSignal.Kill, ProcessSignal.ProcessorTime], processes.Select(p => p.End!.Signal));
        Assert.Equal([second.Space], joined.Machine.Spaces);
    }

    [Fact]
    public void Every_store_to_a_piece_of_the_device_that_was_never_reached_before_arrives()
    {
        // Each unit of 16 MiB is attached by its first access: here a locked addition by two vCPUs at once.
        using var joined = new JoinedMachine(processors: 2, device: 2 * JoinedMachine.Gibi);
        Assert.SkipUnless(
            AddsInOneAccess(joined),
            "this processor makes a locked addition in two accesses, the first of them a read, and KVM then stores the sum without a lock");
        using var file = joined.Device.CreateFile("data", 1 << 30);
        var processes = new List<GuestProcess>();
        for (int i = 0; i < 2; i++)
        {
            var space = joined.Machine.CreateSpace();
            JoinedMachine.Map(space, file);
            var process = new GuestProcess(space, CommonCode.LockedIncrement.Address) { TimeLimit = JoinedMachine.Patience };
            process.Registers.Rdi = JoinedMachine.Data.Value;
            process.Registers.Rsi = 16 << 20;
            process.Registers.Rdx = 64;
            process.Registers.R8 = 50;
            processes.Add(process);
        }

        ProcessRunner.Run(joined.Kvm, processes);
        Assert.All(processes, process => Assert.Equal(64UL * 50, process.End!.Result));
        for (long offset = 0; offset < 1 << 30; offset += 16 << 20)
        {
            Assert.Equal(100UL, joined.Word(file, offset));
        }

        Assert.Equal(64, joined.Kvm.AttachedPieces);
    }

    [Fact]
    public void A_program_that_lies_on_a_device_runs_from_where_nothing_was_attached_before()
    {
        using var joined = new JoinedMachine();
        using var file = joined.Device.CreateFile("program", 4096);
        var program = UserProgram.EndingWithExit("on a device", JoinedMachine.Data.Value, static a => a.mov(eax, 42));
        program.Code.CopyTo(joined.Machine.Memory.Bytes(file.Locate(0)!.Value, 4096));
        var space = joined.Machine.CreateSpace();
        JoinedMachine.Map(space, file, Rights.Read | Rights.Execute);
        Assert.Equal(42UL, joined.Run(new GuestProcess(space, program.Address) { TimeLimit = JoinedMachine.Patience }));
    }

    [Fact]
    public void A_program_that_forks_for_ever_ends_with_all_its_children_at_its_time_limit()
    {
        using var joined = new JoinedMachine(processors: 2, ram: 8 * JoinedMachine.Mebi);
        var program = UserProgram.Assembled("fork for ever", JoinedMachine.Code.Value, static a =>
        {
            var again = a.CreateLabel();
            a.Label(ref again);
            a.mov(eax, (int)SystemCallNumber.Fork);
            a.syscall();
            a.jmp(again);
        });

        // Until it has come to fork a few times, however little time the host has for it.
        IReadOnlyList<GuestProcess> all = [];
        GuestProcess process = null!;
        for (int limit = 50; all.Count <= 2; limit *= 2)
        {
            process = new GuestProcess(joined.Process(joined.Machine.CreateSpace(), program).Space, program.Address) { TimeLimit = TimeSpan.FromMilliseconds(limit) };
            all = ProcessRunner.Run(joined.Kvm, process);
            if (all.Count <= 2)
            {
                process.Space.Exit();
            }
        }

        Assert.All(all, static p => Assert.True(p.End!.Signal is ProcessSignal.ProcessorTime or ProcessSignal.Kill, $"{p.End}"));
        Assert.Contains(all, static p => p.End!.Signal == ProcessSignal.ProcessorTime);
        Assert.Equal([process.Space], joined.Machine.Spaces);
    }

    [Fact]
    public void A_program_may_write_so_much_and_no_more()
    {
        using var joined = new JoinedMachine();
        var process = joined.Process(static address => UserProgram.EndingWithExit("write for ever", address, static a =>
        {
            var again = a.CreateLabel();
            a.mov(r12, -1);
            a.Label(ref again);
            a.inc(r12);
            a.mov(eax, (int)SystemCallNumber.Write);
            a.mov(rdi, JoinedMachine.Code.Value);
            a.mov(esi, 4096);
            a.syscall();
            a.test(rax, rax);
            a.jns(again);
            a.sub(rax, r12);
        }));
        Assert.Equal(unchecked((ulong)(-(long)Errno.ENOSPC - (GuestProcess.MostOutput / 4096))), joined.Run(process));
    }

    [Fact]
    public void A_device_without_bytes_gives_a_bus_error()
    {
        using var joined = new JoinedMachine();
        using var file = joined.Machine.AddPmem(4 << 20, Files.PmemBacking.None).CreateFile("nothing", 4 << 20);
        var process = joined.Process(a => UserProgram.EndingWithExit("load", a, static a => a.mov(rax, __qword_ptr[rdi])));
        JoinedMachine.Map(process.Space, file);
        process.Registers.Rdi = JoinedMachine.Data.Value;
        ProcessRunner.Run(joined.Kvm, process);
        Assert.Equal(ProcessSignal.Bus, process.End!.Signal);
    }

    // A processor that reads and writes as one faults as for a write.
    private static bool AddsInOneAccess(JoinedMachine joined)
    {
        var space = joined.Machine.CreateSpace();
        var processor = joined.Kvm.Processors[0];
        processor.Occupy([space]);
        processor.Cpu.Space = processor.Load([space])[0];
        processor.Cpu.Registers = new Native.KvmRegisters { Rip = CommonCode.LockedIncrement.Address, Rflags = 2, Rdi = JoinedMachine.Data.Value, Rdx = 1, R8 = 1 };
        var exit = processor.Cpu.Run(JoinedMachine.Patience);
        processor.Vacate();
        space.Exit();
        Assert.Equal((ExitKind.PageFault, JoinedMachine.Data.Value), (exit.Kind, exit.Address));
        return (exit.PageFaultError & PageFaultError.Write) != 0;
    }

    private static PhysicalAddress CodePage(GuestProcess process) =>
        process.Space.Areas.Single(a => a.Range.Start == JoinedMachine.Code).File!.Locate(0)!.Value;
}
