namespace Pando.Cli.Run;

/// <summary>The whole of `pando run`: world after world, one at a time.</summary>
internal static class RunWork
{
    /// <summary>Builds, measures and proves every world that was asked for.</summary>
    /// <exception cref="InputException">The file given as --pmem cannot be used.</exception>
    /// <exception cref="OperationCanceledException">It was called off; nothing is left behind.</exception>
    public static RunReport Run(RunOptions options, IRunProgress progress, CancellationToken cancellation)
    {
        using var pmem = options.PmemPath is null ? null : PmemFile.Open(options.PmemPath, options.Memory);
        var worlds = new List<WorldReport>();
        progress.During(() =>
        {
            foreach (var share in options.Shares)
            {
                worlds.Add(WorldMeasure.BuildAndProve(WorldPlan.For(options, share), pmem, progress, cancellation));
            }
        });
        pmem?.Keep();
        return new RunReport(
            RunReport.CurrentVersion,
            options.Memory,
            options.Processes,
            options.PageSize,
            options.Format.Geometry.Levels,
            options.Threads,
            options.Budget,
            options.PmemPath,
            [.. options.LeftOut.Select(share => share.Name)],
            worlds,
            worlds.TrueForAll(world => world.Passed));
    }
}
