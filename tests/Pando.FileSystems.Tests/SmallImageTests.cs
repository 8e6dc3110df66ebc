using System.Text;
using Pando.Files;
using Pando.FileSystems.Images;
using Pando.FileSystems.Volumes;
using Pando.Tests.Shared;

namespace Pando.FileSystems.Tests;

public sealed class SmallImageTests
{
    private static readonly string[] Single = ["a", "a/b", "a/b/hello", "a/link", "absolute", "dangling", "large", "loop1", "loop2", "lots", "many", "out", "pieces", "sparse"];

    public static TheoryData<string> Names => ["xfs", "ext4", "ext2"];

    private static FileSystemImage Open(string name) => FileSystemImage.Open(new MemoryImage(SmallImage.Bytes(name)));

    private static byte[] Lines(string line, int length) => Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(line + "\n", (length / line.Length) + 1)))[..length];

    private static byte[] Read(FileSystemImage system, string path)
    {
        var node = system.Find(path);
        var bytes = new byte[node.Status.Size];
        Assert.Equal(bytes.Length, node.Read(0, bytes));
        return bytes;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void All_that_was_put_in_is_there(string name)
    {
        using var system = Open(name);
        var names = system.Walk(system.Root).Select(f => f.Damage is { } damage ? damage.Message : f.Text).Where(n => n is not ("lost+found" or "shared" or "unwritten")).Order(StringComparer.Ordinal);
        var expected = Single
            .Concat(Enumerable.Range(1, 100).Select(i => $"many/name-{i}")).Concat(Enumerable.Range(1, 1200).Select(i => $"lots/a-much-longer-name-of-a-file-{i}"));
        Assert.Equal(expected.Order(StringComparer.Ordinal), names);

        Assert.Equal("hello\n"u8, Read(system, "a/b/hello"));
        Assert.Equal(Lines("a line of the large file", 3_000_000), Read(system, "large"));
        var pieces = Lines("pieces", 1_600_000);
        for (int i = 0; i <= 380; i += 2)
        {
            pieces.AsSpan(i * 4096, 4096).Clear();
        }

        Assert.Equal(pieces, Read(system, "pieces"));
        Assert.Equal(191, system.Find("pieces").Extents.Count);
        var end = new byte[8];
        Assert.Equal(4, system.Find("sparse").Read(100_000_000, end.AsSpan(0, 4)));
        Assert.Equal("end\n"u8, end.AsSpan(0, 4));
        Assert.Equal(0, system.Find("sparse").Read(100 << 20, end));
    }

    [Fact]
    public void Shared_and_unwritten_extents_are_told_from_others()
    {
        using var xfs = Open("xfs");
        Assert.Equal([ExtentState.Shared, ExtentState.Written, ExtentState.Shared], xfs.Find("shared").Extents.Select(e => e.State));
        Assert.Equal([ExtentState.Shared, ExtentState.Written, ExtentState.Shared], xfs.Find("large").Extents.Select(e => e.State));
        Assert.Equal(xfs.Find("large").Extents[0].DeviceOffset, xfs.Find("shared").Extents[0].DeviceOffset);
        Assert.All(xfs.Find("unwritten").Extents, e => Assert.Equal(ExtentState.Unwritten, e.State));
        Assert.Equal(1 << 20, xfs.Find("unwritten").Extents.Sum(e => e.Length));
        Assert.All(xfs.Find("pieces").Extents, e => Assert.Equal(ExtentState.Written, e.State));
        var shared = Lines("a line of the large file", 3_000_000);
        Lines("other", 8192).CopyTo(shared, 409600);
        Assert.Equal(shared, Read(xfs, "shared"));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Links_are_followed_inside_the_image_and_never_out_of_it(string name)
    {
        using var system = Open(name);
        ulong hello = system.Find("/a/b/hello").Status.Number;
        foreach (var path in (string[])["a/link", "absolute/hello", "out", "/../../a/b/../b/./hello", "a//b///hello", "absolute/../../a/link"])
        {
            Assert.Equal(hello, system.Find(path).Status.Number);
        }

        Assert.Equal(FileKind.Link, system.Find("out", followsLast: false).Status.Kind);
        Assert.Equal(FileKind.Directory, system.Find("absolute/", followsLast: false).Status.Kind);
        Assert.Equal(system.Root.Status.Number, system.Find("a/../..").Status.Number);
    }

    [Theory]
    [InlineData("", FileSystemRefusal.NotFound)]
    [InlineData("a/none", FileSystemRefusal.NotFound)]
    [InlineData("none/../a", FileSystemRefusal.NotFound)]
    [InlineData("dangling", FileSystemRefusal.NotFound)]
    [InlineData("a\0", FileSystemRefusal.NotFound)]
    [InlineData("large/x", FileSystemRefusal.NotADirectory)]
    [InlineData("large/", FileSystemRefusal.NotADirectory)]
    [InlineData("large/..", FileSystemRefusal.NotADirectory)]
    [InlineData("loop1", FileSystemRefusal.TooManyLinks)]
    [InlineData("loop1/x", FileSystemRefusal.TooManyLinks)]
    public void What_is_not_there_is_refused_with_its_reason(string path, FileSystemRefusal reason)
    {
        foreach (var name in Names)
        {
            using var system = Open(name.Data);
            Assert.Null(system.TryFind(Encoding.UTF8.GetBytes(path), out var refusal));
            Assert.Equal(reason, refusal);
            Assert.Equal(reason, Assert.Throws<FileSystemException>(() => system.Find(path)).Reason);
        }
    }

    [Fact]
    public void Names_and_paths_have_the_lengths_that_Linux_has()
    {
        using var system = Open("ext4");
        Assert.Null(system.TryFind(new byte[4096].Select(_ => (byte)'/').ToArray(), out var refusal));
        Assert.Equal(FileSystemRefusal.NameTooLong, refusal);
        Assert.NotNull(system.TryFind(new byte[4095].Select(_ => (byte)'/').ToArray(), out _));
        Assert.Null(system.TryFind(new byte[256].Select(_ => (byte)'x').ToArray(), out refusal));
        Assert.Equal(FileSystemRefusal.NameTooLong, refusal);
        Assert.Null(system.TryFind(new byte[255].Select(_ => (byte)'x').ToArray(), out refusal));
        Assert.Equal(FileSystemRefusal.NotFound, refusal);
    }

    [Fact]
    public void Only_files_are_read_and_only_directories_listed()
    {
        using var system = Open("xfs");
        Assert.Equal(FileSystemRefusal.NotAFile, Assert.Throws<FileSystemException>(() => system.Root.Read(0, new byte[1])).Reason);
        Assert.Equal(FileSystemRefusal.NotAFile, Assert.Throws<FileSystemException>(() => system.Find("large").ReadLink()).Reason);
        Assert.Equal(FileSystemRefusal.NotADirectory, Assert.Throws<FileSystemException>(() => system.Find("large").List().Any()).Reason);
        Assert.Throws<ArgumentOutOfRangeException>(() => system.Find("large").Read(-1, new byte[1]));
        Assert.Equal(StoreRefusal.NotAFile, system.Root.Status.StoreRefusal);
        Assert.Equal(StoreRefusal.None, system.Find("large").Status.StoreRefusal);
    }
}
