using Pando.Cli.Views;

namespace Pando.Cli.Tests;

public class TextTableTests
{
    private static string[] Lines(int? width)
    {
        var table = new TextTable(("object", 0), ("kind", 2), ("tables", 0), ("±", 1));
        table.Add("/a/path/that/is/rather/long/indeed/memory", "memfd", "164 MiB", "0");
        table.Add("[anonymous]", "anonymous", "1 MiB", "4 KiB");
        using var output = new StringWriter { NewLine = "\n" };
        table.Write(output, width);
        return output.ToString().TrimEnd('\n').Split('\n');
    }

    [Fact]
    public void Without_a_terminal_every_column_has_the_width_that_it_needs() => Assert.Equal(
        [
            "object                                          kind   tables      ±",
            "────────────────────────────────────────────────────────────────────",
            "/a/path/that/is/rather/long/indeed/memory      memfd  164 MiB      0",
            "[anonymous]                                anonymous    1 MiB  4 KiB",
        ],
        Lines(null));

    [Fact]
    public void A_narrow_terminal_shortens_the_name_first() => Assert.Equal(
        [
            "object                        kind   tables      ±",
            "──────────────────────────────────────────────────",
            "…her/long/indeed/memory      memfd  164 MiB      0",
            "[anonymous]              anonymous    1 MiB  4 KiB",
        ],
        Lines(50));

    [Fact]
    public void A_narrower_one_loses_the_columns_of_the_highest_rank_and_says_so() => Assert.Equal(
        [
            "object                 tables      ±",
            "────────────────────────────────────",
            "…/long/indeed/memory  164 MiB      0",
            "[anonymous]             1 MiB  4 KiB",
            "  a wider terminal shows: kind",
        ],
        Lines(36));

    [Fact]
    public void Columns_of_rank_0_stay_however_narrow_it_is() => Assert.Equal(
        [
            "object                 tables",
            "─────────────────────────────",
            "…/long/indeed/memory  164 MiB",
            "[anonymous]             1 MiB",
            "  a wider terminal shows: kind, ±",
        ],
        Lines(10));
}
