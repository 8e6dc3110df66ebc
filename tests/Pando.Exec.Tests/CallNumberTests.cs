using System.Globalization;
using System.Text.RegularExpressions;
using Pando.Exec.Native;

namespace Pando.Exec.Tests;

public partial class CallNumberTests
{
    private static readonly string[] Headers = ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"];

    [Fact]
    public void Every_number_is_that_of_the_kernel_s_header()
    {
        string? header = Array.Find(Headers, File.Exists);
        Assert.SkipWhen(header is null, "The kernel's headers are not installed.");
        var ours = Enum.GetValues<CallNumber>().ToDictionary(number => number.ToString().ToUpperInvariant(), number => (int)number);
        int compared = 0;
        foreach (Match match in Line().Matches(File.ReadAllText(header!)))
        {
            string name = match.Groups[1].Value.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant();
            if (ours.TryGetValue(name, out int number))
            {
                Assert.Equal(int.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture), number);
                compared++;
            }
        }

        Assert.True(compared > 300, $"only {compared} numbers were found in {header}");
    }

    [GeneratedRegex(@"#define __NR_(\w+) (\d+)")]
    private static partial Regex Line();
}
