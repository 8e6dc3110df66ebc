using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Cases;

/// <summary>
/// Where the engine was found to differ from Linux 6.18 by random runs, each as it was shrunk. All were mended in the engine.
/// </summary>
public class FoundByRandomRunsTests
{
    private const ulong At = LockstepWorld.Arena;

    private static readonly LockstepOptions Private = new(SharingLevels.None, HugePages: false);

    [Fact]
    public void Shrinking_in_place_wants_only_the_first_address_mapped() => Replay.Run(
        Private,
        new MapAt(0, 0, 0x4000, 0x6000, Rights.None, false, MapPlacement.Fixed, 0x108000001000, PopulateKind.None),
        new RemapAt(0, 0x108000002000, 0x5000, 0x5000, (RemapFlags)7, 0x100000002000),
        new ForkTo(0, 1),
        new RemapAt(1, 0x100000004000, 0x4000, 0x3000, RemapFlags.None, 0x0));

    [Fact]
    public void Several_areas_move_to_a_given_address_with_the_gaps_between_them() => Replay.Run(
        Private,
        new MapAt(0, 1, 0x10e000, 0x400000, Rights.ReadWrite, false, MapPlacement.Fixed, At + 0x23f000, PopulateKind.None),
        new UnmapAt(0, At + 0x4fd000, 0x3000),
        new RemapAt(0, At + 0x23f000, 0x400000, 0x400000, (RemapFlags)3, 0x108000240000));

    [Fact]
    public void A_second_mapping_cannot_be_made_onto_the_first() => Replay.Run(
        Private,
        new MapAt(0, 1, 0x0, 0x1f000, Rights.Read | Rights.Execute, true, MapPlacement.Fixed, At + 0x3000, PopulateKind.Read),
        new RemapAt(0, At + 0x3000, 0x0, 0x4000, (RemapFlags)3, At + 0x3000));

    [Fact]
    public void A_seal_at_the_target_is_refused_before_that() => Replay.Run(
        Private,
        new MapAt(0, 1, 0xa000, 0x3000, Rights.ReadWrite, true, MapPlacement.Fixed, At + 0x6000, PopulateKind.None),
        new SealAt(0, At + 0x8000, 0x1000),
        new RemapAt(0, At + 0x7000, 0x0, 0x4000, (RemapFlags)3, At + 0x7000));

    [Fact]
    public void What_DONTUNMAP_leaves_behind_is_joined_to_nothing() => Replay.Run(
        Private,
        new MapAt(0, 1, 0x7000, 0x200000, Rights.Read | Rights.Execute, true, MapPlacement.Anywhere, 0x0, PopulateKind.Read),
        new LockAt(0, 0x7ffff7eac064, 0x4000, true, false),
        new RemapAt(0, 0x7ffff7eac000, 0x5000, 0x5000, (RemapFlags)5, 0x108000001000),
        new LockAllOf(0, false, false, false));

    [Fact]
    public void What_DONTUNMAP_moves_stays_locked_beside_what_it_leaves_behind() => Replay.Run(
        Private,
        new MapAt(0, -1, 0x0, 0x2000, Rights.ReadWrite, false, MapPlacement.FixedNoReplace, 0x10003ffff000, PopulateKind.None),
        new LockAllOf(0, true, false, false),
        new RemapAt(0, 0x10003ffff000, 0x1000, 0x1000, (RemapFlags)5, 0x1000401ff000),
        new RemapAt(0, 0x1000401ff000, 0x1000, 0x1000, (RemapFlags)7, 0x100040200000));

    [Fact]
    public void The_first_area_that_an_advice_does_not_fit_decides_before_a_hole() => Replay.Run(
        Private,
        new MapAt(0, 0, 0x4000, 0x6000, Rights.None, false, MapPlacement.Fixed, At + 0x2000, PopulateKind.None),
        new AdviseAt(0, At - 0x2000, 0x400000, Advice.Remove));

    [Fact]
    public void Shared_memory_passes_the_advice_to_merge_over() => Replay.Run(
        Private,
        new MapAt(0, 0, 0x0, 0x5000, Rights.ReadWrite, true, MapPlacement.Fixed, 0x108000203000, PopulateKind.None),
        new AdviseAt(0, 0x108000203000, 0x3000, Advice.Mergeable));

    [Fact]
    public void Reading_ahead_wants_the_right_to_read() => Replay.Run(
        Private,
        new MapAt(0, -1, 0x0, 0x2000, Rights.ReadWrite, true, MapPlacement.FixedNoReplace, 0x108000201000, PopulateKind.Read),
        new ProtectAt(0, 0x108000201000, 0x2000, Rights.Execute),
        new AdviseAt(0, 0x108000201000, 0x2000, Advice.PopulateRead));

    [Fact]
    public void A_table_that_DONTNEED_empties_goes_with_its_pages() => Replay.Run(
        Private,
        new MapAt(0, 0, 0x5000, 0x400000, Rights.Read, false, MapPlacement.Fixed, 0x100040001000, PopulateKind.Read),
        new AdviseAt(0, 0x100040200000, 0x400000, Advice.DontNeed));

    [Fact]
    public void A_sealed_private_file_mapping_may_be_left_out_of_a_fork() => Replay.Run(
        Private,
        new MapAt(0, 0, 0x0, 0x9000, Rights.Read | Rights.Execute, false, MapPlacement.Fixed, At, PopulateKind.None),
        new SealAt(0, At + 0x3000, 0x1000),
        new AdviseAt(0, At, 0x9000, Advice.DontFork));

    [Fact]
    public void Removing_sealed_read_only_memory_is_not_permitted() => Replay.Run(
        Private,
        new MapAt(0, -1, 0x0, 0x1e000, Rights.Read, false, MapPlacement.Fixed, At + 0x205000, PopulateKind.None),
        new SealAt(0, At + 0x20e000, 0x2000),
        new AdviseAt(0, At + 0x20e000, 0xb000, Advice.Remove));

    [Fact]
    public void A_place_that_is_taken_is_told_before_a_right_that_the_file_does_not_have() => Replay.Run(
        Private,
        new MapAt(0, 1, 0x0, 0x4000, Rights.Read, true, MapPlacement.Fixed, 0x108000200000, PopulateKind.None),
        new MapAt(0, 3, 0x2000, 0xd000, Rights.ReadWrite, true, MapPlacement.FixedNoReplace, 0x108000200000, PopulateKind.None));

    [Fact]
    public void A_copy_of_what_lies_past_the_end_needs_no_table() => Replay.Run(
        Private,
        new MapAt(0, 1, 0x21e000, 0x400000, Rights.ReadWrite, false, MapPlacement.Fixed, At, PopulateKind.Read));

    [Fact]
    public void Memory_that_is_locked_on_fault_is_not_populated() => Replay.Run(
        Private,
        new LockAllOf(0, false, true, true),
        new MapAt(0, -1, 0x0, 0x5000, Rights.ReadWrite, true, MapPlacement.Fixed, At + 0x1fe000, PopulateKind.Read));

    [Fact]
    public void Locked_private_memory_gets_its_copies_when_it_becomes_writable() => Replay.Run(
        Private,
        new LockAllOf(0, true, true, false),
        new MapAt(0, -1, 0x0, 0x200000, Rights.None, false, MapPlacement.Fixed, At, PopulateKind.None),
        new ProtectAt(0, At, 0x202000, Rights.ReadWrite));

    [Fact]
    public void A_lock_is_told_before_a_hole_where_pages_shall_be_invalidated() => Replay.Run(
        Private,
        new MapAt(0, -1, 0x0, 0x6000, Rights.ReadWrite, true, MapPlacement.Fixed, At, PopulateKind.None),
        new LockAt(0, At, 0x5000, true, true),
        new SyncAt(0, At, 0x12000, true));

    [Fact]
    public void Truncating_to_the_same_size_clears_what_was_stored_past_the_end() => Replay.Run(
        Private,
        new MapAt(0, 0, 0x600000, 0x17000, Rights.ReadWrite, true, MapPlacement.Fixed, At + 0x8000, PopulateKind.None),
        new TouchAt(0, At + 0x83e8, AccessKind.Write, 249),
        new ForkTo(0, 2),
        new Resize(0, 0x600064),
        new TouchAt(2, At + 0x83e8, AccessKind.Read, 42));

    [Fact]
    public void A_move_that_shrinks_leaves_no_table_that_only_its_tail_and_the_target_had() => Replay.Run(
        Private,
        new MapAt(0, -1, 0x0, 0x400000, Rights.Read | Rights.Execute, true, MapPlacement.Fixed, At + 0x3fe000, PopulateKind.None),
        new MapAt(0, 1, 0x6000, 0x4000, Rights.ReadWrite, true, MapPlacement.Fixed, At + 0x7fe000, PopulateKind.None),
        new TouchAt(0, At + 0x7ff000, AccessKind.Read, 201),
        new RemapAt(0, At + 0x3ff000, 0x3ff000, 0x2000, (RemapFlags)3, At + 0x7fe000));

    [Fact]
    public void A_child_may_get_tables_without_entries() => Replay.Run(
        Private,
        new MapAt(0, 0, 0x4000, 0x2000, Rights.ReadWrite, false, MapPlacement.FixedNoReplace, 0x10003fe04000, PopulateKind.None),
        new TouchAt(0, 0x10003fe053e8, AccessKind.Write, 228),
        new AdviseAt(0, 0x10003fe01000, 0x20000, Advice.DontNeed),
        new ForkTo(0, 2));
}
