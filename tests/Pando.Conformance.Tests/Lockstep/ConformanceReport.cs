namespace Pando.Conformance.Tests.Lockstep;

/// <summary>What the suite has compared, in words: in a test's output, and in the file that PANDO_CONFORMANCE_REPORT names.</summary>
internal static class ConformanceReport
{
    private static readonly Lock Writing = new();

    public static void Say(string text)
    {
        TestContext.Current.TestOutputHelper!.WriteLine(text);
        if (Environment.GetEnvironmentVariable("PANDO_CONFORMANCE_REPORT") is { Length: > 0 } path)
        {
            lock (Writing)
            {
                File.AppendAllText(path, text + Environment.NewLine);
            }
        }
    }
}
