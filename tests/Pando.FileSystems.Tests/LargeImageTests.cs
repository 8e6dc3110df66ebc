using System.Globalization;
using System.Text.RegularExpressions;
using Pando.Files;

namespace Pando.FileSystems.Tests;

/// <summary>Deep trees of extents and large directories; other programs than the kernel judge: xfs_bmap, filefrag, debugfs, find.</summary>
public sealed partial class LargeImageTests
{
    private const int Pieces = 60_000;
    private const int Names = 42_000;

    [Theory]
    [InlineData("xfs")]
    [InlineData("xfs-1k")]
    [InlineData("ext4")]
    [InlineData("ext4-1k")]
    [InlineData("ext4-blocks")]
    public void A_file_of_very_many_extents_and_a_directory_of_very_many_names_are_those_that_other_programs_see(string layout)
    {
        using var image = TestImage.Make(Layout.Of(layout) with { MegaBytes = 1024 });
        image.Mount();
        Host.Need("xargs", "seq", "filefrag");
        // A file of every other block.
        var file = Path.Combine(image.MountPoint, "pieces");
        int block = layout.Contains("1k", StringComparison.Ordinal) ? 1024 : 4096;
        WritePieces(file, block);
        // On XFS in two directories by turns, so that their blocks lie apart, and their extents are a B+tree.
        bool isXfs = image.Layout.Kind == FileSystemKind.Xfs;
        Host.Shell($"cd {image.MountPoint}; mkdir names others; seq 1 {Names} | sed 's|.*|names/name-of-a-file-&{(isXfs ? " others/name-of-a-file-&" : "")}|' | xargs touch");
        Host.Output("sync", "-f", image.MountPoint);
        var expected = Filefrag(file, block);
        if (isXfs)
        {
            Host.Need("xfs_bmap");
            Assert.Equal(expected, XfsBmap(file));
        }

        image.Unmount();
        using var system = image.Open();
        var node = system.Find("pieces");
        Assert.Equal(Pieces, node.Extents.Count);
        Assert.Equal(expected, node.Extents);
        Assert.Equal(Enumerable.Range(1, Names).Select(i => $"name-of-a-file-{i}").Order(StringComparer.Ordinal), system.Find("names").List().Select(e => e.Text).Order(StringComparer.Ordinal));
        Assert.True(!isXfs || system.Find("names").Extents.Count > 50);
        if (!isXfs && layout != "ext4-blocks")
        {
            Host.Need("debugfs");
            Assert.Equal(Debugfs(image.Path, block), node.Extents);
        }
    }

    private static void WritePieces(string path, int block)
    {
        using var file = File.Create(path);
        file.SetLength((long)Pieces * 2 * block); // a file that grows gets space in advance, and no holes
        var bytes = new byte[block];
        for (int i = 0; i < Pieces; i++)
        {
            bytes.AsSpan().Fill((byte)i);
            RandomAccess.Write(file.SafeFileHandle, bytes, (long)i * 2 * block);
        }
    }

    /// <summary>" 0:  0..  7:  24..  31:  8: flags", in blocks.</summary>
    private static List<PlacedExtent> Filefrag(string file, int block) =>
        Joined(FilefragLine().Matches(Host.Output("filefrag", "-v", $"-b{block}", file)).Select(m => Extent(m, block, m.Groups[4].Value.Contains("unwritten", StringComparison.Ordinal))));

    /// <summary>"0: [0..7]: 192..199 0 (192..199) 8 000000", in units of 512 bytes; the flag 010000 is an unwritten extent.</summary>
    private static List<PlacedExtent> XfsBmap(string file) =>
        Joined(BmapLine().Matches(Host.Output("xfs_bmap", "-vp", file)).Select(m => Extent(m, 512, m.Groups[4].Value[^5] == '1')));

    /// <summary>debugfs reads the image without a mount: "1/ 1  1/340  0 - 0  34816 - 34816  1", where both levels of a leaf are the same.</summary>
    private static List<PlacedExtent> Debugfs(string image, int block) =>
        Joined(DebugfsLine().Matches(Host.Output("debugfs", "-R", "dump_extents -l /pieces", image)).Select(m => Extent(m, block, m.Groups[4].Value.Contains("Uninit", StringComparison.Ordinal))));

    private static PlacedExtent Extent(Match match, long unit, bool isUnwritten)
    {
        long Number(int group) => long.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);
        return new(Number(1) * unit, Number(3) * unit, (Number(2) - Number(1) + 1) * unit, isUnwritten ? ExtentState.Unwritten : ExtentState.Written);
    }

    private static List<PlacedExtent> Joined(IEnumerable<PlacedExtent> extents)
    {
        var joined = new List<PlacedExtent>();
        foreach (var extent in extents)
        {
            if (joined.Count > 0 && extent.TryJoin(joined[^1], out var both))
            {
                joined[^1] = both;
            }
            else
            {
                joined.Add(extent);
            }
        }

        return joined;
    }

    [GeneratedRegex(@"^ *\d+: *(\d+)\.\. *(\d+): *(\d+)\.\. *\d+: *\d+:(.*)$", RegexOptions.Multiline)]
    private static partial Regex FilefragLine();

    [GeneratedRegex(@"^\s*\d+: \[(\d+)\.\.(\d+)\]:\s+(\d+)\.\.\d+\s+\d+\s+\(\d+\.\.\d+\)\s+\d+\s+(\d+)", RegexOptions.Multiline)]
    private static partial Regex BmapLine();

    [GeneratedRegex(@"^\s*\d+/\s*\d+\s+\d+/\s*\d+\s+(\d+)\s*-\s*(\d+)\s+(\d+)\s*-\s*\d+\s+\d+(.*)$", RegexOptions.Multiline)]
    private static partial Regex DebugfsLine();
}
