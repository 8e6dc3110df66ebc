using Pando.Cli.Run;
using Pando.Linux.Text;

namespace Pando.Cli.Tests;

public class ByteSizeTests
{
    [Theory]
    [InlineData("6TiB", 6L << 40)]
    [InlineData("512GiB", 512L << 30)]
    [InlineData("2MiB", 2L << 20)]
    [InlineData("4KiB", 4096)]
    [InlineData("4kib", 4096)]
    [InlineData("1.5GiB", 3L << 29)]
    [InlineData(" 1 PiB ", 1L << 50)]
    [InlineData("4096", 4096)]
    [InlineData("0", 0)]
    public void A_size_is_a_number_and_a_unit(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse("--memory", text));

    [Theory]
    [InlineData("")]
    [InlineData("TiB")]
    [InlineData("6TB")]
    [InlineData("6 T")]
    [InlineData("-1GiB")]
    [InlineData("1e3GiB")]
    [InlineData("1,5GiB")]
    [InlineData("0.0001KiB")]
    [InlineData("8192PiB")]
    [InlineData("99999999999999999999999999TiB")]
    [InlineData("9999999999999999999999999999999999999999")]
    public void What_is_no_size_is_refused_with_one_that_is(string text)
    {
        var e = Assert.Throws<InputException>(() => ByteSize.Parse("--memory", text));
        Assert.StartsWith("--memory: ", e.Message, StringComparison.Ordinal);
        Assert.EndsWith("6TiB", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "0 bytes", "0")]
    [InlineData(4096, "4 KiB", "4KiB")]
    [InlineData(25_219_072, "24.05 MiB", "24628KiB")]
    [InlineData(252_190_720_000, "234.9 GiB", "246280000KiB")]
    [InlineData(6L << 40, "6 TiB", "6TiB")]
    [InlineData(5000, "4.88 KiB", "5000")]
    public void A_size_is_written_for_people_and_for_options(long bytes, string people, string option)
    {
        Assert.Equal(people, ByteText.Precise(bytes));
        Assert.Equal(option, ByteSize.Exact(bytes));
        Assert.Equal(bytes, ByteSize.Parse("--memory", option));
    }
}
