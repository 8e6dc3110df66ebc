using Pando.Cli.Run;
using Pando.Linux.Text;

namespace Pando.Cli.Tests;

public class WorldPlanTests
{
    private static readonly RunOptions Thread = new RunInput().Validate(16L << 30);

    [Fact]
    public void Unshared_ten_thousand_times_six_TiB_take_234_9_GiB_with_all_levels()
    {
        var plan = WorldPlan.For(Thread, ShareLevel.None);
        Assert.Equal(6144 + 12 + 1, plan.TablesPerProcess);
        Assert.Equal(0, plan.FileTables);
        Assert.Equal("234.9 GiB", ByteText.Precise(plan.BytesFor(10_000)));
        Assert.Equal(42, plan.ProcessesToBuild);
    }

    [Fact]
    public void Shared_at_1_GiB_a_process_has_its_root_and_twelve_tables()
    {
        var plan = WorldPlan.For(Thread, ShareLevel.OneGiB);
        Assert.Equal((13, 6144), (plan.TablesPerProcess, plan.FileTables));
        Assert.Equal(10_000, plan.ProcessesToBuild);
    }

    [Fact]
    public void Shared_at_512_GiB_a_process_has_its_root_alone()
    {
        var plan = WorldPlan.For(Thread, ShareLevel.HalfTiB);
        Assert.Equal((1, 6144 + 12), (plan.TablesPerProcess, plan.FileTables));
        Assert.True(plan.BytesFor(10_000) <= 64L << 20);
    }

    [Fact]
    public void Extrapolation_counts_the_file_once_and_every_process()
    {
        Assert.Equal(100 + (7 * 10_000L), WorldMeasure.Extrapolate(100, 7, 10_000));
        Assert.Equal(WorldPlan.For(Thread, ShareLevel.None).BytesFor(10_000), WorldMeasure.Extrapolate(0, 6157 * 4096L, 10_000));
    }
}
