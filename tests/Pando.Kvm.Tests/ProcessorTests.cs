using Pando.Kvm.Guests;
using Pando.Kvm.Physical;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Tests;

public class ProcessorTests
{
    private const ulong Data = 0x7000_0000;

    public ProcessorTests() => Requires.Kvm();

    [Fact]
    public void Ring_three_reads_memory_through_the_tables_and_sets_accessed_but_not_dirty()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.LoadWord);
        var page = guest.MapPage(space, Data, 0x1234);

        processor.Registers.Rdi = Data;
        var exit = processor.Run();

        Assert.Equal(new ProcessorExit(ExitKind.Breakpoint, 3), exit);
        Assert.Equal(0x1234UL, processor.Registers.Rax);
        Assert.Equal(GuestMachine.CodeAddress + (ulong)SmallPrograms.LoadWord.Code.Length, processor.Registers.Rip);
        Assert.Equal(page | GuestMachine.UserPage | GuestMachine.Accessed, guest.Entry(space, Data));
    }

    [Fact]
    public void A_store_changes_memory_and_sets_dirty()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.StoreWord);
        var page = guest.MapPage(space, Data);

        processor.Registers.Rdi = Data;
        processor.Registers.Rsi = 77;

        Assert.Equal(ExitKind.Breakpoint, processor.Run().Kind);
        Assert.Equal(77UL, guest.Memory.Word(page));
        Assert.Equal(page | GuestMachine.UserPage | GuestMachine.Accessed | GuestMachine.Dirty, guest.Entry(space, Data));
    }

    [Theory]
    [InlineData(false, 0UL, (uint)(PageFaultError.User))]
    [InlineData(true, 0UL, (uint)(PageFaultError.User | PageFaultError.Write))]
    [InlineData(false, GuestMachine.Present, (uint)(PageFaultError.User | PageFaultError.Present))]
    [InlineData(true, GuestMachine.Present | GuestMachine.User, (uint)(PageFaultError.User | PageFaultError.Present | PageFaultError.Write))]
    public void A_page_fault_tells_address_error_code_and_the_instruction_to_resume(bool write, ulong bits, uint expected) =>
        AssertFault(write ? SmallPrograms.StoreWord : SmallPrograms.LoadWord, bits, expected);

    [Fact]
    public void After_a_fault_is_served_the_instruction_resumes_with_all_registers_kept()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.LoadWord);
        guest.Entry(space, Data) = 0;

        var before = new KvmRegisters
        {
            Rax = 1, Rbx = 2, Rcx = 3, Rdx = 4, Rsi = 5, Rdi = Data, Rsp = 7, Rbp = 8, R8 = 9, R9 = 10, R10 = 11, R11 = 12,
            R12 = 13, R13 = 14, R14 = 15, R15 = 16, Rip = SmallPrograms.LoadWord.Address, Rflags = 0xC3, // CF ZF SF
        };
        processor.Registers = before;

        Assert.Equal(new ProcessorExit(ExitKind.PageFault, 14, (uint)PageFaultError.User, Data), processor.Run());
        Assert.Equal(before, processor.Registers with { Rflags = processor.Registers.Rflags & 0xFFFF });

        guest.MapPage(space, Data, 0xABCD);
        Assert.Equal(ExitKind.Breakpoint, processor.Run().Kind);
        var after = before with { Rax = 0xABCD, Rip = before.Rip + (ulong)SmallPrograms.LoadWord.Code.Length };
        Assert.Equal(after, processor.Registers with { Rflags = processor.Registers.Rflags & 0xFFFF });
    }

    [Fact]
    public void Execution_of_a_no_execute_page_faults_as_an_instruction_fetch()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(BrokenPrograms.Jump(GuestMachine.CodeAddress));
        guest.MapPage(space, Data, bits: GuestMachine.UserPage | GuestMachine.NoExecute);

        processor.Registers.Rdi = Data;
        var exit = processor.Run();

        const PageFaultError Fetch = PageFaultError.User | PageFaultError.Present | PageFaultError.InstructionFetch;
        Assert.Equal(new ProcessorExit(ExitKind.PageFault, 14, (uint)Fetch, Data), exit);
    }

    [Fact]
    public void Rights_of_upper_entries_restrict_a_writable_leaf()
    {
        using var guest = new GuestMachine();
        var processor = guest.Machine.CreateProcessor();
        var reader = guest.CreateSpace();
        var writer = guest.CreateSpace();
        guest.Load(reader, SmallPrograms.StoreWord);
        guest.Load(writer, SmallPrograms.StoreWord);
        var page = guest.MapPage(writer, Data);

        // Both spaces attach to one PTE table: the reader's slot lacks the write right.
        guest.Entry(reader, Data, level: 2) = guest.Entry(writer, Data, level: 2) & ~GuestMachine.Writable;

        foreach (var (space, expected) in new[] { (writer, ExitKind.Breakpoint), (reader, ExitKind.PageFault) })
        {
            GuestMachine.Start(processor, space, SmallPrograms.StoreWord);
            processor.Registers.Rdi = Data;
            processor.Registers.Rsi = space;
            Assert.Equal(expected, processor.Run().Kind);
        }

        Assert.Equal(writer, guest.Memory.Word(page));
    }

    [Fact]
    public void A_two_megabyte_leaf_translates_its_whole_range()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.LoadWord);
        var large = guest.Allocate(512);
        guest.Memory.Word(large + 0x1F_F000) = 99;
        guest.Entry(space, Data, level: 2) = large | GuestMachine.UserPage | GuestMachine.LargePage;

        processor.Registers.Rdi = Data + 0x1F_F000;

        Assert.Equal(ExitKind.Breakpoint, processor.Run().Kind);
        Assert.Equal(99UL, processor.Registers.Rax);
        Assert.Equal(large + 0x1F_F008, processor.Translate(Data + 0x1F_F008));
    }

    [Fact]
    public void A_system_call_exits_with_number_and_arguments_and_resumes_behind_it()
    {
        using var guest = new GuestMachine();
        var program = UserProgram.EndingWithExit("time, then exit", GuestMachine.CodeAddress, static a =>
        {
            UserProgram.Call(a, SystemCallNumber.Time);
            a.add(rax, 1);
        });
        var (processor, space) = guest.Prepare(program);
        processor.Registers.Rsp = 0x1230;
        processor.Registers.R9 = 0x99;

        Assert.Equal(new ProcessorExit(ExitKind.SystemCall), processor.Run());
        Assert.Equal(
            ((ulong)SystemCallNumber.Time, 0x99UL, 0x1230UL),
            (processor.Registers.Rax, processor.Registers.R9, processor.Registers.Rsp));

        processor.Registers.Rax = 41;
        Assert.Equal(new ProcessorExit(ExitKind.SystemCall), processor.Run());
        Assert.Equal(((ulong)SystemCallNumber.Exit, 42UL), (processor.Registers.Rax, processor.Registers.Rdi));
    }

    [Fact]
    public void Broken_programs_end_with_their_own_exception_and_the_next_program_runs()
    {
        using var guest = new GuestMachine();
        var processor = guest.Machine.CreateProcessor();
        (UserProgram Program, int Vector, ProcessSignal Signal)[] cases =
        [
            (BrokenPrograms.Privileged(GuestMachine.CodeAddress), 13, ProcessSignal.Segmentation),
            (BrokenPrograms.PortWrite(GuestMachine.CodeAddress), 13, ProcessSignal.Segmentation),
            (BrokenPrograms.InvalidOpcode(GuestMachine.CodeAddress), 6, ProcessSignal.IllegalInstruction),
            (BrokenPrograms.DivideByZero(GuestMachine.CodeAddress), 0, ProcessSignal.FloatingPoint),
        ];
        foreach (var (program, vector, signal) in cases)
        {
            var broken = guest.CreateSpace();
            guest.Load(broken, program);
            GuestMachine.Start(processor, broken, program);
            var exit = processor.Run();
            Assert.Equal(new ProcessorExit(ExitKind.Exception, vector), exit);
            Assert.Equal(signal, exit.Signal);

            var sound = guest.CreateSpace();
            guest.Load(sound, SmallPrograms.LoadWord);
            guest.MapPage(sound, Data, (ulong)vector + 100);
            GuestMachine.Start(processor, sound, SmallPrograms.LoadWord);
            processor.Registers.Rdi = Data;
            Assert.Equal(ExitKind.Breakpoint, processor.Run().Kind);
            Assert.Equal((ulong)vector + 100, processor.Registers.Rax);
        }
    }

    [Fact]
    public void Ring_three_cannot_reach_the_kernel_pages()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.StoreWord);
        var stack = KernelLayout.Virtual(KernelLayout.StackPage(processor.Index));
        processor.Registers.Rdi = stack;

        const PageFaultError Denied = PageFaultError.User | PageFaultError.Present | PageFaultError.Write;
        Assert.Equal(new ProcessorExit(ExitKind.PageFault, 14, (uint)Denied, stack), processor.Run());
    }

    [Fact]
    public void An_address_that_is_not_canonical_is_a_general_protection()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.LoadWord);
        processor.Registers.Rdi = 0x1234_0000_0000_0000;

        Assert.Equal(new ProcessorExit(ExitKind.Exception, 13), processor.Run());
        Assert.Equal(SmallPrograms.LoadWord.Address, processor.Registers.Rip);
    }

    [Fact]
    public void An_endless_loop_ends_at_its_time_limit_and_can_go_on()
    {
        using var guest = new GuestMachine();
        var program = BrokenPrograms.EndlessLoop(GuestMachine.CodeAddress);
        var (processor, space) = guest.Prepare(program);

        for (var round = 0; round < 3; round++)
        {
            var start = System.Diagnostics.Stopwatch.StartNew();
            Assert.Equal(new ProcessorExit(ExitKind.TimeLimit), processor.Run(TimeSpan.FromMilliseconds(20)));
            Assert.True(start.ElapsedMilliseconds >= 19, $"{start.ElapsedMilliseconds} ms");
            Assert.Equal(program.Address, processor.Registers.Rip);
        }
    }

    [Fact]
    public void Memory_that_no_slot_holds_is_reported_by_its_physical_address()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.LoadWord);
        guest.Entry(space, Data) = 0x40_0000_0000 | GuestMachine.UserPage;
        processor.Registers.Rdi = Data + 8;

        Assert.Equal(new ProcessorExit(ExitKind.NoMemory, Address: 0x40_0000_0008), processor.Run());
    }

    [Fact]
    public void A_write_to_memory_attached_read_only_leaves_it_unchanged()
    {
        using var guest = new GuestMachine();
        using var constant = new HostMemory(4096);
        constant.Word(0) = 5;
        guest.Machine.AddMemory(0x40_0000_0000, 4096, constant.Address, readOnly: true);
        var (processor, space) = guest.Prepare(SmallPrograms.StoreWord);
        guest.Entry(space, Data) = 0x40_0000_0000 | GuestMachine.UserPage;
        processor.Registers.Rdi = Data;

        Assert.Equal(new ProcessorExit(ExitKind.NoMemory, Address: 0x40_0000_0000), processor.Run());
        Assert.Equal(5UL, constant.Word(0));
    }

    [Fact]
    public void A_root_without_the_kernel_entry_fails_with_registers_and_walk_and_the_vcpu_recovers()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.LoadWord);
        var bare = guest.Allocate();
        guest.Memory.Word(bare) = guest.Memory.Word(space);
        GuestMachine.Start(processor, bare, SmallPrograms.LoadWord);
        processor.Registers.Rdi = Data;

        var exit = processor.Run();
        Assert.Equal(ExitKind.Failed, exit.Kind);
        var report = exit.Failure!.ToString();
        Assert.Contains("shutdown", report, StringComparison.Ordinal);
        Assert.Contains($"cr3 {bare:x16}", report, StringComparison.Ordinal);
        Assert.Contains($"level 4 table {bare:x} [", report, StringComparison.Ordinal);

        processor.Reset();
        guest.MapPage(space, Data, 6);
        GuestMachine.Start(processor, space, SmallPrograms.LoadWord);
        processor.Registers.Rdi = Data;
        Assert.Equal(ExitKind.Breakpoint, processor.Run().Kind);
        Assert.Equal(6UL, processor.Registers.Rax);
    }

    [Fact]
    public void Kvm_translate_agrees_with_the_tables()
    {
        using var guest = new GuestMachine();
        var processor = guest.Machine.CreateProcessor();
        var space = guest.CreateSpace();
        var page = guest.MapPage(space, Data);
        processor.Space = space;

        Assert.Equal(
            ((ulong?)page + 0x123, (ulong?)null),
            (processor.Translate(Data + 0x123), processor.Translate(Data + 0x1000)));
    }

    [Fact]
    public void A_round_goes_through_its_spaces_without_an_exit()
    {
        using var guest = new GuestMachine();
        var processor = guest.Machine.CreateProcessor();
        var program = Workloads.SequentialReadRound(GuestMachine.CodeAddress);
        var spaces = new ulong[10];
        for (var i = 0; i < spaces.Length; i++)
        {
            spaces[i] = guest.CreateSpace();
            guest.Load(spaces[i], program);
            guest.MapPage(spaces[i], Data, 1UL << i);
        }

        GuestMachine.Start(processor, spaces[0], program);
        processor.Registers.R8 = Data;
        processor.Registers.R9 = 1;
        processor.QueueRound(spaces.AsSpan(1));
        var entries = processor.Gate.Entries;
        var exit = processor.Run();

        Assert.Equal(new ProcessorExit(ExitKind.Breakpoint, 3), exit);
        Assert.Equal(((1UL << 10) - 1, spaces[9], 9), (processor.Registers.R15, processor.Space, processor.RoundPosition));
        Assert.Equal(1, processor.Gate.Entries - entries);
    }

    [Fact]
    public void A_fault_inside_a_round_exits_in_its_own_space_and_the_round_goes_on()
    {
        using var guest = new GuestMachine();
        var processor = guest.Machine.CreateProcessor();
        var program = Workloads.SequentialReadRound(GuestMachine.CodeAddress);
        var spaces = new[] { guest.CreateSpace(), guest.CreateSpace(), guest.CreateSpace() };
        foreach (var space in spaces)
        {
            guest.Load(space, program);
            guest.MapPage(space, Data, 7);
        }

        guest.Entry(spaces[1], Data) = 0;
        GuestMachine.Start(processor, spaces[0], program);
        processor.Registers.R8 = Data;
        processor.Registers.R9 = 1;
        processor.QueueRound(spaces.AsSpan(1));

        Assert.Equal(new ProcessorExit(ExitKind.PageFault, 14, (uint)PageFaultError.User, Data), processor.Run());
        Assert.Equal((spaces[1], 1), (processor.Space, processor.RoundPosition));
        guest.MapPage(spaces[1], Data, 100);
        Assert.Equal(ExitKind.Breakpoint, processor.Run().Kind);
        Assert.Equal((114UL, spaces[2]), (processor.Registers.R15, processor.Space));
    }

    [Fact]
    public void Five_levels_translate_where_the_host_has_them()
    {
        if (KvmAvailability.Check(levels: 5) is { IsUsable: false } availability)
        {
            Assert.Contains("LA57", Assert.Throws<KvmException>(() => new VirtualMachine(5)).Message, StringComparison.Ordinal);
            Assert.Skip($"{availability.Reason}; that it is refused was tested");
        }

        using var guest = new GuestMachine(levels: 5);
        var (processor, space) = guest.Prepare(SmallPrograms.LoadWord);
        guest.MapPage(space, 1UL << 50, 55);
        processor.Registers.Rdi = 1UL << 50;
        Assert.Equal(ExitKind.Breakpoint, processor.Run().Kind);
        Assert.Equal(55UL, processor.Registers.Rax);
    }

    private static void AssertFault(UserProgram program, ulong bits, uint expected)
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(program);
        guest.MapPage(space, Data, 1, bits);
        processor.Registers.Rdi = Data + 8;

        Assert.Equal(new ProcessorExit(ExitKind.PageFault, 14, expected, Data + 8), processor.Run());
        Assert.Equal((program.Address, Data + 8), (processor.Registers.Rip, processor.Registers.Rdi));
    }
}
