using Pando.Cli.Run;

namespace Pando.Cli.Tests;

public class RunWorkTests
{
    public static TheoryData<string, string, string, string> SmallWorlds
    {
        get
        {
            var worlds = new TheoryData<string, string, string, string>();
            foreach (string share in (string[])["none", "2MiB", "1GiB", "512GiB"])
            {
                worlds.Add("3GiB", "2MiB", share, "4");
                worlds.Add("1028MiB", "2MiB", share, "5");
                worlds.Add("65MiB", "4KiB", share, "4");
                worlds.Add("4KiB", "4KiB", share, "5");
            }

            worlds.Add("700GiB", "2MiB", "512GiB", "4");
            worlds.Add("120TiB", "2MiB", "512GiB", "4");
            return worlds;
        }
    }

    [Theory]
    [MemberData(nameof(SmallWorlds))]
    public void A_small_world_is_built_as_planned_and_proved_right(string memory, string page, string share, string levels)
    {
        var options = new RunInput { Memory = memory, Page = page, Share = [share], Levels = levels, Processes = "7" }.Validate(MemoryUse.Available);
        var report = RunWork.Run(options, new LineProgress(TextWriter.Null), TestContext.Current.CancellationToken);

        var world = Assert.Single(report.Worlds);
        var plan = WorldPlan.For(options, options.Shares[0]);
        Assert.True(report.Passed, world.Proof.FirstWrong ?? string.Join(Environment.NewLine, world.Proof.Violations));
        Assert.Equal(plan.TablesPerProcess * 4096, world.PerProcessBytes);
        Assert.Equal(plan.FileTables * 4096, world.FileBytes);
        Assert.Equal(plan.BytesFor(7), world.TotalBytes);
        Assert.Equal(world.TotalBytes, world.TotalBytesOfAll);
        Assert.False(world.Extrapolated);
        Assert.Equal(options.Memory / options.PageSize * (plan.LeavesAreShared ? 1 : 7), world.LeafFaults);
        Assert.Equal(0, world.Proof.LoadFaults);
        Assert.Equal(0, world.Proof.StoreFaults);
        Assert.Equal(world.Proof.Stores * 3, world.Proof.Loads);
    }

    [Fact]
    public void Of_a_world_that_exceeds_the_budget_as_much_is_built_as_fits()
    {
        var options = new RunInput { Memory = "16GiB", Processes = "1000", Share = ["none"], Budget = "1MiB" }.Validate(MemoryUse.Available);
        var world = RunWork.Run(options, new LineProgress(TextWriter.Null), TestContext.Current.CancellationToken).Worlds[0];

        // 16 PMD tables, a PUD table and the root: 72 KiB.
        Assert.Equal(14, world.ProcessesBuilt);
        Assert.True(world.Extrapolated && world.AllCostTheSame && world.Passed);
        Assert.Equal(14 * 72 * 1024, world.TotalBytes);
        Assert.Equal(1000 * 72 * 1024, world.TotalBytesOfAll);
    }

    [Fact]
    public void What_was_stored_is_in_the_file_afterwards()
    {
        using var directory = new TemporaryDirectory();
        var options = new RunInput { Memory = "3GiB", Processes = "5", Pmem = directory["pmem.img"] }.Validate(MemoryUse.Available);
        var report = RunWork.Run(options, new LineProgress(TextWriter.Null), TestContext.Current.CancellationToken);

        Assert.True(report.Passed);
        Assert.All(report.Worlds, world => Assert.Equal(1024, world.Proof.BytesInFile));
        using var file = File.OpenRead(directory["pmem.img"]);
        Assert.Equal(3L << 30, file.Length);

        // The first word of all, and the last of all, are among what is stored.
        byte[] word = new byte[8];
        file.ReadExactly(word);
        Assert.Contains(word, value => value != 0);
        file.Position = file.Length - 8;
        file.ReadExactly(word);
        Assert.Contains(word, value => value != 0);
    }

    [Fact]
    public void A_run_that_is_called_off_removes_the_file_that_it_has_made()
    {
        using var directory = new TemporaryDirectory();
        using var cancel = new CancellationTokenSource();
        var options = new RunInput { Memory = "3GiB", Processes = "5", Pmem = directory["pmem.img"] }.Validate(MemoryUse.Available);
        cancel.Cancel();
        Assert.Throws<OperationCanceledException>(() => RunWork.Run(options, new LineProgress(TextWriter.Null), cancel.Token));
        Assert.Empty(directory.Names);
    }
}
