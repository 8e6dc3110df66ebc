using System.Diagnostics;
using Pando.Linux.Report;

namespace Pando.Linux.Tests;

/// <summary>
/// Real persistent memory: boots a Linux with DAX under QEMU (scripts/dax.sh) and holds what scan says there against
/// the kernel's trace of the same faults. Builds native programs and boots two kernels, which takes some minutes: it
/// runs only where the environment variable PANDO_DAX is 1.
/// </summary>
public class LiveDaxTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("linux-image-6.12-amd64")]
    [InlineData("linux-image-amd64")]
    public void Scan_tells_2_MiB_leaves_from_4_KiB_ones_as_the_kernel_made_them_and_why(string kernel)
    {
        if (Environment.GetEnvironmentVariable("PANDO_DAX") != "1")
        {
            Assert.Skip("Takes some minutes: set PANDO_DAX=1 to run it.");
        }

        var root = Root();
        var script = Path.Combine(root, "scripts", "dax.sh");
        var (missing, why) = Run(root, script, "check");
        if (missing != 0)
        {
            Assert.Skip(why.Trim());
        }

        var directory = Directory.CreateTempSubdirectory("pando-dax-").FullName;
        try
        {
            var pando = Publish(root, "src/Pando.Cli", directory, "pando");
            var helper = Publish(root, "tests/Pando.Linux.TestProcess", directory, "Pando.Linux.TestProcess");
            var (code, text) = Run(root, script, "run", directory, pando, helper, kernel);
            output.WriteLine(text);
            Assert.True(code == 0, text);

            var result = Path.Combine(directory, "result");
            var report = ReportJson.ReadScan(File.ReadAllText(Path.Combine(result, "scan.json")))!;
            var traced = File.ReadAllLines(Path.Combine(result, "kernel-windows"))
                .Select(l => l.Split(' '))
                .ToDictionary(w => w[0], w => (Huge: long.Parse(w[1]), Small: long.Parse(w[2])));

            Assert.Equal(DaxCase.All.Select(c => (c.Name, (c.Huge, c.Small))).Order(), traced.Select(t => (t.Key, t.Value)).Order());
            Assert.Equal(DaxCase.All.Select(c => c.Text), DaxSnapshotTests.Lines(report));
            var tables = File.ReadAllLines(Path.Combine(result, "vmpte")).Select(l => l.Split(' ')).ToDictionary(w => int.Parse(w[0]), w => long.Parse(w[1]) * 1024);
            Assert.Equal(20, tables.Count);
            Assert.All(tables, t => Assert.Equal((t.Value, 0L), report.Processes.Where(p => p.Pid == t.Key).Select(p => (p.Live, p.Empty)).Single()));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static string Publish(string root, string project, string directory, string name)
    {
        var (code, text) = Run(root, "dotnet", "publish", project, "-c", "Release", "-r", "linux-x64", "-p:PublishAot=true", "-o", directory);
        Assert.True(code == 0, text);
        return Path.Combine(directory, name);
    }

    private static string Root()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "Pando.slnx")))
        {
            root = root.Parent;
        }

        return root!.FullName;
    }

    private static (int Code, string Text) Run(string directory, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = directory };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var text = process.StandardOutput.ReadToEnd() + errors.Result;
        process.WaitForExit();
        return (process.ExitCode, text);
    }
}
