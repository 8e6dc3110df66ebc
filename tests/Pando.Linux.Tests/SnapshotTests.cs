using System.IO.Hashing;
using Pando.Linux.Analysis;
using Pando.Linux.Proc;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Tests.Shared;

namespace Pando.Linux.Tests;

[Collection(nameof(LiveLinux))]
public sealed class SnapshotTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_saved_snapshot_gives_the_same_report_as_the_machine_it_was_taken_from()
    {
        var snapshot = MachineScanner.Scan(new ScanOptions());
        SnapshotFile.Save(snapshot, _path);

        var here = ReportJson.Write(ScanAnalysis.Analyse(snapshot, new ReportOptions { At = 100 }));
        var there = ReportJson.Write(ScanAnalysis.Analyse(SnapshotFile.Load(_path), new ReportOptions { At = 100 }));

        Assert.Equal(here, there);
    }

    [Fact]
    public void A_saved_snapshot_is_its_owners_alone_and_a_link_in_its_place_is_replaced()
    {
        var other = _path + ".other";
        File.WriteAllText(other, "precious");
        try
        {
            File.CreateSymbolicLink(_path, other);
            File.CreateSymbolicLink(_path + ".part", other);

            SnapshotFile.Save(RichMachine.Create(), _path);

            Assert.Equal("precious", File.ReadAllText(other));
            if (!OperatingSystem.IsWindows())
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_path));
            }

            Assert.ThrowsAny<IOException>(() => SnapshotFile.Save(RichMachine.Create(), Directory.CreateDirectory(_path + ".directory").FullName));
            Assert.DoesNotContain(Directory.EnumerateFiles(Path.GetTempPath(), Path.GetFileName(_path) + ".directory.*"), _ => true);
        }
        finally
        {
            File.Delete(other);
            File.Delete(_path + ".part");
            Directory.Delete(_path + ".directory");
        }
    }

    [Fact]
    public void A_snapshot_cut_short_says_how_much_is_there()
    {
        SnapshotFile.Save(MachineScanner.Scan(new ScanOptions()), _path);
        var bytes = File.ReadAllBytes(_path);
        foreach (var length in new[] { bytes.Length - 1, bytes.Length / 2, 100 })
        {
            File.WriteAllBytes(_path, bytes[..length]);
            Assert.Contains("cut short", Assert.Throws<SnapshotException>(() => SnapshotFile.Load(_path)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_damaged_byte_is_noticed()
    {
        SnapshotFile.Save(MachineScanner.Scan(new ScanOptions()), _path);
        var bytes = File.ReadAllBytes(_path);
        bytes[^20] ^= 1;
        File.WriteAllBytes(_path, bytes);
        Assert.Contains("damaged", Assert.Throws<SnapshotException>(() => SnapshotFile.Load(_path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_checksum_is_that_of_gzip() => Assert.Equal(0xCBF43926u, Crc32.HashToUInt32("123456789"u8)); // the published check value

    [Fact]
    public void Nothing_loads_a_library_that_a_small_server_lacks()
    {
        // The base library's cryptography and TLS need OpenSSL at run time.
        var used = typeof(SnapshotFile).Assembly.GetReferencedAssemblies().Select(a => a.Name!).ToList();
        Assert.DoesNotContain(used, name => name.Contains("Cryptography", StringComparison.Ordinal) || name.Contains("System.Net", StringComparison.Ordinal));
    }

    [Fact]
    public void A_newer_version_names_both_versions_whatever_follows()
    {
        File.WriteAllText(_path, "pando-scan-snapshot 7 something else\n");
        var message = Assert.Throws<SnapshotException>(() => SnapshotFile.Load(_path)).Message;
        Assert.Contains("version 7", message, StringComparison.Ordinal);
        Assert.Contains($"up to {SnapshotFile.Version}", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("hello\n")]
    [InlineData("{\"format\": 1}")]
    public void Any_other_file_is_called_no_snapshot(string text)
    {
        File.WriteAllText(_path, text);
        Assert.Contains("is not a snapshot", Assert.Throws<SnapshotException>(() => SnapshotFile.Load(_path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_reads_back_as_the_same_report()
    {
        var json = ReportJson.Write(ScanAnalysis.Analyse(MachineScanner.Scan(new ScanOptions()), new ReportOptions()));
        Assert.Equal(json, ReportJson.Write(ReportJson.ReadScan(json)!));
    }

    [Fact]
    public void The_page_is_one_well_formed_file_that_fetches_nothing()
    {
        var html = HtmlReport.Render(ScanAnalysis.Analyse(MachineScanner.Scan(new ScanOptions()), new ReportOptions { At = 100 }));

        // Names of files on this machine may contain almost anything; an address to fetch from has these.
        Assert.DoesNotContain("://", html, StringComparison.Ordinal);
        Assert.DoesNotContain("src=", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("url(", html, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("<script", html, StringComparison.OrdinalIgnoreCase);
        var body = html[html.IndexOf("<body>", StringComparison.Ordinal)..].Replace("</html>", "", StringComparison.Ordinal).Replace("&plusmn;", "±", StringComparison.Ordinal);
        _ = System.Xml.Linq.XDocument.Parse(body);
    }

    [Fact]
    public void A_proc_without_page_files_is_reported_by_what_it_has()
    {
        // A container's view: status and maps, no pagemap, no kpagecount, no meminfo.
        var proc = Directory.CreateTempSubdirectory().FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(proc, "42"));
            File.WriteAllText(Path.Combine(proc, "42", "status"), "Name:\tserver\nUid:\t1\t1\t1\t1\nVmPTE:\t    8208 kB\n");
            File.WriteAllText(Path.Combine(proc, "42", "maps"), "7f0000000000-7f0040000000 rw-s 00000000 00:01 1057       /dev/zero (deleted)\n");
            Directory.CreateDirectory(Path.Combine(proc, "43"));
            File.WriteAllText(Path.Combine(proc, "43", "status"), "Name:\tended\n");

            var report = ScanAnalysis.Analyse(MachineScanner.Scan(new ScanOptions { Proc = proc }), new ReportOptions());

            Assert.Equal(8208 * 1024, report.Machine.SumVmPteBytes);
            Assert.Equal(8208 * 1024, report.Machine.Unplaced);
            Assert.Equal(1, report.Machine.Processes);
            Assert.Contains(report.Notes, n => n.Contains("meminfo", StringComparison.Ordinal));
            Assert.Contains(report.Notes, n => n.Contains("refused to be read to the page", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(proc, recursive: true);
        }
    }

    [Fact]
    public void Questions_about_what_is_not_there_get_a_line()
    {
        var snapshot = MachineScanner.Scan(new ScanOptions());
        Assert.Contains("No process 1073741823", Assert.Throws<ReportException>(() => ScanAnalysis.Analyse(snapshot, new ReportOptions { Pid = 0x3fffffff })).Message, StringComparison.Ordinal);
        Assert.Contains("No mapped object matches", Assert.Throws<ReportException>(() => ScanAnalysis.Analyse(snapshot, new ReportOptions { ObjectName = "no/such/object" })).Message, StringComparison.Ordinal);
        Assert.Contains("No process is in cgroup '/no/such'", Assert.Throws<ReportException>(() => ScanAnalysis.Analyse(snapshot, new ReportOptions { Cgroup = "no/such" })).Message, StringComparison.Ordinal);
    }
}
