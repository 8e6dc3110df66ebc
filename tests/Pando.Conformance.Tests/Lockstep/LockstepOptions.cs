using Pando.Spaces;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>What a run is made with.</summary>
/// <param name="Sharing">At which levels the engine shares. Page tables are compared where it does not.</param>
/// <param name="HugePages">Whether one of the files has huge pages of 2 MiB.</param>
/// <param name="UserFaults">Whether handlers of user faults answer in all ways, and random operations have such.</param>
/// <param name="HugeBytes">The size of that file. Only what is touched takes pages from the pool.</param>
internal sealed record LockstepOptions(SharingLevels Sharing, bool HugePages, long HugeBytes = 8L << 20, bool UserFaults = false)
{
    public string ToCode() => $"new LockstepOptions((SharingLevels){(int)Sharing}, {(HugePages ? "true" : "false")}, 0x{HugeBytes:x}, {(UserFaults ? "true" : "false")})";
}
