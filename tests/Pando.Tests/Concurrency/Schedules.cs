namespace Pando.Tests.Concurrency;

/// <summary>Tests that make interleavings happen with threads that run freely beside; nothing else runs then.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public static class Schedules
{
    public const string Name = "Schedules";
}
