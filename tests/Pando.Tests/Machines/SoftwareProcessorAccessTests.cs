using System.Runtime.InteropServices;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using static Pando.Tests.Machines.ProcessorBench;

namespace Pando.Tests.Machines;

public sealed class SoftwareProcessorAccessTests
{
    private static readonly VirtualAddress Next = Here + X64.PageSize;

    [Fact]
    public void A_value_across_two_pages_is_stored_in_both_and_loaded_from_both()
    {
        using var bench = new ProcessorBench();
        var (low, high) = (bench.Page(0), bench.Page(0));
        bench.Space.Map(Here, low);
        bench.Space.Map(Next, high);
        Assert.True(bench.Processor.TryWrite(Next - 3, 0x8877_6655_4433_2211UL).IsCompleted);
        Assert.Equal([0x11, 0x22, 0x33], bench.Memory.Bytes(low + 4093, 3).ToArray());
        Assert.Equal([0x44, 0x55, 0x66, 0x77, 0x88, 0], bench.Memory.Bytes(high, 6).ToArray());
        Assert.Equal(0x8877_6655_4433_2211UL, bench.Read(Next - 3));
    }

    [Fact]
    public void A_store_that_faults_in_its_second_page_leaves_the_first_untouched_and_clean()
    {
        using var bench = new ProcessorBench();
        var low = bench.Page(0);
        bench.Space.Map(Here, low);
        bench.Space.Map(Next, bench.Page(0), Rights.Read);
        Assert.Equal(
            new AccessResult(AccessOutcome.PageFault, Next, PageFaultCode.User | PageFaultCode.Write | PageFaultCode.Present),
            bench.Processor.TryWrite(Next - 4, ulong.MaxValue));
        Assert.Equal(new byte[4], bench.Memory.Bytes(low + 4092, 4).ToArray());
        Assert.False(bench.Store.Format.IsDirty(bench.Space[Here, Level.Pte], Level.Pte));
    }

    [Fact]
    public void A_value_across_two_pages_faults_in_the_first_before_the_second()
    {
        using var bench = new ProcessorBench();
        Assert.Equal(new AccessResult(AccessOutcome.PageFault, Next - 4, PageFaultCode.User), bench.Processor.TryRead(Next - 4, out ulong value));
        Assert.Equal(0UL, value);
    }

    [Fact]
    public void Both_pages_of_a_crossing_store_become_dirty()
    {
        using var bench = new ProcessorBench();
        bench.Space.Map(Here, bench.Page(0));
        bench.Space.Map(Next, bench.Page(0));
        bench.Processor.TryWrite(Next - 4, ulong.MaxValue);
        Assert.True(bench.Store.Format.IsDirty(bench.Space[Here, Level.Pte], Level.Pte));
        Assert.True(bench.Store.Format.IsDirty(bench.Space[Next, Level.Pte], Level.Pte));
    }

    [Fact]
    public void Bytes_move_page_by_page_until_the_first_that_fails()
    {
        using var bench = new ProcessorBench();
        bench.Space.Map(Here, bench.Page(0));
        bench.Space.Map(Next, bench.Page(0));
        byte[] bytes = new byte[3 * X64.PageSize];
        new Random(1).NextBytes(bytes);

        Assert.Equal(
            new AccessResult(AccessOutcome.PageFault, Next + X64.PageSize, PageFaultCode.User | PageFaultCode.Write),
            bench.Processor.TryWrite(Here + 100, bytes));

        byte[] back = new byte[(2 * X64.PageSize) - 100];
        Assert.True(bench.Processor.TryRead(Here + 100, back).IsCompleted);
        Assert.Equal(bytes[..back.Length], back);
    }

    [Fact]
    public void An_atomic_add_gives_what_was_there_and_adds()
    {
        using var bench = new ProcessorBench();
        var page = bench.Page(40);
        bench.Space.Map(Here, page);
        Assert.True(bench.Processor.TryAdd(Here, 2, out ulong before).IsCompleted);
        Assert.Equal((40UL, 42UL), (before, bench.NumberAt(page)));
        Assert.Throws<ArgumentException>(() => bench.Processor.TryAdd(Here + 4, 1, out _));
    }

    [Fact]
    public async Task Atomic_adds_of_two_processors_are_all_counted()
    {
        using var bench = new ProcessorBench();
        var page = bench.Page(0);
        bench.Space.Map(Here, page);
        var other = SoftwareProcessor.Create(bench.Store, handler: null);
        other.Switch(bench.Space);
        var cancel = TestContext.Current.CancellationToken;
        await Task.WhenAll(Task.Run(() => AddOften(bench.Processor), cancel), Task.Run(() => AddOften(other), cancel));
        Assert.Equal(200_000UL, bench.NumberAt(page));

        static void AddOften(SoftwareProcessor processor)
        {
            for (int i = 0; i < 100_000; i++)
            {
                processor.TryAdd(Here, 1, out _);
            }
        }
    }

    [Fact]
    public void A_fault_that_the_handler_resolves_is_not_seen_by_the_caller()
    {
        ProcessorBench? made = null;
        var seen = new List<(VirtualAddress, AccessKind)>();
        using var bench = new ProcessorBench(handler: (space, address, access, _) =>
        {
            seen.Add((address, access));
            ((HandMadeSpace)space).Map(address, made!.Page(5), access == AccessKind.Write ? Rights.ReadWrite : Rights.Read);
            return new FaultResult(FaultKind.Populated, address);
        });
        made = bench;

        Assert.Equal(5UL, bench.Read(Here));
        Assert.True(bench.Processor.TryWrite(Here, 6UL).IsCompleted);
        Assert.True(bench.Processor.TryWrite(Next - 4, 0UL).IsCompleted);
        Assert.Equal([(Here, AccessKind.Read), (Here, AccessKind.Write), (Next, AccessKind.Write)], seen);
        Assert.Equal(3, bench.Processor.Counters.Faults);
    }

    [Theory]
    [InlineData(FaultKind.NotMapped, AccessOutcome.NotMapped)]
    [InlineData(FaultKind.NotAllowed, AccessOutcome.NotAllowed)]
    [InlineData(FaultKind.BusError, AccessOutcome.BusError)]
    [InlineData(FaultKind.OutOfMemory, AccessOutcome.OutOfMemory)]
    public void A_fault_that_the_handler_refuses_ends_the_access_with_its_reason(FaultKind kind, AccessOutcome outcome)
    {
        using var bench = new ProcessorBench(handler: (_, address, _, _) => new FaultResult(kind, address));
        Assert.Equal(new AccessResult(outcome, Here, PageFaultCode.User | PageFaultCode.Write), bench.Processor.TryWrite(Here, 1));
        Assert.Equal(new AccessResult(outcome, Here, PageFaultCode.User | PageFaultCode.Fetch), bench.Processor.TryFetch(Here, out byte _));
    }

    [Fact]
    public void A_probe_does_not_ask_the_handler()
    {
        using var bench = new ProcessorBench(handler: (_, _, _, _) => throw new InvalidOperationException("asked"));
        Assert.Equal(
            new AccessResult(AccessOutcome.PageFault, Here, PageFaultCode.User),
            bench.Processor.TryRead(Here, out int _, FaultDelivery.ToCaller));
    }

    [Fact]
    public void A_fault_that_is_resolved_and_never_goes_away_is_reported_with_its_walk()
    {
        using var bench = new ProcessorBench(handler: (_, address, _, _) => new FaultResult(FaultKind.Spurious, address));
        var error = Assert.Throws<InvalidOperationException>(() => bench.Processor.TryRead(Here, out byte _));
        Assert.Contains($"walk of {Here}", error.Message, StringComparison.Ordinal);
        Assert.Contains("nothing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_handler_that_throws_leaves_the_processor_usable()
    {
        using var bench = new ProcessorBench(handler: (_, _, _, _) => throw new TimeoutException());
        Assert.Throws<TimeoutException>(() => bench.Processor.TryRead(Here, out byte _));
        bench.Space.Map(Here, bench.Page(7));
        Assert.Equal(7UL, bench.Read(Here));
    }

    [Fact]
    public void A_handler_may_flush_the_processor_that_called_it()
    {
        ProcessorBench? made = null;
        using var bench = new ProcessorBench(handler: (_, address, _, _) =>
        {
            made!.Store.Shootdown.Flush(made.Space, AddressRange.FromLength(address, 4096), tables: true);
            made.Space.Map(address, made.Page(5));
            return new FaultResult(FaultKind.Populated, address);
        });
        made = bench;
        Assert.Equal(5UL, bench.Read(Here));
    }

    [Fact]
    public void A_space_that_its_own_fault_handler_ends_ends_the_access()
    {
        ProcessorBench? made = null;
        using var bench = new ProcessorBench(handler: (space, address, _, _) =>
        {
            made!.Store.Shootdown.Forget(space);
            return new FaultResult(FaultKind.Populated, address);
        });
        made = bench;
        Assert.Equal(new AccessResult(AccessOutcome.NoSpace, Here, PageFaultCode.None), bench.Processor.TryRead(Here, out byte _));
    }

    [Fact]
    public void Memory_without_bytes_is_translated_but_not_loaded_or_stored()
    {
        using var bench = new ProcessorBench();
        var device = new PhysicalAddress(1UL << 40);
        bench.Memory.AddRegion(new PhysicalRegion(device, 2L << 20, 0, "a device without bytes"));
        bench.Space.Map(new VirtualAddress(0x20_0000), device, level: Level.Pmd);
        var at = new VirtualAddress(0x20_1234);

        Assert.True(bench.Processor.TryTranslate(at, AccessKind.Write, out var physical).IsCompleted);
        Assert.Equal(device + 0x1234, physical);
        var refused = new AccessResult(AccessOutcome.NoBytes, at, PageFaultCode.None);
        Assert.Equal(refused, bench.Processor.TryRead(at, out long _));
        Assert.Equal(refused, bench.Processor.TryWrite(at, 1L));
        Assert.Equal(refused, bench.Processor.TryRead(at, new byte[3]));
        Assert.Equal(refused, bench.Processor.TryWrite(at, new byte[3]));
        Assert.Contains("translate the address instead", refused.ToString(), StringComparison.Ordinal);
        var across = new VirtualAddress(0x20_1ffe);
        Assert.Equal(new AccessResult(AccessOutcome.NoBytes, across, PageFaultCode.None), bench.Processor.TryWrite(across, 1L));
    }

    [Fact]
    public void A_value_larger_than_a_page_is_refused_before_anything_is_moved()
    {
        using var bench = new ProcessorBench();
        Assert.Throws<ArgumentException>(() => bench.Processor.TryRead(Here, out TwoPages _));
        Assert.Throws<ArgumentException>(() => bench.Processor.TryWrite(Here, default(TwoPages)));
    }

    [Fact]
    public void Without_a_space_nothing_is_accessed()
    {
        using var bench = new ProcessorBench();
        bench.Space.Map(new VirtualAddress(0), bench.Page(3));
        Assert.Equal(3UL, bench.Read(new VirtualAddress(0)));
        bench.Processor.Switch(null);
        Assert.Equal(AccessOutcome.NoSpace, bench.Processor.TryRead(new VirtualAddress(0), out ulong _).Outcome);
        Assert.Equal($"walk of {Here}: no space is loaded", bench.Processor.DescribeWalk(Here));
    }

    [Fact]
    public void A_space_without_a_root_is_not_loaded()
    {
        using var bench = new ProcessorBench();
        bench.Space.End();
        Assert.Throws<ObjectDisposedException>(() => bench.Processor.Switch(bench.Space));
    }

    [Fact]
    public void No_access_allocates_managed_memory()
    {
        using var bench = new ProcessorBench(handler: (space, address, _, _) =>
        {
            // The page is there, but its leaf was taken out.
            ((HandMadeSpace)space).Map(address, new PhysicalAddress(20UL << 20));
            return new FaultResult(FaultKind.Populated, address);
        });
        bench.Space.Map(Here, bench.Page(0), Rights.All);
        bench.Space.Map(Next, bench.Page(0), Rights.All);
        var faulting = Next + X64.PageSize;
        bench.Space.Map(faulting, bench.Page(0));
        byte[] buffer = new byte[6000];
        var processor = bench.Processor;

        Work(3);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Work(1000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1003, processor.Counters.Faults);

        void Work(int times)
        {
            for (int i = 0; i < times; i++)
            {
                processor.TryRead(Here, out ulong _);
                processor.TryWrite(Here, 1UL);
                processor.TryFetch(Here, out byte _);
                processor.TryRead(Next - 4, out ulong _);
                processor.TryWrite(Next - 4, 1UL);
                processor.TryRead(Here, buffer);
                processor.TryWrite(Here, (ReadOnlySpan<byte>)buffer);
                processor.TryAdd(Here, 1, out _);
                processor.TryTranslate(Here, AccessKind.Read, out _);
                processor.TryRead(new VirtualAddress(1UL << 50), out byte _);
                bench.Drop(Here, tables: true);
                bench.Space.Set(faulting, Level.Pte, Entry.None);
                bench.Drop(faulting);
                processor.TryRead(faulting, out ulong _);
                processor.InvalidatePage(Here);
                processor.InvalidatePcid();
                processor.Switch(bench.Space);
            }
        }
    }

#if PANDO_CHECKED
    [Fact]
    public void Two_threads_that_drive_one_processor_are_told()
    {
        SoftwareProcessor? processor = null;
        Exception? error = null;
        using var bench = new ProcessorBench(handler: (_, address, _, _) =>
        {
            var thread = new Thread(() => error = Record.Exception(() => processor!.TryRead(Here, out byte _)));
            thread.Start();
            thread.Join();
            return new FaultResult(FaultKind.NotMapped, address);
        });
        processor = bench.Processor;
        processor.TryRead(Here, out byte _);
        Assert.Contains("is driven by thread", Assert.IsType<InvalidOperationException>(error).Message, StringComparison.Ordinal);
    }
#endif

    [StructLayout(LayoutKind.Sequential, Size = 2 * X64.PageSize)]
    private struct TwoPages;
}
