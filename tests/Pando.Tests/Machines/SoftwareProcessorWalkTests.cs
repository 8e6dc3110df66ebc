using Pando.Hardware;
using Pando.Machines;
using static Pando.Machines.PageFaultCode;
using static Pando.Tests.Machines.ProcessorBench;

namespace Pando.Tests.Machines;

public sealed class SoftwareProcessorWalkTests : IDisposable
{
    private readonly ProcessorBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData(Rights.Read, null, User | Write | Present, User | Fetch | Present)]
    [InlineData(Rights.ReadWrite, null, null, User | Fetch | Present)]
    [InlineData(Rights.Read | Rights.Execute, null, User | Write | Present, null)]
    [InlineData(Rights.All, null, null, null)]
    [InlineData(Rights.None, User | Present, User | Write | Present, User | Fetch | Present)]
    public void A_leaf_grants_its_rights_and_no_others(Rights rights, PageFaultCode? read, PageFaultCode? write, PageFaultCode? fetch)
    {
        _bench.Space.Map(Here, _bench.Page(7), rights);
        Assert.Equal((read, write, fetch), (_bench.Probe(Here, AccessKind.Read), _bench.Probe(Here, AccessKind.Write), _bench.Probe(Here, AccessKind.Execute)));
    }

    [Theory]
    [InlineData(Rights.Read | Rights.Execute, null, User | Write | Present, null)]
    [InlineData(Rights.ReadWrite, null, null, User | Fetch | Present)]
    [InlineData(Rights.Read, null, User | Write | Present, User | Fetch | Present)]
    [InlineData(Rights.None, User | Present, User | Write | Present, User | Fetch | Present)]
    public void A_slot_of_any_level_narrows_the_leaf_below_it(Rights slot, PageFaultCode? read, PageFaultCode? write, PageFaultCode? fetch)
    {
        _bench.Space.Map(Here, _bench.Page(7), Rights.All);
        for (int level = Level.Pmd; level <= Level.P4d; level++)
        {
            _bench.Space.SetRights(Here, level, slot);
            _bench.Processor.InvalidateAll();

            // Twice: from the tables, and from what was cached of them.
            for (int time = 0; time < 2; time++)
            {
                Assert.Equal(
                    (read, write, fetch),
                    (_bench.Probe(Here, AccessKind.Read), _bench.Probe(Here, AccessKind.Write), _bench.Probe(Here, AccessKind.Execute)));
            }

            _bench.Space.SetRights(Here, level, Rights.All);
        }
    }

    [Fact]
    public void A_slot_does_not_widen_the_leaf_below_it()
    {
        _bench.Space.Map(Here, _bench.Page(7), Rights.Read);
        Assert.Equal(User | Write | Present, _bench.Probe(Here, AccessKind.Write));
    }

    [Theory]
    [InlineData(AccessKind.Read, User)]
    [InlineData(AccessKind.Write, User | Write)]
    [InlineData(AccessKind.Execute, User | Fetch)]
    public void What_is_not_present_at_any_level_faults_without_the_present_bit(AccessKind access, PageFaultCode code)
    {
        _bench.Space.Map(Here, _bench.Page(7), Rights.All);
        for (int level = Level.Pte; level <= Level.P4d; level++)
        {
            var entry = _bench.Space[Here, level];
            _bench.Space.Set(Here, level, Entry.None);
            _bench.Processor.InvalidateAll();
            Assert.Equal(code, _bench.Probe(Here, access));
            _bench.Space.Set(Here, level, entry);
            Assert.Null(_bench.Probe(Here, access));
        }
    }

    [Fact]
    public void A_missing_leaf_below_a_slot_without_rights_is_not_present()
    {
        _bench.Space.Map(Here, _bench.Page(7));
        _bench.Space.SetRights(Here, Level.Pmd, Rights.None);
        Assert.Equal(User, _bench.Probe(Here + X64.PageSize, AccessKind.Read));
    }

    [Fact]
    public void Nothing_that_is_not_present_is_cached()
    {
        Assert.Equal(User, _bench.Probe(Here, AccessKind.Read));
        _bench.Space.Map(Here, _bench.Page(7));
        Assert.Equal(7UL, _bench.Read(Here));
    }

    [Fact]
    public void Reserved_bits_fault_with_their_own_bit_at_every_level_that_has_them()
    {
        // Bit 7 above the level of 1 GiB pages, and an address that is not a multiple of the page's size.
        var leaf = _bench.Store.Format.MakeLeaf(Level.Pmd, new PhysicalAddress(0), Rights.All);
        _bench.Space.Set(Here, Level.Pmd, new Entry(leaf.Raw | (1UL << 13)));
        Assert.Equal(User | Present | Reserved, _bench.Probe(Here, AccessKind.Read));

        _bench.Space.Set(Here, Level.Pud, _bench.Store.Format.MakeLeaf(Level.Pud, new PhysicalAddress(1UL << 21), Rights.All));
        Assert.Equal(User | Present | Reserved | Write, _bench.Probe(Here, AccessKind.Write));

        _bench.Space.Set(Here, Level.P4d, _bench.Store.Format.MakeLeaf(Level.P4d, new PhysicalAddress(0), Rights.All));
        Assert.Equal(User | Present | Reserved | Fetch, _bench.Probe(Here, AccessKind.Execute));
    }

    [Fact]
    public void The_pat_bit_of_a_large_leaf_is_neither_reserved_nor_address()
    {
        var leaf = _bench.Store.Format.MakeLeaf(Level.Pmd, new PhysicalAddress(4UL << 20), Rights.All);
        var withPat = new Entry(leaf.Raw | (1UL << 12));
        Assert.False(_bench.Store.Format.HasReservedBits(withPat, Level.Pmd));
        Assert.Equal(new PhysicalAddress(4UL << 20), _bench.Store.Format.TargetOf(withPat, Level.Pmd));
    }

    [Fact]
    public void A_load_marks_every_entry_on_the_way_accessed_and_nothing_dirty()
    {
        var format = _bench.Store.Format;
        _bench.Space.Map(Here, _bench.Page(7));
        ClearAccessed(Here);
        var before = Marks();

        _bench.Read(Here);

        Assert.Equal([false, false, false, false], before.Select(m => m.Accessed));
        Assert.Equal([(true, false), (true, false), (true, false), (true, false)], Marks());
        return;

        List<(bool Accessed, bool Dirty)> Marks() =>
            [.. Enumerable.Range(Level.Pte, 4).Select(level => (format.IsAccessed(_bench.Space[Here, level], level), format.IsDirty(_bench.Space[Here, level], level)))];
    }

    [Fact]
    public void A_store_marks_the_leaf_dirty_and_only_the_leaf()
    {
        var format = _bench.Store.Format;
        _bench.Space.Map(Here, _bench.Page(7));
        _bench.Read(Here);
        var slots = Enumerable.Range(Level.Pmd, 3).Select(level => _bench.Space[Here, level]).ToList();
        var leaf = _bench.Space[Here, Level.Pte];

        Assert.True(_bench.Processor.TryWrite(Here, 8UL).IsCompleted);

        Assert.Equal(slots, Enumerable.Range(Level.Pmd, 3).Select(level => _bench.Space[Here, level]));
        Assert.Equal(format.Touched(leaf, Level.Pte, dirty: true), _bench.Space[Here, Level.Pte]);
        Assert.NotEqual(leaf, _bench.Space[Here, Level.Pte]);
    }

    [Fact]
    public void A_store_that_is_refused_marks_neither_accessed_nor_dirty_in_the_leaf()
    {
        _bench.Space.Map(Here, _bench.Page(7), Rights.Read);
        ClearAccessed(Here);
        var leaf = _bench.Space[Here, Level.Pte];
        Assert.Equal(User | Write | Present, _bench.Probe(Here, AccessKind.Write));
        Assert.Equal(leaf, _bench.Space[Here, Level.Pte]);
    }

    [Fact]
    public void A_cached_dirty_leaf_is_not_marked_again_until_it_is_flushed()
    {
        var format = _bench.Store.Format;
        _bench.Space.Map(Here, _bench.Page(7));
        _bench.Processor.TryWrite(Here, 8UL);
        _bench.Space.Set(Here, Level.Pte, format.Cleaned(_bench.Space[Here, Level.Pte], Level.Pte));

        _bench.Processor.TryWrite(Here, 9UL);
        Assert.False(format.IsDirty(_bench.Space[Here, Level.Pte], Level.Pte), "The store went through the cached leaf.");

        _bench.Drop(Here);
        _bench.Processor.TryWrite(Here, 10UL);
        Assert.True(format.IsDirty(_bench.Space[Here, Level.Pte], Level.Pte));
    }

    [Theory]
    [InlineData(Level.Pmd, 0x12_3456UL)]
    [InlineData(Level.Pud, 0x123_4567UL)]
    public void A_large_leaf_translates_every_byte_of_its_page(int level, ulong offset)
    {
        long span = X64.EntrySpan(level);
        var start = new VirtualAddress((ulong)span * 3);
        _bench.Space.Map(start, new PhysicalAddress((ulong)span * 5), level: level);

        Assert.True(_bench.Processor.TryTranslate(start + (long)offset, AccessKind.Write, out var physical).IsCompleted);
        Assert.Equal(new PhysicalAddress(((ulong)span * 5) + offset), physical);
        Assert.True(_bench.Processor.TryTranslate(start + (span - 1), AccessKind.Read, out physical).IsCompleted);
        Assert.Equal(new PhysicalAddress(((ulong)span * 6) - 1), physical);

        Assert.Equal((1L, 1L), (_bench.Processor.Counters.Walks, _bench.Processor.Counters.TlbHits));
        Assert.True(_bench.Store.Format.IsDirty(_bench.Space[start, level], level));
        Assert.Equal(User, _bench.Probe(start + span, AccessKind.Read));
    }

    [Fact]
    public void Loads_and_stores_through_a_2_MiB_leaf_move_the_bytes_of_ram()
    {
        _bench.Space.Map(new VirtualAddress(0x4000_0000), new PhysicalAddress(16UL << 20), level: Level.Pmd);
        Assert.True(_bench.Processor.TryWrite(new VirtualAddress(0x4012_3458), 0x1122_3344_5566_7788UL).IsCompleted);
        Assert.Equal(0x1122_3344_5566_7788UL, _bench.NumberAt(new PhysicalAddress((16UL << 20) + 0x12_3458)));
        Assert.Equal(0x1122_3344_5566_7788UL, _bench.Read(new VirtualAddress(0x4012_3458)));
    }

    [Theory]
    [InlineData(4, 0x0000_7fff_ffff_f000UL, true)]
    [InlineData(4, 0x0000_8000_0000_0000UL, false)]
    [InlineData(4, 0xffff_7fff_ffff_f000UL, false)]
    [InlineData(4, 0xffff_8000_0000_0000UL, true)]
    [InlineData(5, 0x0000_8000_0000_0000UL, true)]
    [InlineData(5, 0x00ff_ffff_ffff_f000UL, true)]
    [InlineData(5, 0x0100_0000_0000_0000UL, false)]
    [InlineData(5, 0xfeff_ffff_ffff_f000UL, false)]
    [InlineData(5, 0xff00_0000_0000_0000UL, true)]
    public void An_address_that_is_not_canonical_is_a_general_protection_fault(int levels, ulong address, bool canonical)
    {
        using var bench = new ProcessorBench(levels == 4 ? X64Format.FourLevels : X64Format.FiveLevels);
        var at = new VirtualAddress(address);
        Assert.Equal(
            canonical ? new AccessResult(AccessOutcome.PageFault, at, User) : new AccessResult(AccessOutcome.GeneralProtection, at, None),
            bench.Processor.TryRead(at, out byte _));
        if (canonical)
        {
            bench.Space.Map(at, bench.Page(0x55));
            Assert.Equal(0x55UL, bench.Read(at));
        }
    }

    [Fact]
    public void An_access_that_runs_out_of_the_canonical_half_is_a_general_protection_fault_in_its_second_page()
    {
        var last = new VirtualAddress(0x0000_7fff_ffff_f000);
        _bench.Space.Map(last, _bench.Page(1));
        Assert.Equal(
            new AccessResult(AccessOutcome.GeneralProtection, last + X64.PageSize, None),
            _bench.Processor.TryRead(last + 4092, out ulong _));
    }

    [Fact]
    public void Five_levels_are_walked_and_marked()
    {
        using var bench = new ProcessorBench(X64Format.FiveLevels);
        var high = new VirtualAddress(0x00ab_cdef_1234_5000);
        bench.Space.Map(high, bench.Page(99));
        Assert.Equal(99UL, bench.Read(high));
        Assert.True(bench.Store.Format.IsAccessed(bench.Space[high, Level.Pgd], Level.Pgd));
        Assert.Equal(4, bench.Processor.Snapshot().Count(t => !t.IsLeaf));
    }

    [Fact]
    public void A_slot_that_leads_out_of_ram_is_reported_with_its_place_and_leaves_the_processor_usable()
    {
        _bench.Space.Map(Here, _bench.Page(7));
        var slot = _bench.Space[Here, Level.Pmd];
        _bench.Space.Set(Here, Level.Pmd, _bench.Store.Format.MakeSlot(Level.Pmd, new PhysicalAddress(1UL << 40), Rights.All));
        var error = Assert.Throws<InvalidOperationException>(() => _bench.Processor.TryRead(Here, out byte _));
        Assert.Contains("PTE table at p0x10000000000", error.Message, StringComparison.Ordinal);

        _bench.Space.Set(Here, Level.Pmd, slot);
        _bench.Processor.InvalidatePcid();
        Assert.Equal(7UL, _bench.Read(Here));
    }

    [Fact]
    public void The_description_of_a_walk_names_every_entry_and_the_rights_together()
    {
        _bench.Space.Map(Here, _bench.Page(7), Rights.All);
        _bench.Space.SetRights(Here, Level.Pmd, Rights.Read);
        _bench.Read(Here);
        string[] lines = _bench.Processor.DescribeWalk(Here).Split(Environment.NewLine);
        Assert.Equal(8, lines.Length);
        Assert.StartsWith($"walk of {Here} from the root at {_bench.Space.RootAddress} (x86-64, 4 levels)", lines[0], StringComparison.Ordinal);
        Assert.Matches(@"^  PGD\[0\] 0x[0-9a-f]{16}: table at p0x[0-9a-f]+, All, accessed$", lines[1]);
        Assert.Matches(@"^  PMD\[418\] 0x[0-9a-f]{16}: table at p0x[0-9a-f]+, Read, accessed$", lines[3]);
        Assert.Matches(@"^  PTE\[359\] 0x[0-9a-f]{16}: leaf to p0x[0-9a-f]+, All, accessed$", lines[4]);
        Assert.Equal("  together: Read", lines[5]);
        Assert.Matches(@"^  TLB: PTE leaf to p0x[0-9a-f]+, Read$", lines[6]);
        Assert.Matches(@"^  upper cache: PMD entry to the table at p0x[0-9a-f]+, Read$", lines[7]);

        _bench.Space.Set(Here, Level.Pud, Entry.None);
        _bench.Processor.InvalidateAll();
        Assert.EndsWith("PUD[72] 0x0000000000000000: nothing", _bench.Processor.DescribeWalk(Here), StringComparison.Ordinal);
    }

    private void ClearAccessed(VirtualAddress address)
    {
        // Made anew without the mark: x86's bit 5.
        var leaf = _bench.Space[address, Level.Pte];
        _bench.Space.Set(address, Level.Pte, new Entry(leaf.Raw & ~(1UL << 5)));
    }
}
