using System.IO.MemoryMappedFiles;
using System.Text.Json;
using Pando.Linux.Tests;

namespace Pando.Cli.Tests;

/// <summary>The command where a file system's server hangs.</summary>
public class HangTests
{
    private const string Silent = "No answer from the file system of device";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_scan_ends_when_its_report_is_out_though_a_file_system_hangs(bool isDetached)
    {
        using var system = HangingFileSystem.Make();
        using (var file = MemoryMappedFile.CreateFromFile(system.Data, FileMode.Open, null, 0, MemoryMappedFileAccess.Read))
        using (var view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read))
        {
            _ = view.ReadByte(0);
            system.Hang();
            if (isDetached)
            {
                system.Detach(); // no mountinfo tells its type: a child has to ask, and is left behind
            }

            var scan = PandoProcess.Run("scan", "--json");

            Assert.Equal((0, ""), (scan.ExitCode, scan.Error));
            using var report = JsonDocument.Parse(scan.Output);
            Assert.Equal(isDetached, report.RootElement.GetProperty("notes").EnumerateArray().Any(n => n.GetString()!.StartsWith(Silent, StringComparison.Ordinal)));
            Assert.DoesNotContain(report.RootElement.GetProperty("processes").EnumerateArray(), p => p.GetProperty("pid").GetInt32() == Environment.ProcessId && p.GetProperty("stuckState").ValueKind != JsonValueKind.Null);
            Assert.True(report.RootElement.GetProperty("totalSeconds").GetDouble() >= report.RootElement.GetProperty("scanSeconds").GetDouble());
            Assert.Equal(isDetached, system.Waiting > 0);
        }
    }
}
