using Pando.Hardware;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>Ranges as registers give them: of any length, and past the end of all addresses.</summary>
internal static class HostileRange
{
    /// <summary>The range from an address on, whose end wraps round where the sum does.</summary>
    public static AddressRange Of(VirtualAddress start, long length) => new(start, start + length);
}
