using Pando.Hardware;
using Pando.Machines;
using Pando.Tables;
using static Pando.Tests.Machines.ProcessorBench;

namespace Pando.Tests.Machines;

public sealed class SoftwareProcessorCacheTests : IDisposable
{
    private readonly ProcessorBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void A_changed_leaf_is_stale_until_it_is_flushed_and_never_after()
    {
        _bench.Space.Map(Here, _bench.Page(1));
        Assert.Equal(1UL, _bench.Read(Here));
        _bench.Space.Map(Here, _bench.Page(2));
        Assert.Equal(1UL, _bench.Read(Here));
        Assert.True(_bench.Drop(Here));
        Assert.Equal(2UL, _bench.Read(Here));
    }

    [Theory]
    [InlineData(Level.Pmd)]
    [InlineData(Level.Pud)]
    [InlineData(Level.P4d)]
    public void A_flush_of_leaves_alone_leaves_a_changed_slot_in_use(int level)
    {
        // Hazard 24: a slot is replaced, and the flush does not say so.
        _bench.Space.Map(Here, _bench.Page(1));
        Assert.Equal(1UL, _bench.Read(Here));
        _bench.Space.Set(Here, level, Entry.None);
        _bench.Space.Map(Here, _bench.Page(2));

        long span = X64.EntrySpan(level);
        Assert.True(_bench.Drop(Here.AlignDown(span), tables: false, span));
        Assert.Equal(1UL, _bench.Read(Here));
        Assert.True(_bench.Drop(Here.AlignDown(span), tables: true, span));
        Assert.Equal(2UL, _bench.Read(Here));
    }

    [Fact]
    public void A_flush_of_tables_elsewhere_leaves_the_upper_entries_of_this_address()
    {
        _bench.Space.Map(Here, _bench.Page(1));
        _bench.Read(Here);
        var before = _bench.Processor.Snapshot();
        Assert.True(_bench.Drop(Here + (1L << 40), tables: true, 1L << 30));
        Assert.Equal(before, _bench.Processor.Snapshot());
    }

    [Fact]
    public void A_page_larger_than_the_flushed_range_goes_as_a_whole()
    {
        var large = new VirtualAddress(2UL << 30);
        _bench.Space.Map(large, new PhysicalAddress(4UL << 20), level: Level.Pmd);
        _bench.Processor.TryTranslate(large, AccessKind.Read, out _);
        Assert.Single(_bench.Processor.Snapshot(), t => t.IsLeaf);
        Assert.True(_bench.Drop(large + 0x12_3000));
        Assert.DoesNotContain(_bench.Processor.Snapshot(), t => t.IsLeaf);
    }

    [Theory]
    [InlineData(0, 4, 4)]
    [InlineData(-4, 4, 8)]
    [InlineData(4, 4, 4)]
    [InlineData(8, 4, 8)]
    [InlineData(0, 8, 0)]
    [InlineData(1, 6, 2)]
    [InlineData(1, 1_000_000, 1)]
    [InlineData(-1_000_000, 1_000_003, 5)]
    public void A_flush_drops_the_leaves_of_its_range_and_no_others(int firstPage, int pages, int left)
    {
        for (int page = 0; page < 8; page++)
        {
            _bench.Space.Map(Here + (page * 4096), _bench.Page((ulong)page));
            _bench.Read(Here + (page * 4096));
        }

        _bench.Drop(Here + (firstPage * 4096L), length: pages * 4096L);
        var kept = _bench.Processor.Snapshot().Where(t => t.IsLeaf).Select(t => (int)((t.Address - Here) / 4096)).Order();
        Assert.Equal(Enumerable.Range(0, 8).Where(page => page < firstPage || page >= firstPage + pages), kept);
        Assert.Equal(left, kept.Count());
    }

    [Fact]
    public void INVLPG_drops_the_leaf_and_every_upper_entry_of_the_context_and_nothing_else()
    {
        var far = Here + (1L << 40) + (3L << 30) + (1L << 21);
        _bench.Space.Map(Here, _bench.Page(1));
        _bench.Space.Map(far, _bench.Page(2));
        var other = new HandMadeSpace(_bench.Store);
        other.Map(Here, _bench.Page(3));
        _bench.Processor.Switch(other);
        _bench.Read(Here);
        _bench.Processor.Switch(_bench.Space);
        _bench.Read(Here);
        _bench.Read(far);
        Assert.Equal((2, 6), (Mine().Count(t => t.IsLeaf), Mine().Count(t => !t.IsLeaf)));
        Assert.Equal((1, 3), (Others().Count(t => t.IsLeaf), Others().Count(t => !t.IsLeaf)));

        _bench.Processor.InvalidatePage(Here + 123);

        Assert.Equal([far], Mine().Select(t => t.Address));
        Assert.Equal(4, Others().Count());
        return;

        IEnumerable<CachedTranslation> Mine() => _bench.Processor.Snapshot().Where(t => t.Space == _bench.Space);
        IEnumerable<CachedTranslation> Others() => _bench.Processor.Snapshot().Where(t => t.Space == other);
    }

    [Fact]
    public void Dropping_a_context_keeps_the_others_and_dropping_all_keeps_none()
    {
        var other = new HandMadeSpace(_bench.Store);
        other.Map(Here, _bench.Page(3));
        _bench.Space.Map(Here, _bench.Page(1));
        _bench.Read(Here);
        _bench.Processor.Switch(other);
        _bench.Read(Here);

        _bench.Processor.InvalidatePcid();
        Assert.All(_bench.Processor.Snapshot(), t => Assert.Same(_bench.Space, t.Space));
        Assert.Equal(4, _bench.Processor.Snapshot().Count);
        _bench.Processor.InvalidateAll();
        Assert.Empty(_bench.Processor.Snapshot());
        Assert.Equal(3UL, _bench.Read(Here));
        _bench.Processor.Switch(_bench.Space);
        Assert.Equal(1UL, _bench.Read(Here));
    }

    [Fact]
    public void A_fault_from_a_leaf_that_is_cached_too_narrow_comes_once()
    {
        _bench.Space.Map(Here, _bench.Page(1), Rights.Read);
        _bench.Read(Here);
        _bench.Space.SetRights(Here, Level.Pte, Rights.ReadWrite);
        Assert.Equal(PageFaultCode.User | PageFaultCode.Write | PageFaultCode.Present, _bench.Probe(Here, AccessKind.Write));
        Assert.Null(_bench.Probe(Here, AccessKind.Write));
    }

    [Fact]
    public void A_fault_from_an_upper_entry_that_is_cached_too_narrow_comes_once()
    {
        _bench.Space.Map(Here, _bench.Page(1));
        _bench.Space.SetRights(Here, Level.Pud, Rights.Read);
        _bench.Read(Here);
        _bench.Space.SetRights(Here, Level.Pud, Rights.All);
        _bench.Drop(Here, tables: false);
        Assert.Equal(PageFaultCode.User | PageFaultCode.Write | PageFaultCode.Present, _bench.Probe(Here, AccessKind.Write));
        Assert.Null(_bench.Probe(Here, AccessKind.Write));
    }

    [Fact]
    public void A_walk_begins_at_the_lowest_cached_upper_entry()
    {
        _bench.Space.Map(Here, _bench.Page(1));
        _bench.Space.Map(Here + 4096, _bench.Page(2));
        _bench.Read(Here);
        _bench.Read(Here);
        _bench.Read(Here + 4096);
        Assert.Equal(new ProcessorCounters(Walks: 2, TlbHits: 1, TlbMisses: 2, UpperHits: 1, Faults: 0, Drops: 0, Recycles: 0), _bench.Processor.Counters);
    }

    [Fact]
    public void A_space_that_is_loaded_again_finds_what_was_cached_of_it()
    {
        _bench.Space.Map(Here, _bench.Page(1));
        _bench.Read(Here);
        var other = new HandMadeSpace(_bench.Store);
        other.Map(Here, _bench.Page(2));
        _bench.Processor.Switch(other);
        Assert.Equal(2UL, _bench.Read(Here));
        _bench.Processor.Switch(_bench.Space);
        Assert.Equal(1UL, _bench.Read(Here));
        Assert.Equal(2, _bench.Processor.Counters.Walks);
    }

    [Fact]
    public void The_space_not_loaded_for_longest_makes_room_and_takes_its_mark_back()
    {
        _bench.Space.Map(Here, _bench.Page(100));
        _bench.Read(Here);
        var spaces = new List<HandMadeSpace>();
        for (int i = 0; i < SoftwareProcessor.ContextCount; i++)
        {
            if (i == SoftwareProcessor.ContextCount - 1)
            {
                // All slots are taken; from here on the second has not been loaded for longest.
                _bench.Processor.Switch(_bench.Space);
            }

            var space = new HandMadeSpace(_bench.Store);
            space.Map(Here, _bench.Page((ulong)i));
            spaces.Add(space);
            _bench.Processor.Switch(space);
            Assert.Equal((ulong)i, _bench.Read(Here));
        }

        Assert.Equal(1, _bench.Processor.Counters.Recycles);
        Assert.True(spaces[0].LoadedOn.IsEmpty);
        Assert.All(spaces.Skip(1).Append(_bench.Space), space => Assert.Equal("0", space.LoadedOn.ToString()));
        Assert.DoesNotContain(_bench.Processor.Snapshot(), t => t.Space == spaces[0]);
        Assert.False(_bench.Processor.Drop(spaces[0], AddressRange.FromLength(Here, 4096), tables: true));

        // What it comes back to is what its tables say now, not what was cached before.
        spaces[0].Map(Here, _bench.Page(77));
        _bench.Processor.Switch(spaces[0]);
        Assert.Equal(77UL, _bench.Read(Here));
    }

    [Fact]
    public void A_space_is_marked_before_its_first_walk()
    {
        var fresh = new HandMadeSpace(_bench.Store);
        Assert.True(fresh.LoadedOn.IsEmpty);
        _bench.Processor.Switch(fresh);
        Assert.Equal("0", fresh.LoadedOn.ToString());
    }

    [Fact]
    public void A_forgotten_space_is_neither_cached_nor_loaded_nor_marked()
    {
        _bench.Space.Map(Here, _bench.Page(1));
        _bench.Read(Here);
        Assert.True(_bench.Processor.Forget(_bench.Space));
        Assert.True(_bench.Space.LoadedOn.IsEmpty);
        Assert.Empty(_bench.Processor.Snapshot());
        Assert.Equal(AccessOutcome.NoSpace, _bench.Processor.TryRead(Here, out ulong _).Outcome);
        Assert.False(_bench.Processor.Forget(_bench.Space));
        Assert.False(_bench.Drop(Here));
    }

    [Fact]
    public void A_flush_of_a_file_reaches_every_context_that_may_show_it_and_no_other()
    {
        var (file, otherFile) = (new HandMadeFile(), new HandMadeFile());
        var second = new HandMadeSpace(_bench.Store) { Shows = file };
        _bench.Space.Shows = file;
        var unrelated = new HandMadeSpace(_bench.Store) { Shows = otherFile };
        foreach (var space in new[] { _bench.Space, second, unrelated })
        {
            space.Map(Here, _bench.Page(1));
            _bench.Processor.Switch(space);
            _bench.Read(Here);
        }

        Assert.True(_bench.Processor.DropShared(file));
        Assert.Equal(4, _bench.Processor.Snapshot().Count(t => t.Space == unrelated));
        Assert.Equal(4, _bench.Processor.Snapshot().Count);
        Assert.Equal(["0", "0"], new[] { _bench.Space.LoadedOn.ToString(), second.LoadedOn.ToString() });
        Assert.False(_bench.Processor.DropShared(new HandMadeFile()));
    }

    [Fact]
    public void When_the_numbers_of_contexts_have_run_out_nothing_old_is_found()
    {
        var other = new HandMadeSpace(_bench.Store);
        other.Map(Here, _bench.Page(2));
        _bench.Space.Map(Here, _bench.Page(1));

        // Each drop uses one of 4,094 numbers; over twice as many, each cell's tag is met again.
        for (ulong i = 0; i < 9000; i++)
        {
            bool mine = i % 2 == 0;
            _bench.Processor.Switch(mine ? _bench.Space : other);
            Assert.Equal(mine ? 1UL : 2UL, _bench.Read(Here));
            _bench.Processor.InvalidatePcid();
            Assert.DoesNotContain(_bench.Processor.Snapshot(), t => t.Space == (mine ? _bench.Space : other));
        }

        Assert.Equal(9000, _bench.Processor.Counters.Walks);
    }
}
