using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Cases;

/// <summary>The same with a file of huge pages: the order of errors, and what Linux has done by the time that it refuses.</summary>
public class FoundWithHugePagesTests(HugePages pages) : IClassFixture<HugePages>
{
    private const ulong At = LockstepWorld.Arena;
    private const int Huge = 4;

    [Fact]
    public void A_page_that_is_cut_is_told_before_a_seal_behind_it() => Run(
        new MapAt(0, Huge, 0x0, 0x400000, Rights.ReadWrite, true, MapPlacement.Fixed, At + 0x200000, PopulateKind.None),
        new MapAt(0, -1, 0x0, 0x1000, Rights.ReadWrite, true, MapPlacement.Fixed, At + 0x600000, PopulateKind.None),
        new SealAt(0, At + 0x600000, 0x1000),
        new MapAt(0, 0, 0x0, 0x200000, Rights.ReadWrite, false, MapPlacement.Fixed, At + 0x401000, PopulateKind.Read));

    [Fact]
    public void A_place_that_is_taken_is_told_before_an_offset_inside_of_a_page() => Run(
        new MapAt(0, Huge, 0x0, 0x3000, Rights.ReadWrite, true, MapPlacement.Fixed, 0x108000000000, PopulateKind.None),
        new MapAt(0, Huge, 0x37e000, 0x400000, Rights.Read | Rights.Execute, true, MapPlacement.FixedNoReplace, 0x108000000000, PopulateKind.None));

    [Fact]
    public void An_address_inside_of_a_page_is_told_before_the_end_of_user_addresses() => Run(
        new MapAt(0, Huge, 0x0, 0x4000, Rights.Read, true, MapPlacement.Fixed, 0x7ffffffff000, PopulateKind.None));

    [Fact]
    public void An_offset_inside_of_a_page_is_refused_when_the_target_is_gone() => Run(
        new MapAt(0, -1, 0x0, 0x1000, Rights.ReadWrite, true, MapPlacement.FixedNoReplace, At, PopulateKind.None),
        new MapAt(0, Huge, 0x9000, 0x200000, Rights.ReadWrite, true, MapPlacement.Fixed, At, PopulateKind.None));

    [Fact]
    public void A_tail_that_ends_inside_of_a_page_is_refused_when_the_target_is_gone() => Run(
        new MapAt(0, -1, 0x0, 0x6000, Rights.ReadWrite, false, MapPlacement.Fixed, 0x10003fff9000, PopulateKind.None),
        new MapAt(0, Huge, 0x0, 0x5000, Rights.ReadWrite, true, MapPlacement.FixedNoReplace, 0x100040000000, PopulateKind.None),
        new RemapAt(0, 0x10003fffc000, 0xd000, 0x1000, (RemapFlags)3, 0x10003fffa000));

    [Fact]
    public void A_seal_up_to_inside_of_a_page_is_refused_when_what_lies_before_is_sealed() => Run(
        new MapAt(0, 2, 0x0, 0x200000, Rights.Read, false, MapPlacement.Fixed, At + 0x400000, PopulateKind.None),
        new MapAt(0, Huge, 0x0, 0x400000, Rights.ReadWrite, true, MapPlacement.Fixed, At + 0x600000, PopulateKind.None),
        new SealAt(0, At + 0x5ff000, 0x2000));

    private void Run(params IReadOnlyList<Operation> operations)
    {
        pages.Require();
        Replay.Run(new LockstepOptions(SharingLevels.None, HugePages: true), operations);
    }
}
