using System.Diagnostics;
using Pando.Tables;

namespace Pando.Cli.Run;

/// <summary>Counts and measures a world that stands.</summary>
internal static class WorldMeasure
{
    // Exits that are timed; few, so that the world stays what it was.
    private const int Exits = 9;

    /// <summary>Builds a world, measures it, proves it right.</summary>
    public static WorldReport BuildAndProve(WorldPlan plan, PmemFile? pmem, IRunProgress progress, CancellationToken cancellation)
    {
        using var world = World.Create(plan, pmem?.Path);
        world.Build(progress, cancellation);
        var levels = CountLevels(world, out bool same);
        long leafFaults = world.Machine.Count(TableEvent.LeafPopulated);
        long attaches = world.Machine.Count(TableEvent.Attached);
        long resident = MemoryUse.Resident;
        long peak = MemoryUse.ResidentPeak;
        var program = ProgramRun.Run(world, pmem, progress, cancellation);
        var proof = WorldProof.Prove(world, pmem, progress, cancellation);
        cancellation.ThrowIfCancellationRequested();
        return new WorldReport(
            plan.Share.Name,
            world.Spaces.Length,
            world.Spaces.Length < plan.Options.Processes,
            same,
            levels,
            levels.Sum(level => level.PerProcess),
            levels.Sum(level => level.File),
            levels.Sum(level => level.Total),
            levels.Sum(level => level.TotalOfAll),
            leafFaults,
            attaches,
            world.Times.First.TotalSeconds,
            world.Times.Build.TotalSeconds,
            world.Times.MicrosecondsPerProcess(world.Spaces.Length - 1),
            world.Times.NanosecondsPerAttach(world.Spaces.Length - 1),
            TimeExit(world)?.TotalMicroseconds,
            resident,
            peak,
            proof,
            program);
    }

    /// <summary>What all processes come to, if each costs as much as those that were built.</summary>
    public static long Extrapolate(long file, long perProcess, long processes) => file + (perProcess * processes);

    private static List<LevelBytes> CountLevels(World world, out bool same)
    {
        var totals = world.Machine.Tables();
        var first = world.Spaces[0];
        var result = new List<LevelBytes>();
        same = true;
        for (int level = world.Machine.Format.Geometry.Levels; level >= world.Plan.Options.LeafLevel; level--)
        {
            int tables = first.TablesAt(level);
            same &= Array.TrueForAll(world.Spaces, space => space.TablesAt(level) == tables);
            long perProcess = (long)tables * world.Plan.Options.Format.Geometry.PageSize;
            long file = totals.Files[level] * world.Plan.Options.Format.Geometry.PageSize;
            result.Add(new LevelBytes(
                world.Plan.Options.Format.Geometry.NameOf(level), perProcess, file, totals.At(level) * world.Plan.Options.Format.Geometry.PageSize, Extrapolate(file, perProcess, world.Plan.Options.Processes)));
        }

        return result;
    }

    private static TimeSpan? TimeExit(World world)
    {
        var times = new List<TimeSpan>();
        for (int i = world.Spaces.Length - 1; i > 0 && times.Count < Exits; i--)
        {
            long begin = Stopwatch.GetTimestamp();
            world.Spaces[i].Exit();
            times.Add(Stopwatch.GetElapsedTime(begin));
        }

        times.Sort();
        return times.Count == 0 ? null : times[times.Count / 2];
    }
}
