using Pando.Census;

namespace Pando.Linux.Tests;

/// <summary>The census against counts worked out by hand, and against a count table by table.</summary>
public class CensusTests
{
    private const ulong MiB = 1UL << 20;
    private const ulong GiB = 1UL << 30;
    private const ulong TiB = 1UL << 40;

    private static CensusMapping Map(ulong start, ulong size, long offset = 0, int leaf = 0, int rights = 3, long file = 1, IReadOnlyList<CensusRun>? runs = null, bool shareable = true) =>
        new(start, start + size, file, offset, shareable, 0, rights, leaf, runs);

    private static TableCounts Count(SharingRule rule, params CensusSpace[] spaces) => TableCensus.Count(spaces, rule);

    [Fact]
    public void Ten_thousand_processes_of_the_thread_need_234_GiB_of_PMD_tables_and_24_MiB_when_shared()
    {
        var space = new CensusSpace([Map(TiB, 6 * TiB, leaf: 1)], 10_000);

        var alone = Count(SharingRule.None, space);
        var proposal = Count(SharingRule.LinuxPmd, space);
        var pando = Count(SharingRule.Pando(3), space);

        Assert.Equal(10_000L * 6144, alone.At(2));
        Assert.Equal(234.375, alone.At(2) * 4096.0 / GiB);
        Assert.Equal([0, 0, 6144, 0, 0], proposal.Shared);
        Assert.Equal([0, 0, 0, 120_000, 10_000], proposal.Private);
        Assert.Equal([0, 0, 6144, 12, 0], pando.Shared);
        Assert.Equal([0, 0, 0, 0, 10_000], pando.Private);
    }

    [Fact]
    public void A_GiB_of_4_KiB_pages_takes_512_PTE_tables_one_PMD_one_PUD_and_the_root()
    {
        var counts = Count(SharingRule.None, new CensusSpace([Map(GiB, GiB)]));

        Assert.Equal([0, 512, 1, 1, 1], counts.Private);
        Assert.Equal([0, 0, 0, 0, 0], counts.Shared);
        Assert.Equal(514, counts.BelowRoot);
    }

    [Fact]
    public void A_mapping_that_ends_inside_a_span_shares_with_those_that_end_there_too_and_with_no_other()
    {
        var a = new CensusSpace([Map(GiB, GiB + (512 * MiB))]);
        var b = new CensusSpace([Map(5 * GiB, GiB + (512 * MiB))]);
        var longer = new CensusSpace([Map(GiB, 2 * GiB)]);

        Assert.Equal([0, 768, 2, 1, 0], Count(SharingRule.Pando(3), a, a).Shared);
        Assert.Equal([0, 768, 2, 0, 0], Count(SharingRule.Pando(2), a, b).Shared);

        // The first GiB is one table for all; the second is another table for the shorter ones. The PTE tables
        // of the shared part are whole and the same.
        Assert.Equal([0, 1024, 3, 0, 0], Count(SharingRule.Pando(2), a, b, longer).Shared);
    }

    [Fact]
    public void A_foreign_mapping_in_the_span_makes_the_table_private_and_leaves_its_children_shared()
    {
        var clean = new CensusSpace([Map(GiB, GiB)]);
        var disturbed = new CensusSpace([Map(GiB, GiB), Map(2 * GiB, 4096, file: 0, shareable: false)]);

        var counts = Count(SharingRule.Pando(3), clean, disturbed);

        // PUD: clean has a shared one, disturbed a private one. PMD of GiB 1: the same table under both.
        Assert.Equal([0, 512, 1, 1, 0], counts.Shared);
        Assert.Equal([0, 1, 1, 1, 2], counts.Private);
    }

    [Fact]
    public void Rights_that_differ_in_the_middle_cost_one_table_for_each_level_and_not_the_GiB()
    {
        var whole = new CensusSpace([Map(GiB, GiB)], 9);
        var cut = new CensusSpace([Map(GiB, 512 * MiB), Map(GiB + (512 * MiB), 2 * MiB, (long)(512 * MiB), rights: 1), Map(GiB + (514 * MiB), 510 * MiB, (long)(514 * MiB))]);

        var pando = Count(SharingRule.Pando(2), whole, cut);
        var linux = Count(SharingRule.LinuxPmd, whole, cut);

        Assert.Equal([0, 512, 1, 0, 0], pando.Shared);
        Assert.Equal([0, 0, 1, 10, 10], pando.Private);
        Assert.Equal([0, 512, 1, 0, 0], linux.Shared);
        Assert.Equal([0, 512, 1, 10, 10], linux.Private);
    }

    [Fact]
    public void Linux_shares_whole_aligned_GiBs_only()
    {
        var space = new CensusSpace([Map(GiB + (2 * MiB), 2 * GiB, leaf: 1)], 4);

        var counts = Count(SharingRule.LinuxPmd, space);

        Assert.Equal([0, 0, 1, 0, 0], counts.Shared);
        Assert.Equal([0, 0, 8, 4, 4], counts.Private);
    }

    [Fact]
    public void Mappings_that_differ_by_2_MiB_share_PTE_tables_and_no_PMD_table()
    {
        var spaces = Enumerable.Range(0, 4).Select(i => new CensusSpace([Map((4 * GiB) + ((ulong)i * 2 * MiB), 2 * GiB)])).ToArray();

        Assert.Equal([0, 1024, 0, 0, 0], Count(SharingRule.PteTables, spaces).Shared);
        Assert.Equal(0, Count(SharingRule.LinuxPmd, spaces).SharedBelowRoot - Count(SharingRule.LinuxPmd, spaces).Shared[1] - Count(SharingRule.LinuxPmd, spaces).Shared[2]);
    }

    [Fact]
    public void Only_populated_windows_have_tables_and_sharers_add_up()
    {
        CensusSpace With(ulong first, ulong last) => new([Map(GiB, GiB, runs: [new CensusRun(GiB + (first * 2 * MiB), GiB + (last * 2 * MiB), 0)])]);

        var counts = Count(SharingRule.Pando(3), With(0, 10), With(5, 20), With(500, 501));

        Assert.Equal([0, 21, 1, 1, 0], counts.Shared);
    }

    [Fact]
    public void Overlapping_mappings_are_refused_with_their_address()
    {
        var e = Assert.Throws<ArgumentException>(() => Count(SharingRule.None, new CensusSpace([Map(GiB, GiB), Map(GiB, 4096)])));
        Assert.Contains("0x40000000", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_layouts_count_as_a_walk_over_every_table_does()
    {
        var random = new Random(20190222);
        SharingRule[] rules = [SharingRule.None, SharingRule.LinuxPmd, SharingRule.PteTables, SharingRule.Pando(1), SharingRule.Pando(2), SharingRule.Pando(3)];
        for (var round = 0; round < 3000; round++)
        {
            var spaces = Enumerable.Range(0, random.Next(1, 5)).Select(_ => RandomSpace(random)).ToArray();
            foreach (var rule in rules)
            {
                var expected = NaiveCensus.Count(spaces, rule);
                var actual = TableCensus.Count(spaces, rule);
                Assert.True(expected.Private.SequenceEqual(actual.Private) && expected.Shared.SequenceEqual(actual.Shared),
                    $"round {round}, {rule}: walked {string.Join(',', expected.Private)} + {string.Join(',', expected.Shared)}, counted {string.Join(',', actual.Private)} + {string.Join(',', actual.Shared)}");
            }
        }
    }

    private static CensusSpace RandomSpace(Random random)
    {
        var mappings = new List<CensusMapping>();
        var address = (ulong)random.Next(0, 4) * 256 * MiB;
        for (var i = random.Next(1, 5); i > 0; i--)
        {
            address += (ulong)(random.Next(3) switch { 0 => 0, 1 => random.Next(0, 600) * 2, _ => random.Next(0, 64) * 64 }) * MiB;
            var size = (ulong)random.Next(1, 700) * 2 * MiB;
            var offset = random.Next(2) == 0 ? (long)(address & (GiB - 1)) : random.Next(0, 100) * (long)(2 * MiB);
            var runs = random.Next(3) == 0 ? null : RandomRuns(random, address, size);
            mappings.Add(new CensusMapping(address, address + size, random.Next(1, 3), offset, random.Next(5) > 0, random.Next(6) == 0 ? 1 : 0, random.Next(4) == 0 ? 1 : 3, random.Next(2), runs));
            address += size;
        }

        return new CensusSpace(mappings, random.Next(1, 4));
    }

    private static List<CensusRun> RandomRuns(Random random, ulong start, ulong size)
    {
        var runs = new List<CensusRun>();
        var at = 0UL;
        while (true)
        {
            at += (ulong)random.Next(0, 300) * 2 * MiB;
            var length = (ulong)random.Next(1, 200) * 2 * MiB;
            if (at + length > size)
            {
                return runs;
            }

            runs.Add(new CensusRun(start + at, start + at + length, random.Next(2)));
            at += length;
        }
    }
}
