#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>Files' tables: made, attached, left, reclaimed, at once.</summary>
public class TableRaces
{
    [Fact]
    public void Hazard_02_an_attach_beside_exit_and_reclaim_finds_a_live_table_or_makes_one() =>
        Explorer.Explore(AttachBesideExitAndReclaim);

    [Fact]
    public void Hazard_04_two_first_faults_make_one_table() => Explorer.Explore(TwoFirstFaults);

    private static Scenario AttachBesideExitAndReclaim()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (leaving, coming) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.Read)));
        Resolves(leaving, 0, AccessKind.Write);
        return world.Race(
            () => Assert.Equal(file.Locate(0), world.Tables.Translate(coming, At, AccessKind.Read)),
            leaving.Exit,
            () => world.Machine.Reclaim(),
            () => Resolves(coming, 0, AccessKind.Read));
    }

    private static Scenario TwoFirstFaults()
    {
        var world = new RaceWorld();
        var file = world.DaxFile();
        var (one, two) = (world.Space(MapRequest.SharedFile(file, Rights.Read)), world.Space(MapRequest.SharedFile(file, Rights.Read)));
        return world.Race(
            () => Assert.Equal(1, file.Tables.TablesAt(Level.Pte)),
            () => Resolves(one, 0, AccessKind.Read),
            () => Resolves(two, 0, AccessKind.Read));
    }
}
#endif
