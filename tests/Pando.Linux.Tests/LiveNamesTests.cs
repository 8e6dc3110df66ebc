using System.Text;
using System.Xml.Linq;
using Pando.Linux.Report;

namespace Pando.Linux.Tests;

/// <summary>Real processes and objects whose names are hard to print.</summary>
[Collection(nameof(LiveLinux))]
public class LiveNamesTests
{
    [Fact]
    public void Names_with_escapes_line_breaks_and_bytes_that_are_no_UTF_8_stay_told_apart_and_the_page_stays_well_formed()
    {
        // With this program's own number in them: others may test beside it.
        var own = LiveLinux.TestName;
        string Hex(params byte[] end) => Convert.ToHexString([.. Encoding.ASCII.GetBytes(own), .. end]);
        using var group = TestProcessGroup.Start(2,
            $"memfd,size=4194304,hex={Hex([.. "\u001b[31m\n\u202e"u8])}", "map,at=400000000000,size=4194304,rights=rw", "touch,at=400000000000,size=4194304,value=4096",
            $"memfd,size=4194304,hex={Hex(0xE9)}", "map,at=410000000000,size=4194304,rights=rw", "touch,at=410000000000,size=4194304,value=4096",
            $"memfd,size=4194304,hex={Hex(0xE8)}", "map,at=420000000000,size=4194304,rights=rw", "touch,at=420000000000,size=4194304,value=4096",
            "fork,value=1", $"1:name,hex={Convert.ToHexString([.. "a\n\u001b[7m<b>"u8, 0xFF])}");

        var (snapshot, report) = LiveLinux.Scan();

        // The kernel writes a newline as \012 in maps, and as \n in status.
        Assert.Equal($"/memfd:{own}\u001b[31m\\012\u202e", Assert.Single(report.Objects, o => o.Name.StartsWith($"/memfd:{own}\u001b", StringComparison.Ordinal)).Label);
        Assert.Equal([$"/memfd:{own}\\350", $"/memfd:{own}\\351"], report.Objects.Select(o => o.Label).Where(l => l.StartsWith($"/memfd:{own}\\", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Equal("a\\n\u001b[7m<b>\\377", report.Processes.Single(p => p.Pid == group.Pids[1]).Name);
        var html = HtmlReport.Render(Analysis.ScanAnalysis.Analyse(snapshot, new Analysis.ReportOptions { ObjectName = own }));
        Assert.Contains($"/memfd:{own}\\033[31m\\012\\u202e", html, StringComparison.Ordinal);
        _ = XDocument.Parse(html[html.IndexOf("<body>", StringComparison.Ordinal)..].Replace("</html>", "", StringComparison.Ordinal).Replace("&plusmn;", "±", StringComparison.Ordinal));
        Assert.DoesNotContain('\u001b', ReportJson.Write(report));
    }
}
