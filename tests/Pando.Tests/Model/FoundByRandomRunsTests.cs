using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>Runs that once failed, as the shrinker left them.</summary>
public class FoundByRandomRunsTests
{
    [Fact]
    public void A_4_KiB_fault_in_a_file_that_could_have_large_pages_fills_a_leaf() => Replay.Run(
        new WorldOptions(5, SharingLevels.UpTo512GiB, true),
        new Create(1),
        new MapAt(1, 1, 0x0, 0x8000, Rights.ReadWrite, true, MapPlacement.Fixed, 0x208000000000, PopulateKind.None),
        new TouchAt(1, 0x208000005100, AccessKind.Write, 142));

    [Fact]
    public void A_private_mapping_with_the_write_right_alone_can_be_read() => Replay.Run(
        new WorldOptions(5, SharingLevels.UpTo512GiB, true),
        new Create(0),
        new MapAt(0, 2, 0x206000, 0x40000000, Rights.Write, false, MapPlacement.Fixed, 0x200080206000, PopulateKind.None),
        new TouchAt(0, 0x200080400100, AccessKind.Read, 74));

    [Fact]
    public void A_hint_is_rounded_down_to_a_page() => Replay.Run(
        new WorldOptions(4, SharingLevels.Pmd, true),
        new Create(1),
        new MapAt(1, 3, 0x3ff000, 0x40000000, Rights.All, true, MapPlacement.Anywhere, 0x2000003ff0ee, PopulateKind.None));

    [Fact]
    public void A_space_that_diverges_attaches_only_at_the_levels_that_are_to_be_shared() => Replay.Run(
        new WorldOptions(4, SharingLevels.Pmd, true),
        new Create(1),
        new MapAt(1, 1, 0x1e2000, 0x80000000, Rights.Read | Rights.Execute, true, MapPlacement.Anywhere, 0x210000000000, PopulateKind.None),
        new TouchAt(1, 0x21000020e900, AccessKind.Read, 169),
        new MapAt(1, 3, 0xae6000, 0x5000, Rights.ReadWrite, true, MapPlacement.Fixed, 0x210000100000, PopulateKind.None));

    [Fact]
    public void Storage_for_one_page_of_a_hole_leaves_the_pages_beside_it_populated() => Replay.Run(
        new WorldOptions(4, SharingLevels.All, true),
        new Create(0),
        new Create(2),
        new MapAt(0, 2, 0x0, 0x40200000, Rights.ReadWrite, true, MapPlacement.Anywhere, 0x208000000c51, PopulateKind.None),
        new MapAt(2, 2, 0x5b9000, 0xc0000000, Rights.ReadWrite, true, MapPlacement.Fixed, 0x200000006000, PopulateKind.None),
        new TouchAt(0, 0x208000005900, AccessKind.Write, 1),
        new TouchAt(0, 0x208000200f00, AccessKind.Write, 138),
        new PopulateAt(2, 0x200000007000, 0x8000, AccessKind.Write));

    [Fact]
    public void A_page_that_only_one_file_has_left_is_stored_to_and_the_pages_beside_it_stay_populated() => Replay.Run(
        new WorldOptions(5, SharingLevels.Pte, true),
        new Clone(0, 0x3000, 0, 0x427000, 0x2fa000),
        new Resize(0, 0x504464),
        new Create(2),
        new MapAt(2, 0, 0x0, 0x40200000, Rights.ReadWrite, true, MapPlacement.Fixed, 0x200000610000, PopulateKind.None),
        new MigrateAt(0x766000, 0xb4000),
        new PopulateAt(2, 0x200000610000, 0x11000, AccessKind.Write));
}
