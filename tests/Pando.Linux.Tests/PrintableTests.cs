using System.Globalization;
using System.Text;
using Pando.Linux.Text;
using Pando.Tests.Shared;

namespace Pando.Linux.Tests;

/// <summary>Names of strangers, as they are shown.</summary>
public class PrintableTests
{
    /// <summary>What a terminal or a browser may act on, or not show; worked out here by Unicode's own categories, apart from
    /// the code under test.</summary>
    internal static bool IsVisible(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            if (!Rune.TryGetRuneAt(text, i, out var rune))
            {
                return false;
            }

            var category = Rune.GetUnicodeCategory(rune);
            if (rune.Value != ' ' && category is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.SpaceSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned && rune.Value != ' ')
            {
                return false;
            }

            i += rune.Utf16SequenceLength;
        }

        return true;
    }

    [Theory]
    [InlineData("esc\u001b[31mred", "esc\\033[31mred")]
    [InlineData("new\nline\r\ttab\0", "new\\012line\\015\\011tab\\000")]
    [InlineData("del\u007f csi\u009b1m", "del\\177 csi\\u009b1m")]
    [InlineData("wide-漢字-\u202erev\u2069", "wide-漢字-\\u202erev\\u2069")]
    [InlineData("two\u2028lines\u2029", "two\\u2028lines\\u2029")]
    [InlineData("zero\u200bwidth\ufeff\u00a0\u3164", "zero\\u200bwidth\\ufeff\\u00a0\\u3164")]
    [InlineData("tag\U000E0041 face\U0001F600", "tag\\U000e0041 face\U0001F600")]
    [InlineData("[red]<b>&amp; 'x' \"y\" $(id) `id` \\012", "[red]<b>&amp; 'x' \"y\" $(id) `id` \\012")]
    public void Everything_that_would_not_be_seen_as_itself_is_escaped_and_nothing_else(string name, string shown)
    {
        Assert.Equal(shown, Printable.Text(name));
        Assert.Same(shown, Printable.Text(shown));
    }

    [Fact]
    public void Half_of_a_surrogate_pair_is_shown_by_its_number() => Assert.Equal("a\\ud800b", Printable.Text("a" + (char)0xD800 + "b"));

    [Fact]
    public void Bytes_that_are_no_UTF_8_are_told_apart()
    {
        Assert.Equal("latin-\\351\\377", Printable.Text([.. "latin-"u8, 0xE9, 0xFF]));
        Assert.Equal("\\303(é", Printable.Text([0xC3, (byte)'(', .. "é"u8]));
        Assert.NotEqual(Printable.Decode([0xE9]), Printable.Decode([0xE8]));
        Assert.Equal("\\355\\240\\200", Printable.Text([0xED, 0xA0, 0x80])); // a surrogate, in the form of UTF-8
        Assert.Equal("\\300\\257", Printable.Text([0xC0, 0xAF])); // '/', longer than need be
    }

    [Fact]
    public void Every_character_there_is_comes_out_visible()
    {
        for (var value = 0; value <= 0x10FFFF; value++)
        {
            if (Rune.IsValid(value))
            {
                var shown = Printable.Text($"a{new Rune(value)}b");
                Assert.True(IsVisible(shown), $"U+{value:X4} came out as it is");
            }
        }
    }

    [Fact]
    public void Ten_thousand_random_names_come_out_visible_and_stay_as_they_are_then()
    {
        Fuzz.ForEach(random =>
        {
            var bytes = new byte[random.Next(1, 40)];
            random.NextBytes(bytes);
            var fromBytes = Printable.Text(bytes);
            var letters = new string([.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => (char)random.Next(0x10000))]);
            foreach (var shown in new[] { fromBytes, Printable.Text(letters) })
            {
                Assert.True(IsVisible(shown), shown);
                Assert.Same(shown, Printable.Text(shown));
            }
        });
    }

    [Theory]
    [InlineData("/dev/shm/a.b-c_1", "/dev/shm/a.b-c_1")]
    [InlineData("/mnt/$(touch x)", "'/mnt/$(touch x)'")]
    [InlineData("/mnt/it's", "'/mnt/it'\\''s'")]
    [InlineData("/mnt/a;b\n#", "$'/mnt/a;b\\012#'")]
    [InlineData("", "''")]
    [InlineData("-rf", "./'-rf'")]
    public void A_name_in_a_command_is_one_word_of_the_shell(string name, string word) => Assert.Equal(word, Printable.ShellWord(name));

    [Fact]
    public void The_shell_itself_reads_a_thousand_random_names_back()
    {
        var random = new Random(18);
        const string Letters = "ab $`\\'\"!*?[]{}()<>|&;#~=%^\n\t\u001b";
        var names = Enumerable.Range(0, 1000).Select(_ => "/" + new string([.. Enumerable.Range(0, random.Next(0, 12)).Select(_ => Letters[random.Next(Letters.Length)])])).ToList();
        var start = new System.Diagnostics.ProcessStartInfo("bash", ["-c", "printf '%s\\0' " + string.Join(' ', names.Select(Printable.ShellWord))]) { RedirectStandardOutput = true };
        System.Diagnostics.Process process;
        try
        {
            process = System.Diagnostics.Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("This machine has no bash.");
            return;
        }

        using (process)
        {
            Assert.Equal(names, process.StandardOutput.ReadToEnd().Split('\0')[..^1]);
        }
    }
}
