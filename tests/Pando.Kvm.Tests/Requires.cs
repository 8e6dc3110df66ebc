using Pando.Kvm.Guests;

namespace Pando.Kvm.Tests;

/// <summary>What a test needs of the host; it is skipped, with the reason, where the host lacks it.</summary>
internal static class Requires
{
    internal static void Kvm(int levels = 4)
    {
        var availability = KvmAvailability.Check(levels);
        Assert.SkipUnless(availability.IsUsable, availability.Reason);
    }
}
