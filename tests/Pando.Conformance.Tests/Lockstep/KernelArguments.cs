using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>Operations as the kernel wants them.</summary>
internal static class KernelArguments
{
    private const ulong Shared = 1;
    private const ulong Private = 2;
    private const ulong Fixed = 0x10;
    private const ulong Anonymous = 0x20;
    private const ulong NoReserve = 0x4000;
    private const ulong Populate = 0x8000;
    private const long Large = 1L << 30;
    private const ulong FixedNoReplace = 0x100000;

    public const ulong KeepSize = 1; // FALLOC_FL_KEEP_SIZE
    public const ulong PunchHole = 2; // FALLOC_FL_PUNCH_HOLE
    public const ulong CreateHugetlb = 4; // MFD_HUGETLB
    public const ulong LockOnFault = 1; // MLOCK_ONFAULT

    /// <summary>Rights as PROT_ bits: PROT_READ 1, PROT_WRITE 2, PROT_EXEC 4.</summary>
    public static ulong Protection(Rights rights) => (ulong)rights & 7;

    /// <summary>MAP_ flags. Neither pages of the huge-page pool nor memory for a large mapping is set aside for what is never touched.</summary>
    public static ulong Flags(MapAt map, bool isHuge) =>
        (map.Shared ? Shared : Private)
        | (isHuge || map.Length > Large ? NoReserve : 0)
        | (map.File < 0 ? Anonymous : 0)
        | (map.Placement switch { MapPlacement.Fixed => Fixed, MapPlacement.FixedNoReplace => FixedNoReplace, _ => 0 })
        | (map.Populate == PopulateKind.None ? 0 : Populate);
}
