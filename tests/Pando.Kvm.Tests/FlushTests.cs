using Pando.Kvm.Guests;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Tests;

public class FlushTests
{
    private const ulong Data = 0x7000_0000;
    private const int Rounds = 200;

    private static readonly UserProgram _countForEver = UserProgram.Assembled("count", GuestMachine.CodeAddress, static a =>
    {
        var again = a.CreateLabel();
        a.Label(ref again);
        a.inc(__qword_ptr[rdi]);
        a.inc(rax);
        a.jmp(again);
    });

    public FlushTests() => Requires.Kvm();

    [Fact]
    public void Under_shadow_paging_a_changed_entry_stays_unseen_until_its_table_is_flushed()
    {
        using var guest = new GuestMachine();
        Assert.SkipUnless(guest.Machine.Translation == TranslationKind.Shadow, "the CPU walks the tables itself here; whether it keeps a stale entry is up to it");
        var (processor, space, first, second) = TwoPages(guest);

        guest.Entry(space, Data) = first | GuestMachine.UserPage;
        Assert.Equal(1UL, Load(processor, space));
        guest.Entry(space, Data) = second | GuestMachine.UserPage;
        Assert.Equal(1UL, Load(processor, space));

        // Nor does what flushes a TLB help: another CR3 in between, a flush of the vCPU's own TLB.
        var other = guest.CreateSpace();
        guest.Load(other, SmallPrograms.LoadWord);
        guest.MapPage(other, Data, 3);
        processor.RequestFlush();
        Assert.Equal(3UL, Load(processor, other));
        processor.RequestFlush();
        Assert.Equal(1UL, Load(processor, space));

        guest.Machine.Flush([guest.TableOf(space, Data)]);
        Assert.Equal(2UL, Load(processor, space));
    }

    [Fact]
    public void After_a_flush_a_changed_leaf_is_never_stale()
    {
        using var guest = new GuestMachine();
        var (processor, space, first, second) = TwoPages(guest);
        for (var round = 0; round < Rounds; round++)
        {
            var page = round % 2 == 0 ? first : second;
            guest.Entry(space, Data) = page | GuestMachine.UserPage;
            guest.Machine.Flush([guest.TableOf(space, Data)]);
            Assert.Equal(guest.Memory.Word(page), Load(processor, space));
        }
    }

    [Fact]
    public void After_a_flush_of_everything_a_changed_leaf_is_never_stale()
    {
        using var guest = new GuestMachine();
        var (processor, space, first, second) = TwoPages(guest);
        for (var round = 0; round < Rounds / 4; round++)
        {
            var page = round % 2 == 0 ? first : second;
            guest.Entry(space, Data) = page | GuestMachine.UserPage;
            guest.Machine.FlushEverything();
            Assert.Equal(guest.Memory.Word(page), Load(processor, space));
        }
    }

    [Fact]
    public void A_flush_of_more_tables_than_are_worth_touching_reaches_each_of_them()
    {
        const ulong Tables = 300;
        using var guest = new GuestMachine();
        var program = Workloads.SequentialRead(GuestMachine.CodeAddress);
        var (processor, space) = guest.Prepare(program);
        var changed = new List<ulong>();
        ulong sum = 0;
        foreach (var value in new ulong[] { 1, 1000 })
        {
            changed.Clear();
            for (ulong i = 0; i < Tables; i++)
            {
                guest.MapPage(space, Data + (i << 21), value + i);
                changed.Add(guest.TableOf(space, Data + (i << 21)));
            }

            guest.Machine.Flush(changed.ToArray());
            GuestMachine.Start(processor, space, program);
            (processor.Registers.Rdi, processor.Registers.Rsi, processor.Registers.Rdx) = (Data, 2UL << 20, Tables);
            Assert.Equal(ExitKind.SystemCall, processor.Run().Kind);
            sum = processor.Registers.Rdi;
        }

        Assert.Equal((Tables * 1000) + (Tables * (Tables - 1) / 2), sum);
    }

    [Fact]
    public void After_a_flush_a_removed_page_faults_and_a_new_one_is_seen_without_a_flush()
    {
        using var guest = new GuestMachine();
        var (processor, space, first, second) = TwoPages(guest);
        for (var round = 0; round < Rounds; round++)
        {
            var page = round % 2 == 0 ? first : second;
            guest.Entry(space, Data) = page | GuestMachine.UserPage;
            Assert.Equal(guest.Memory.Word(page), Load(processor, space));

            guest.Entry(space, Data) = 0;
            guest.Machine.Flush([guest.TableOf(space, Data)]);
            GuestMachine.Start(processor, space, SmallPrograms.LoadWord);
            processor.Registers.Rdi = Data;
            Assert.Equal(new ProcessorExit(ExitKind.PageFault, 14, (uint)PageFaultError.User, Data), processor.Run());
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_slot_that_leads_to_another_table_is_seen_after_a_flush_of_the_slots_table_alone(int level)
    {
        using var guest = new GuestMachine();
        var processor = guest.Machine.CreateProcessor();

        // Two spaces with tables of their own; the third attaches to the tables of one, then of the other.
        var spaces = new[] { guest.CreateSpace(), guest.CreateSpace() };
        guest.MapPage(spaces[0], Data, 10);
        guest.MapPage(spaces[1], Data, 11);
        var attached = guest.CreateSpace();
        guest.Load(spaces[0], SmallPrograms.LoadWord);
        guest.Load(spaces[1], SmallPrograms.LoadWord);
        guest.Load(attached, SmallPrograms.LoadWord);
        guest.MapPage(attached, Data, 12);
        for (var round = 0; round < Rounds; round++)
        {
            var from = spaces[round % 2];
            guest.Entry(attached, Data, level) = guest.Entry(from, Data, level);
            guest.Machine.Flush([guest.TableOf(attached, Data, level)]);

            Assert.Equal(10UL + ((ulong)round % 2), Load(processor, attached));
            Assert.Equal(10UL, Load(processor, spaces[0]));
            Assert.Equal(11UL, Load(processor, spaces[1]));
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void A_slot_that_gains_the_write_right_gives_it_to_no_other_slot_of_the_same_table(int level)
    {
        using var guest = new GuestMachine();
        var processor = guest.Machine.CreateProcessor();
        var owner = guest.CreateSpace();
        guest.MapPage(owner, Data);
        var spaces = new[] { guest.CreateSpace(), guest.CreateSpace() };
        foreach (var space in spaces)
        {
            guest.Load(space, SmallPrograms.StoreWord);
            guest.Entry(space, Data, level) = guest.Entry(owner, Data, level) & ~GuestMachine.Writable;
            Assert.Equal(ExitKind.PageFault, Store(processor, space));
        }

        guest.Entry(spaces[0], Data, level) |= GuestMachine.Writable;
        guest.Machine.Flush([guest.TableOf(spaces[0], Data, level)]);

        Assert.Equal(ExitKind.Breakpoint, Store(processor, spaces[0]));
        Assert.Equal(ExitKind.PageFault, Store(processor, spaces[1]));
        Assert.Equal(ExitKind.Breakpoint, Store(processor, spaces[0]));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void An_access_between_a_slots_change_and_its_flush_pollutes_no_other_space(int level)
    {
        using var guest = new GuestMachine();
        var processor = guest.Machine.CreateProcessor();
        const ulong Next = Data + 4096;

        // A shared table with one page read and one not yet; a private one that differs in the second.
        var sharer = guest.CreateSpace();
        var diverging = guest.CreateSpace();
        var owner = guest.CreateSpace();
        foreach (var space in new[] { sharer, diverging, owner })
        {
            guest.Load(space, SmallPrograms.LoadWord);
        }

        guest.MapPage(sharer, Data, 1);
        guest.MapPage(sharer, Next, 2);
        guest.MapPage(owner, Data, 1);
        guest.MapPage(owner, Next, 3);
        guest.Entry(diverging, Data, level) = guest.Entry(sharer, Data, level);
        Assert.Equal((1UL, 1UL), (Load(processor, sharer), Load(processor, diverging)));

        guest.Entry(diverging, Data, level) = guest.Entry(owner, Data, level);
        _ = Load(processor, diverging, Next); // either table's page is right until the flush
        Assert.Equal(2UL, Load(processor, sharer, Next));
        guest.Machine.Flush([guest.TableOf(diverging, Data, level)]);

        Assert.Equal((3UL, 2UL), (Load(processor, diverging, Next), Load(processor, sharer, Next)));
    }

    [Fact]
    public void A_table_that_was_freed_and_flushed_carries_nothing_into_its_next_life()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.LoadWord);
        guest.MapPage(space, Data, 1);
        var table = guest.TableOf(space, Data);
        Assert.Equal(1UL, Load(processor, space));

        // Freed: the slot is cleared, and the table's page zeroed.
        guest.Entry(space, Data, level: 2) = 0;
        guest.Memory.Bytes(table, 4096).Clear();
        guest.Machine.Flush([guest.TableOf(space, Data, level: 2), table]);

        // A table again, of another space at another address.
        var next = guest.CreateSpace();
        guest.Load(next, SmallPrograms.LoadWord);
        guest.Entry(next, Data, level: 2) = table | GuestMachine.UserPage;
        GuestMachine.Start(processor, next, SmallPrograms.LoadWord);
        processor.Registers.Rdi = Data;
        Assert.Equal(new ProcessorExit(ExitKind.PageFault, 14, (uint)PageFaultError.User, Data), processor.Run());
        guest.MapPage(next, Data, 2);
        Assert.Equal(ExitKind.Breakpoint, processor.Run().Kind);
        Assert.Equal(2UL, processor.Registers.Rax);
    }

    [Fact]
    public void After_a_flush_a_cleared_dirty_bit_is_set_again_by_the_next_store()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(SmallPrograms.StoreWord);
        var page = guest.MapPage(space, Data);
        for (ulong round = 1; round <= Rounds; round++)
        {
            guest.Entry(space, Data) = page | GuestMachine.UserPage;
            guest.Machine.Flush([guest.TableOf(space, Data)]);
            GuestMachine.Start(processor, space, SmallPrograms.StoreWord);
            processor.Registers.Rdi = Data;
            processor.Registers.Rsi = round;

            Assert.Equal(ExitKind.Breakpoint, processor.Run().Kind);
            Assert.Equal(round, guest.Memory.Word(page));
            Assert.Equal(page | GuestMachine.UserPage | GuestMachine.Accessed | GuestMachine.Dirty, guest.Entry(space, Data));
        }
    }

    [Fact]
    public void A_running_writer_writes_nothing_after_a_write_protecting_flush_returned_and_loses_no_write()
    {
        using var guest = new GuestMachine();
        var (processor, space) = guest.Prepare(_countForEver);
        var page = guest.MapPage(space, Data);
        var table = guest.TableOf(space, Data);
        using var protectedSeen = new ManualResetEventSlim();
        using var resume = new SemaphoreSlim(0);
        var faults = 0;
        ulong counted = 0;
        var stop = false;
        processor.Registers.Rdi = Data;
        var thread = new Thread(() =>
        {
            while (true)
            {
                var exit = processor.Run();
                if (exit.Kind == ExitKind.PageFault && exit.PageFaultError.HasFlag(PageFaultError.Write) && !Volatile.Read(ref stop))
                {
                    faults++;
                    resume.Wait();
                    continue;
                }

                counted = processor.Registers.Rax;
                return;
            }
        });
        thread.Start();

        for (var round = 0; round < Rounds; round++)
        {
            SpinUntilChanged(guest, page);
            guest.Entry(space, Data) = page | GuestMachine.Present | GuestMachine.User;
            guest.Machine.Flush([table]);
            var written = Volatile.Read(ref guest.Memory.Word(page));
            Thread.SpinWait(2000);
            Assert.Equal(written, Volatile.Read(ref guest.Memory.Word(page)));
            guest.Entry(space, Data) = page | GuestMachine.UserPage;
            resume.Release();
        }

        SpinUntilChanged(guest, page);
        Volatile.Write(ref stop, true);
        guest.Entry(space, Data) = page | GuestMachine.Present | GuestMachine.User;
        guest.Machine.Flush([table]);
        Assert.True(thread.Join(TimeSpan.FromMinutes(5)));
        Assert.Equal(counted, guest.Memory.Word(page));
        Assert.InRange(faults, 1, Rounds);
    }

    private static void SpinUntilChanged(GuestMachine guest, ulong page)
    {
        var before = Volatile.Read(ref guest.Memory.Word(page));
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref guest.Memory.Word(page)) != before, TimeSpan.FromMinutes(5)));
    }

    private static (VirtualProcessor Processor, ulong Space, ulong First, ulong Second) TwoPages(GuestMachine guest)
    {
        var (processor, space) = guest.Prepare(SmallPrograms.LoadWord);
        var first = guest.Allocate();
        var second = guest.Allocate();
        guest.Memory.Word(first) = 1;
        guest.Memory.Word(second) = 2;
        return (processor, space, first, second);
    }

    private static ExitKind Store(VirtualProcessor processor, ulong space)
    {
        GuestMachine.Start(processor, space, SmallPrograms.StoreWord);
        processor.Registers.Rdi = Data;
        return processor.Run().Kind;
    }

    private static ulong Load(VirtualProcessor processor, ulong space, ulong address = Data)
    {
        GuestMachine.Start(processor, space, SmallPrograms.LoadWord);
        processor.Registers.Rdi = address;
        var exit = processor.Run();
        Assert.True(exit.Kind == ExitKind.Breakpoint, $"{exit}");
        return processor.Registers.Rax;
    }
}
