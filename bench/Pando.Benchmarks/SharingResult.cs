namespace Pando.Benchmarks;

/// <summary>What two turns of every space came to.</summary>
internal readonly record struct SharingResult(
    long TableBytes, long FirstFaults, double FirstNanoseconds, long SecondFaults, double SecondNanoseconds);
