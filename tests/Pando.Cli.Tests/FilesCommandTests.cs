using System.Text.Json;
using Pando.Tests.Shared;

namespace Pando.Cli.Tests;

/// <summary>pando files, run as a user would run it.</summary>
public sealed class FilesCommandTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private string Image(string name)
    {
        File.WriteAllBytes(_directory[name], SmallImage.Bytes(name));
        return _directory[name];
    }

    private static string Bad(params string[] arguments)
    {
        var run = PandoProcess.Run(["files", .. arguments]);
        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Assert.Single(run.Error.TrimEnd('\n').Split('\n'));
        return run.Error;
    }

    [Fact]
    public void All_files_of_an_image_are_listed_the_largest_first()
    {
        var run = PandoProcess.Run("files", Image("xfs"), "--top", "3");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        var lines = run.Output.Split('\n');
        Assert.Contains(": xfs, 16 MiB, blocks of 4 KiB", lines[0], StringComparison.Ordinal);
        Assert.Equal(["sparse", "large", "shared"], lines.SkipWhile(l => !l.StartsWith('─')).Skip(1).Take(3).Select(l => l.Split(' ')[0]));
        Assert.Contains("1,306 files, of which the 3 largest are shown (--top)", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void One_file_of_an_image_is_told_with_its_extents()
    {
        var run = PandoProcess.Run("files", Image("xfs"), "a/../shared", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        using var report = JsonDocument.Parse(run.Output);
        var root = report.RootElement;
        Assert.Equal(("xfs", 4096, 16 << 20), (root.GetProperty("fileSystem").GetString(), root.GetProperty("blockSize").GetInt32(), root.GetProperty("length").GetInt32()));
        var file = Assert.Single(root.GetProperty("files").EnumerateArray());
        Assert.Equal(["Shared", "Written", "Shared"], file.GetProperty("extents").EnumerateArray().Select(e => e.GetProperty("state").GetString()!));
        Assert.Equal(3_000_000, file.GetProperty("size").GetInt64());
        Assert.Equal(8192, file.GetProperty("bytes").GetProperty("Written").GetInt64());
        Assert.Equal(2, file.GetProperty("leaves2MiB").GetProperty("windows").GetInt64());
        Assert.Equal(1, file.GetProperty("leaves2MiB").GetProperty("refused").GetProperty("EndOfFile").GetInt64());

        var text = PandoProcess.Run("files", Image("xfs"), "/shared").Output;
        Assert.Contains("leaves of 2 MiB: 0 of 2 windows", text, StringComparison.Ordinal);
        Assert.Contains("1 not: EndOfFile", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_directory_of_an_image_is_listed_and_small_blocks_are_told()
    {
        var run = PandoProcess.Run("files", Image("ext4"), "/many");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("DAX needs 4 KiB", run.Output, StringComparison.Ordinal);
        Assert.Contains("100 files, of which the 20 largest are shown (--top)", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mounted_file_is_asked_of_the_kernel()
    {
        File.WriteAllBytes(_directory["file"], new byte[(1 << 20) + 1]);
        var run = PandoProcess.Run("files", _directory["file"], "--json");
        if (run.ExitCode == 2)
        {
            Assert.Contains("FIEMAP", run.Error, StringComparison.Ordinal);
            Assert.Skip($"The temporary directory's file system does not tell: {run.Error}");
        }

        using var report = JsonDocument.Parse(run.Output);
        var file = Assert.Single(report.RootElement.GetProperty("files").EnumerateArray());
        Assert.Equal((1 << 20) + 1, file.GetProperty("size").GetInt64());
        Assert.Equal(1, file.GetProperty("leaves2MiB").GetProperty("windows").GetInt64());
        Assert.Contains("A PATH goes with an image", Bad(_directory.Root, "path"), StringComparison.Ordinal);
    }

    [Fact]
    public void Input_that_cannot_be_used_is_one_line_and_exit_code_2()
    {
        var xfs = Image("xfs");
        Assert.Contains("nothing of this name", Bad(xfs, "none"), StringComparison.Ordinal);
        Assert.Contains("no directory", Bad(xfs, "large/none"), StringComparison.Ordinal);
        Assert.Contains("too many symbolic links", Bad(xfs, "loop1"), StringComparison.Ordinal);
        Assert.Contains("/nonexistent/image", Bad("/nonexistent/image"), StringComparison.Ordinal);
        Assert.Contains("--top", Bad(xfs, "--top", "0"), StringComparison.Ordinal);
        Assert.Contains("See: pando files --help", Bad(), StringComparison.Ordinal);
        Assert.Contains("/dev/null", Bad("/dev/null"), StringComparison.Ordinal);
        Assert.Contains("no path", Bad(""), StringComparison.Ordinal);

        File.WriteAllBytes(_directory["short"], SmallImage.Bytes("xfs")[..1_000_000]);
        Assert.Contains("has 1000000 bytes, and the XFS in it 16777216", Bad(_directory["short"]), StringComparison.Ordinal);
        var broken = SmallImage.Bytes("xfs");
        broken[200] ^= 1;
        File.WriteAllBytes(_directory["broken"], broken);
        Assert.Contains("checksum is wrong", Bad(_directory["broken"]), StringComparison.Ordinal);
    }
}
