using System.Text.Json;

namespace Pando.Cli.Tests;

public class RunCommandTests
{
    [Theory]
    [InlineData("--memory", "3MiB")]
    [InlineData("--processes", "0")]
    [InlineData("--share", "4GiB")]
    [InlineData("--share")]
    [InlineData("--no-such-option")]
    [InlineData("--pmem", "/dev/null")]
    public void Bad_input_gets_one_line_and_exit_code_2(params string[] arguments)
    {
        var pando = PandoProcess.Run(["run", .. arguments]);
        Assert.Equal(2, pando.ExitCode);
        Assert.Empty(pando.Output);
        Assert.StartsWith("pando: ", Assert.Single(pando.Error.TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_input_leaves_no_file_behind()
    {
        using var directory = new TemporaryDirectory();

        // More than a file system takes, or more than the budget allows: found out before and after the file is made.
        Assert.Equal(2, PandoProcess.Run("run", "--memory", "4000TiB", "--levels", "5", "--pmem", directory["a.img"]).ExitCode);
        Assert.Equal(2, PandoProcess.Run("run", "--budget", "1MiB", "--pmem", directory["b.img"]).ExitCode);
        Assert.Empty(directory.Names);
    }

    [Fact]
    public void The_table_shows_every_world_and_progress_is_plain_where_nobody_looks()
    {
        var pando = PandoProcess.Run("run", "--memory", "3GiB", "--processes", "20");
        Assert.Equal(0, pando.ExitCode);
        Assert.Contains("shared at 512GiB", pando.Output, StringComparison.Ordinal);
        Assert.Contains("nothing shared", pando.Output, StringComparison.Ordinal);
        Assert.Contains("passed", pando.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\x1b', pando.Output + pando.Error);
        Assert.Contains("19 more processes map it\n", pando.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_every_field_of_the_report()
    {
        var pando = PandoProcess.Run("run", "--memory", "3GiB", "--processes", "20", "--share", "1GiB", "--json");
        Assert.Equal(0, pando.ExitCode);
        using var json = JsonDocument.Parse(pando.Output);
        var report = json.RootElement;
        Assert.Equal(
            ["version", "memoryBytes", "processes", "pageBytes", "pageTableLevels", "threads", "budgetBytes", "pmem", "leftOut", "worlds", "passed"],
            report.EnumerateObject().Select(field => field.Name));
        Assert.Equal(3L << 30, report.GetProperty("memoryBytes").GetInt64());
        Assert.True(report.GetProperty("passed").GetBoolean());
        var world = report.GetProperty("worlds")[0];
        Assert.Equal(
            [
                "share", "processesBuilt", "extrapolated", "allCostTheSame", "levels", "perProcessBytes", "fileBytes", "totalBytes",
                "totalBytesOfAll", "leafFaults", "attaches", "firstSeconds", "buildSeconds", "microsecondsPerProcess",
                "nanosecondsPerAttach", "exitMicroseconds", "residentBytes", "residentPeakBytes", "proof", "program", "passed",
            ],
            world.EnumerateObject().Select(field => field.Name));
        Assert.Equal(3 * 512, world.GetProperty("leafFaults").GetInt64());
        Assert.Equal(20 * 3, world.GetProperty("proof").GetProperty("auditedSlots").GetInt64());
        Assert.Equal(["PGD", "PUD", "PMD"], world.GetProperty("levels").EnumerateArray().Select(level => level.GetProperty("level").GetString()!));
    }

    [Fact]
    public void Help_has_examples()
    {
        var pando = PandoProcess.Run("run", "--help");
        Assert.Equal(0, pando.ExitCode);
        Assert.Contains("--share <LEVEL>", pando.Output, StringComparison.Ordinal);
        Assert.Contains("pando run --memory 64GiB", pando.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void An_interrupt_ends_it_with_exit_code_130_and_nothing_left_behind()
    {
        using var directory = new TemporaryDirectory();
        using var pando = PandoProcess.Start("run", "--pmem", directory["pmem.img"]);

        // It is at work when it says so. SIGTERM is heard as SIGINT is; a test's child may have been told to ignore SIGINT.
        Assert.NotNull(pando.StandardError.ReadLine());
        using (var kill = System.Diagnostics.Process.Start("kill", ["-TERM", pando.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]))
        {
            kill.WaitForExit();
        }

        string error = pando.StandardError.ReadToEnd();
        Assert.Empty(pando.StandardOutput.ReadToEnd());
        pando.WaitForExit();
        Assert.Equal(130, pando.ExitCode);
        Assert.EndsWith("pando: interrupted; nothing is left behind\n", error, StringComparison.Ordinal);
        Assert.Empty(directory.Names);
    }
}
