namespace Pando.Tests.Concurrency;

/// <summary>Tests that take control of the order of threads; nothing else runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public static class Schedules
{
    public const string Name = "Schedules";
}
