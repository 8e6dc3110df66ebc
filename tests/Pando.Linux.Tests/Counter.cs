namespace Pando.Linux.Tests;

/// <summary>A number that several count up.</summary>
internal sealed class Counter
{
    public long Count { get; set; }
}
