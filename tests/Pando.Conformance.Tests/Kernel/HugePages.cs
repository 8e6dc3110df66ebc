namespace Pando.Conformance.Tests.Kernel;

/// <summary>A few huge pages of 2 MiB for the tests of a class.</summary>
public sealed class HugePages : IDisposable
{
    // Four for the file of a world, and four for the one before, whose pages may come back late.
    private const int Pages = 8;

    private readonly HugePagePool? _pool;
    private readonly string _whyNot;

    public HugePages() => _pool = HugePagePool.TryAdd(Pages, out _whyNot);

    /// <summary>Skips the test, with the reason, where there are none.</summary>
    public void Require() => Assert.SkipWhen(_pool is null, _whyNot);

    public void Dispose() => _pool?.Dispose();
}
