using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>How an area is mapped, apart from what.</summary>
/// <param name="Rights">What was asked for.</param>
/// <param name="MostRights">The most that may be asked for later (how the file was opened).</param>
/// <param name="Flags">See <see cref="AreaFlags"/>.</param>
/// <param name="ProtectionKey">The protection key of its pages.</param>
/// <param name="UserFaults">Who handles its user faults, or null.</param>
internal readonly record struct AreaTraits(Rights Rights, Rights MostRights, AreaFlags Flags, int ProtectionKey, IUserFaultHandler? UserFaults)
{
    public bool IsShared => (Flags & AreaFlags.Shared) != 0;

    /// <summary>Whether two areas have the same translations where they show the same file.</summary>
    public bool TranslatesLike(in AreaTraits other) =>
        Rights == other.Rights
        && ProtectionKey == other.ProtectionKey
        && ((Flags ^ other.Flags) & AreaFlags.Translation) == 0;

    public AreaTraits With(AreaFlags set, AreaFlags cleared) => this with { Flags = (Flags & ~cleared) | set };
}
