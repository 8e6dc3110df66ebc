using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>What a run's world is made of.</summary>
internal sealed record WorldOptions(int Levels, SharingLevels Sharing, bool LargePages, bool Processors = false, bool ExecuteOnlyByKey = false)
{
    public string ToCode() => $"new WorldOptions({Levels}, (SharingLevels){(int)Sharing}, {(LargePages ? "true" : "false")}, {(Processors ? "true" : "false")}, {(ExecuteOnlyByKey ? "true" : "false")})";
}
