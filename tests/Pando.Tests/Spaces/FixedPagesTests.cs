using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>What mappings of files with fixed pages (hugetlbfs) do otherwise than all others, as the running kernel has shown.</summary>
public sealed class FixedPagesTests
{
    [Fact]
    public void Areas_that_map_on_in_the_same_way_stay_apart()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        var request = MapRequest.SharedFile(bench.HugeFile(8 * Mebi), Rights.ReadWrite) with { Length = 4 * Mebi };
        process.Map(request);
        process.Map(request with { Offset = 4 * Mebi }, At + (4 * Mebi));
        Assert.Equal([(0, 1024, Rights.ReadWrite), (1024, 1024, Rights.ReadWrite)], process.Pages);
        bench.Does(process.Space.Protect(At, 2 * Mebi, Rights.Read));
        bench.Does(process.Space.Protect(At, 2 * Mebi, Rights.ReadWrite));
        Assert.Equal([(0, 512, Rights.ReadWrite), (512, 512, Rights.ReadWrite), (1024, 1024, Rights.ReadWrite)], process.Pages);
    }

    [Fact]
    public void A_mapping_that_may_be_stored_to_makes_the_file_as_long_as_it_reaches()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        var huge = bench.HugeFile(4 * Mebi);
        process.Map(MapRequest.SharedFile(huge, Rights.Read) with { Length = 2 * Mebi, Offset = 6 * Mebi });
        Assert.Equal(4 * Mebi, huge.Size);
        process.Map(MapRequest.SharedFile(huge, Rights.ReadWrite) with { Length = 2 * Mebi, Offset = 6 * Mebi }, At + Gibi);
        Assert.Equal(8 * Mebi, huge.Size);
        process.Map(MapRequest.SharedFile(huge, Rights.ReadWrite) with { Length = 2 * Mebi }, At + (2 * Gibi));
        Assert.Equal(8 * Mebi, huge.Size);
        process.Store(At + Gibi, 1);
        Assert.Equal(1, process.Load(At));
        bench.Sound();
    }

    [Fact]
    public void Of_a_page_no_part_is_dropped()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(bench.HugeFile(4 * Mebi), Rights.ReadWrite));
        process.Store(At, 1);
        bench.Fails(Errno.None, () => process.Space.Advise(At, Page, Advice.DontNeed));
        bench.Fails(Errno.EINVAL, () => process.Space.Advise(At + Page, 4 * Mebi - Page, Advice.DontNeed));
        bench.Does(process.Space.Advise(At, 2 * Mebi + Page, Advice.DontNeed));
        Assert.Equal(1, process.Load(At));
    }

    [Fact]
    public void Nothing_stays_behind_a_move()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(bench.HugeFile(4 * Mebi), Rights.ReadWrite));
        bench.Fails(Errno.EINVAL, () => process.Space.Remap(At, 4 * Mebi, 4 * Mebi, RemapFlags.MayMove | RemapFlags.DontUnmap));
        bench.Fails(Errno.EINVAL, () => process.Space.Remap(At, 4 * Mebi, 4 * Mebi, RemapFlags.MayMove | RemapFlags.DontUnmap | RemapFlags.Fixed, At + Gibi));
        Assert.Equal([(0, 1024, Rights.ReadWrite)], process.Pages);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_mapping_made_after_mlockall_has_its_pages_and_is_not_locked(bool onFault)
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        bench.Does(process.Space.LockAll(current: false, future: true, onFault));
        process.Map(MapRequest.SharedFile(bench.HugeFile(4 * Mebi), Rights.ReadWrite));
        Assert.Equal([AreaFlags.Shared], process.Space.Areas.Select(area => area.Flags));
        bool[] resident = new bool[1024];
        Assert.Equal(Errno.None, process.Space.Resident(At, resident));
        Assert.DoesNotContain(false, resident);
        bench.Sound();
    }
}
