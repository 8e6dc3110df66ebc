using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.UserFaults;

/// <summary>Every integer argument of userfaultfd's calls at its edges: each address with each length, both sides in step.</summary>
public class UserFaultEdgeTests(ITestOutputHelper output)
{
    private const ulong Arena = LockstepWorld.Arena;
    private const long Page = 4096;
    private const long MostCopied = 1 << 20;

    private static ulong UserEnd => KernelFeatures.Running.Format.Geometry.UserEnd.Value;

    private static ulong[] Addresses =>
    [
        0, 1, Page - 1, Page, 0xf000, 0x10000, Arena - Page, Arena - 1, Arena, Arena + 1, Arena + (3 * Page), Arena + (4 * Page), Arena + (6 * Page), Arena + (8 * Page),
        UserEnd - (2 * Page), UserEnd - Page, UserEnd - 1, UserEnd, UserEnd + 1, UserEnd + Page, 1UL << 56, 1UL << 62,
        long.MaxValue - Page + 1, long.MaxValue, 1UL << 63, 0xffff800000000000, unchecked(0UL - Arena), ulong.MaxValue - Page + 1, ulong.MaxValue,
    ];

    // As size_t: the negative ones are those from 2^63 on.
    private static long[] Lengths =>
    [
        0, 1, Page - 1, Page, Page + 1, 4 * Page, 6 * Page, 7 * Page, 10 * Page, 1L << 46, (long)(UserEnd - Arena), (long)(UserEnd - Arena) + Page,
        (long)UserEnd - Page, (long)UserEnd, (long)UserEnd + Page, 1L << 62, long.MaxValue - Page + 1, long.MaxValue, long.MinValue, long.MinValue + Page,
        -(long)Arena - Page, -(long)Arena, -(long)Arena + Page, -2 * Page, -Page - 1, -Page, -Page + 1, -1,
    ];

    [Theory]
    [InlineData("register")]
    [InlineData("unregister")]
    [InlineData("protect")]
    [InlineData("unprotect")]
    [InlineData("copy")]
    [InlineData("zero")]
    [InlineData("continue")]
    public void Every_address_with_every_length(string call)
    {
        Replay.RequireLockstep();
        Replay.SkipFor(KernelFeatures.Running.WhyNoUserFaults);
        var counts = new LockstepCounts();
        foreach (ulong address in Addresses)
        {
            using var world = new LockstepWorld(new LockstepOptions(SharingLevels.None, HugePages: false), counts);
            foreach (var operation in (Operation[])
            [
                new MapAt(0, -1, 0, 4 * Page, Rights.ReadWrite, false, MapPlacement.Fixed, Arena, PopulateKind.None),
                new MapAt(0, 0, 2 * Page, 2 * Page, Rights.ReadWrite, true, MapPlacement.Fixed, Arena + (4 * (ulong)Page), PopulateKind.None),
                new MapAt(0, 2, 0, 2 * Page, Rights.Read, true, MapPlacement.Fixed, Arena + (8 * (ulong)Page), PopulateKind.None),
                new RegisterAt(0, Arena, 6 * Page, UserFaultModes.Missing | UserFaultModes.WriteProtect),
                .. Lengths.Where(length => call != "copy" || length is >= 0 and < MostCopied).Select(length => Make(call, address, length)),
            ])
            {
                world.Step(operation);
            }

            world.End();
        }

        output.WriteLine(counts.ToString());
        Assert.InRange(counts.Errors, 1, long.MaxValue);
    }

    /// <summary>The modes are a mask of 64 bits for the kernel.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(15)]
    [InlineData(int.MinValue)]
    [InlineData(-1)]
    [InlineData(7)]
    public void Every_mode(int modes) => Replay.Run(
        new LockstepOptions(SharingLevels.None, HugePages: false),
        new MapAt(0, 0, 0, 4 * Page, Rights.ReadWrite, true, MapPlacement.Fixed, Arena, PopulateKind.None),
        new RegisterAt(0, Arena, 2 * Page, (UserFaultModes)modes));

    private static Operation Make(string call, ulong address, long length) => call switch
    {
        "register" => new RegisterAt(0, address, length, UserFaultModes.Missing),
        "unregister" => new UnregisterAt(0, address, length),
        "protect" => new WriteProtectAt(0, address, length, true),
        "unprotect" => new WriteProtectAt(0, address, length, false),
        "copy" => new ProvideAt(0, address, length, 7, false),
        "zero" => new ProvideAt(0, address, length, 0, false),
        _ => new ContinueAt(0, address, length, false),
    };
}
