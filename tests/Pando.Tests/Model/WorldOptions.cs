using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>What a run's world is made of.</summary>
/// <param name="Levels">4 or 5 of x86-64, or 3 of a format without rights in slots, where faults set the marks.</param>
/// <param name="Sharing">At which levels tables are shared.</param>
/// <param name="LargePages">Whether there are leaves of 2 MiB.</param>
/// <param name="Processors">Whether accesses are made by software processors.</param>
/// <param name="ExecuteOnlyByKey">Whether execute-only memory has a protection key.</param>
internal sealed record WorldOptions(int Levels, SharingLevels Sharing, bool LargePages, bool Processors = false, bool ExecuteOnlyByKey = false)
{
    /// <summary>Whether the format lets load what may be executed: that of 3 levels does not.</summary>
    public bool ExecuteImpliesRead => Levels != 3;

    public string ToCode() => $"new WorldOptions({Levels}, (SharingLevels){(int)Sharing}, {(LargePages ? "true" : "false")}, {(Processors ? "true" : "false")}, {(ExecuteOnlyByKey ? "true" : "false")})";
}
