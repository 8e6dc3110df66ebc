using Pando.Files;
using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

public class DaxTests
{
    private const ulong MiB = 1UL << 20;
    private static readonly MappingFacts Whole = new(0x7f0000000000, 0x7f0000000000 + (16 * MiB), 0, MappingRights.Read | MappingRights.Write | MappingRights.Shared, 1);

    private static DaxFacts File(params PhysicalExtent[] extents) => new(0, (long)(16 * MiB), "xfs", extents);

    private static Dictionary<SmallPageReason, long> Judge(MappingFacts mapping, DaxFacts dax, bool pmd = true) => new(DaxGranularity.Judge(mapping, dax, pmd));

    [Fact]
    public void An_aligned_extent_gives_2_MiB_leaves_everywhere() =>
        Assert.Equal(new() { [SmallPageReason.None] = 8 }, Judge(Whole, File(new PhysicalExtent(0, 64 * MiB, 16 * MiB, 0))));

    [Fact]
    public void An_extent_that_begins_between_multiples_of_2_MiB_gives_none() =>
        Assert.Equal(new() { [SmallPageReason.PhysicalNotAligned] = 8 }, Judge(Whole, File(new PhysicalExtent(0, (64 * MiB) + 4096, 16 * MiB, 0))));

    [Fact]
    public void A_partition_that_begins_at_1_MiB_spoils_an_aligned_extent() =>
        Assert.Equal(new() { [SmallPageReason.PhysicalNotAligned] = 8 }, Judge(Whole, File(new PhysicalExtent(0, 64 * MiB, 16 * MiB, 0)) with { DeviceStart = MiB }));

    [Fact]
    public void Each_window_has_its_own_reason() =>
        Assert.Equal(
            new() { [SmallPageReason.None] = 6, [SmallPageReason.Hole] = 1, [SmallPageReason.EndOfFile] = 1 },
            Judge(Whole, File(new PhysicalExtent(0, 64 * MiB, 5 * MiB, 0), new PhysicalExtent(14 * MiB, 128 * MiB, 2 * MiB, 0)) with { FileSize = (long)(15 * MiB) }));

    [Fact]
    public void A_window_that_lies_in_two_places_is_told_from_one_that_is_only_partly_written() =>
        Assert.Equal(
            new() { [SmallPageReason.None] = 6, [SmallPageReason.ExtentTooShort] = 1, [SmallPageReason.PartlyWritten] = 1 },
            Judge(Whole, File(
                new PhysicalExtent(0, 64 * MiB, 3 * MiB, 0),
                new PhysicalExtent(3 * MiB, 67 * MiB, 2 * MiB, PhysicalExtent.Unwritten),
                new PhysicalExtent(5 * MiB, 129 * MiB, 11 * MiB, 0))));

    [Fact]
    public void A_file_that_ends_in_the_last_page_of_a_window_fills_it()
    {
        var file = File(new PhysicalExtent(0, 64 * MiB, 16 * MiB, 0));
        Assert.Equal(new() { [SmallPageReason.None] = 8 }, Judge(Whole, file with { FileSize = (long)(16 * MiB) - 100 }));
        Assert.Equal(new() { [SmallPageReason.None] = 7, [SmallPageReason.EndOfFile] = 1 }, Judge(Whole, file with { FileSize = (long)(16 * MiB) - 4096 }));
    }

    [Fact]
    public void A_mapping_whose_address_and_offset_differ_modulo_2_MiB_gets_none() =>
        Assert.Equal(new() { [SmallPageReason.NotCongruent] = 8 }, Judge(Whole with { Offset = 4096 }, File(new PhysicalExtent(0, 64 * MiB, 32 * MiB, 0))));

    [Fact]
    public void Windows_at_the_ends_that_are_not_covered_stay_small() =>
        Assert.Equal(
            new() { [SmallPageReason.None] = 6, [SmallPageReason.MappingEdge] = 2 },
            Judge(Whole with { Start = Whole.Start + 4096, Offset = 4096, End = Whole.End - 4096 }, File(new PhysicalExtent(0, 64 * MiB, 16 * MiB, 0))));

    [Fact]
    public void Private_writable_mappings_and_kernels_without_it_get_none()
    {
        var file = File(new PhysicalExtent(0, 64 * MiB, 16 * MiB, 0));
        Assert.Equal(new() { [SmallPageReason.PrivateWrite] = 8 }, Judge(Whole with { Rights = MappingRights.Read | MappingRights.Write }, file));
        Assert.Equal(new() { [SmallPageReason.KernelWithoutPmd] = 8 }, Judge(Whole, file, pmd: false));
    }

    [Fact]
    public void Fiemap_of_a_real_file_covers_what_was_written_and_not_the_hole()
    {
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            using (var file = System.IO.File.Create(path))
            {
                file.Write(new byte[MiB]);
                file.Position = (long)(8 * MiB);
                file.Write(new byte[MiB]);
                file.Flush(flushToDisk: true);
            }

            var extents = FileFacts.TryExtents(path);
            if (extents is null)
            {
                Assert.Skip($"The file system of {Path.GetTempPath()} has no FIEMAP.");
            }

            Assert.Equal(2 * MiB, extents.Aggregate(0UL, (sum, e) => sum + e.Length));
            Assert.DoesNotContain(extents, e => e.Logical < 8 * MiB && e.Logical + e.Length > MiB);
        }
        finally
        {
            System.IO.File.Delete(path);
        }
    }

    [Fact]
    public void Structures_have_the_sizes_of_the_kernels() => KernelAbi.CheckLayouts();
}
