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
    /// <summary>Which faults go to a user's handler.</summary>
    public const AreaFlags AnyUserFault = AreaFlags.UserMissing | AreaFlags.UserMinor | AreaFlags.UserWriteProtect;

    // The flags that two areas must agree in so that one window of a file can hold both.
    private const AreaFlags Translation = AreaFlags.Shared | AreaFlags.Synchronous | AreaFlags.UserMinor | AreaFlags.UserWriteProtect;

    /// <summary>
    /// Whether what the area shows differs from what its file has, so that it has tables of its own: some pages are not shown, or not to
    /// be stored to; or, in private memory, a handler may have put others in their place.
    /// </summary>
    public bool NeedsOwnTables => (Flags & (IsShared ? AnyUserFault & ~AreaFlags.UserMissing : AnyUserFault)) != 0;

    public bool IsShared => (Flags & AreaFlags.Shared) != 0;

    /// <summary>Whether two areas have the same translations where they show the same file.</summary>
    public bool TranslatesLike(in AreaTraits other) =>
        Rights == other.Rights
        && ProtectionKey == other.ProtectionKey
        && NeedsOwnTables == other.NeedsOwnTables
        && ((Flags ^ other.Flags) & Translation) == 0;

    public AreaTraits With(AreaFlags set, AreaFlags cleared) => this with { Flags = (Flags & ~cleared) | set };
}
