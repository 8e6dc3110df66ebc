using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using static Pando.Tests.Machines.ProcessorBench;

namespace Pando.Tests.Machines;

public class SoftwareProcessorStressTests
{
    private const ulong Old = ulong.MaxValue;
    private const int Rounds = 20_000;

    [Theory]
    [InlineData(Level.Pte)]
    [InlineData(Level.Pmd)]
    [InlineData(Level.Pud)]
    public async Task After_a_flush_no_access_sees_the_old_page(int changedLevel)
    {
        long span = X64.EntrySpan(changedLevel);
        var range = AddressRange.FromLength(Here.AlignDown(span), span);
        using var bench = new ProcessorBench();
        var pages = new[] { bench.Page(1), bench.Page(1) };
        var entries = EntriesFor(bench, pages, changedLevel);
        bool stop = false;
        bool isRunning = false;
        var cancel = TestContext.Current.CancellationToken;

        // Loads must never see what is written to a page after the flush that took it away.
        var processor = SoftwareProcessor.Create(bench.Store, (space, address, _, _) => Settled(space, address, changedLevel));
        processor.Switch(bench.Space);
        var driver = Task.Run(() =>
        {
            long accesses = 0;
            while (!Volatile.Read(ref stop))
            {
                Assert.True(processor.TryRead(Here, out ulong value).IsCompleted);
                Assert.NotEqual(Old, value);
                Assert.True(processor.TryWrite(Here + 8, 1UL).IsCompleted);
                accesses++;
                Volatile.Write(ref isRunning, true);
            }

            return accesses;
        }, cancel);

        var flusher = Task.Run(() =>
        {
            AwaitFirst(ref isRunning, driver);
            for (int round = 0; round < Rounds && !driver.IsCompleted; round++)
            {
                int old = round % 2;
                bench.Space.Set(Here, changedLevel, entries[1 - old]);
                bench.Store.Shootdown.Flush(bench.Space, range, tables: changedLevel > Level.Pte);

                // The old page is out of use: nobody may see what is written there, or write there.
                BitConverter.TryWriteBytes(bench.Memory.Bytes(pages[old], 8), Old);
                BitConverter.TryWriteBytes(bench.Memory.Bytes(pages[old] + 8, 8), Old);
                Thread.SpinWait(round % 50);
                Assert.Equal(Old, bench.NumberAt(pages[old] + 8));
                BitConverter.TryWriteBytes(bench.Memory.Bytes(pages[old], 8), 1UL);
            }

            Volatile.Write(ref stop, true);
        }, cancel);

        try
        {
            await flusher;
        }
        finally
        {
            Volatile.Write(ref stop, true);
        }

        Assert.True(await driver > 0);
        Assert.Equal(Rounds, processor.Counters.Drops);
    }

    [Fact]
    public async Task Spaces_that_come_and_go_on_a_processor_are_never_left_with_a_stale_page()
    {
        // As often at least, however the host shares out its time between the two tasks.
        const int Recycled = 100;

        // More spaces than contexts, so that marks are set and taken back while flushes look at them.
        using var bench = new ProcessorBench();
        var spaces = Enumerable.Range(0, SoftwareProcessor.ContextCount + 3).Select(_ => new HandMadeSpace(bench.Store)).ToArray();
        var pages = spaces.Select(_ => new[] { bench.Page(1), bench.Page(1) }).ToArray();
        for (int i = 0; i < spaces.Length; i++)
        {
            spaces[i].Map(Here, pages[i][0]);
        }

        bool stop = false;
        bool isRunning = false;
        var cancel = TestContext.Current.CancellationToken;
        var processor = SoftwareProcessor.Create(bench.Store, (space, address, _, _) => Settled(space, address, Level.Pte));
        var driver = Task.Run(() =>
        {
            var random = new Random(5);
            while (!Volatile.Read(ref stop))
            {
                processor.Switch(spaces[random.Next(spaces.Length)]);
                var result = processor.TryRead(Here, out ulong value);
                Assert.True(result.IsCompleted || result.Outcome == AccessOutcome.NoSpace, result.ToString());
                Assert.NotEqual(Old, value);
                Volatile.Write(ref isRunning, true);
            }
        }, cancel);

        var flusher = Task.Run(() =>
        {
            AwaitFirst(ref isRunning, driver);
            for (int round = 0; (round < Rounds || processor.Counters.Recycles <= Recycled) && !driver.IsCompleted; round++)
            {
                int which = round % spaces.Length;
                int old = round / spaces.Length % 2;
                spaces[which].Map(Here, pages[which][1 - old]);
                if (round % 7 == 0)
                {
                    bench.Store.Shootdown.Forget(spaces[which]);
                }
                else
                {
                    bench.Store.Shootdown.Flush(spaces[which], AddressRange.FromLength(Here, 4096), tables: false);
                }

                BitConverter.TryWriteBytes(bench.Memory.Bytes(pages[which][old], 8), Old);
                Thread.SpinWait(round % 50);
                BitConverter.TryWriteBytes(bench.Memory.Bytes(pages[which][old], 8), 1UL);
            }

            Volatile.Write(ref stop, true);
        }, cancel);

        await Task.WhenAll(driver, flusher);
        Assert.True(processor.Counters.Recycles > Recycled);
    }

    // On a busy host the one task may come to its end before the other has a thread.
    private static void AwaitFirst(ref bool isRunning, Task driver)
    {
        while (!Volatile.Read(ref isRunning) && !driver.IsCompleted)
        {
            Thread.Sleep(1);
        }
    }

    // The moment in which nothing is there passes with the lock of the table that is being changed.
    private static FaultResult Settled(SpaceTables space, VirtualAddress address, int level)
    {
        ((HandMadeSpace)space).WaitForChange(address, level);
        return new FaultResult(FaultKind.Spurious, address);
    }

    // Entries of the changed level that lead to the one page and to the other.
    private static Entry[] EntriesFor(ProcessorBench bench, PhysicalAddress[] pages, int level)
    {
        var entries = new Entry[2];
        for (int i = 0; i < 2; i++)
        {
            bench.Space.Set(Here, level, Entry.None);
            bench.Space.Map(Here, pages[i]);
            entries[i] = bench.Space[Here, level];
        }

        return entries;
    }
}
