namespace Pando.Tests;

public class PlaceholderTests
{
    [Fact]
    public void The_suite_runs() => Assert.True(Environment.Is64BitProcess);
}
