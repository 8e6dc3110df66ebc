using Pando.Hardware;

namespace Pando.Files;

/// <summary>
/// What two mappings must agree in, beside the geometry, so that they may share tables: everything that a leaf says
/// besides where the file lies.
/// </summary>
/// <param name="Synchronous">MAP_SYNC: a write-enabled leaf promises that the file's metadata is durable (hazard 51).</param>
/// <param name="MemoryType">How the processor may cache the pages.</param>
/// <param name="ProtectionKey">The protection key, 0 to 15.</param>
/// <param name="LeafRights">
/// The rights of the leaves, where slots carry none (RISC-V); <see cref="Rights.All"/> elsewhere.
/// </param>
internal readonly record struct TableClass(bool Synchronous, MemoryType MemoryType, int ProtectionKey, Rights LeafRights)
{
    /// <summary>An ordinary mapping of ordinary memory.</summary>
    public static TableClass Ordinary => new(false, MemoryType.WriteBack, 0, Rights.All);

    internal int Packed => (Synchronous ? 1 : 0) | ((int)MemoryType << 1) | (ProtectionKey << 4) | ((int)LeafRights << 8);

    internal static TableClass Unpack(int packed) =>
        new((packed & 1) != 0, (MemoryType)((packed >> 1) & 7), (packed >> 4) & 15, (Rights)((packed >> 8) & 7));
}
