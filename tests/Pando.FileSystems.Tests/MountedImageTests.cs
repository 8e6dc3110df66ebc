using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Pando.Files;
using Pando.FileSystems.Nodes;
using Pando.Linux.Proc;

namespace Pando.FileSystems.Tests;

/// <summary>The kernel mounts the same image, and is the judge: of every name, of every field of stat, of every byte and every extent.</summary>
public sealed class MountedImageTests
{
    public static TheoryData<string> Layouts => [.. Layout.All.Select(l => l.Name)];

    [Theory]
    [MemberData(nameof(Layouts))]
    public void The_reader_sees_what_the_kernel_sees(string layout)
    {
        using var image = TestImage.Make(Layout.Of(layout));
        image.Mount();
        FilledImage.Fill(image);
        image.Unmount();
        image.Mount("loop,ro");
        using var system = image.Open();

        // One record a file: name, number, mode, links, owners, size, times.
        var there = Host.Output("find", image.MountPoint, "-mindepth", "1", "-printf", "%P\\0%i %m %y %n %U %G %s %T@ %C@\\0").Split('\0').Chunk(2).Where(r => r.Length == 2 && IsText(r[0]))
            .ToDictionary(r => r[0], r => r[1], StringComparer.Ordinal);
        var found = system.Walk(system.Root).ToList();
        Assert.Empty(found.Where(f => f.Damage is not null).Select(f => f.Damage!.Message));
        Assert.Equal(there.Keys.Order(StringComparer.Ordinal), found.Select(f => f.Text).Where(IsText).Order(StringComparer.Ordinal));
        byte[] noText = [.. "name"u8, 0xE9, 1, 0x1B];
        Assert.Contains(found, f => f.Path.Span.SequenceEqual(noText));
        foreach (var file in found.Where(f => IsText(f.Text)))
        {
            var status = file.Node!.Status;
            Assert.Equal($"{file.Text} {there[file.Text]}", string.Create(CultureInfo.InvariantCulture,
                $"{file.Text} {file.Number} {Convert.ToString(status.Mode & 0xFFF, 8)} {Letter(status.Kind)} {status.Links} {status.User} {status.Group} {status.Size} {Time(status.Modified)}0 {Time(status.Changed)}0"));
            Compare(file.Text, Path.Combine(image.MountPoint, file.Text), file.Node!);
        }

        foreach (var path in (string[])["a/b/c/hello", "dir with spaces", "d3000/a-name-of-some-length-2999", "/d60/../link400"])
        {
            Assert.Equal(found.Single(f => f.Text == path.Replace("/d60/../", "", StringComparison.Ordinal)).Number, system.Find(path, followsLast: false).Status.Number);
        }
    }

    private static bool IsText(string path) => !path.Contains('\uFFFD', StringComparison.Ordinal);

    private static char Letter(FileKind kind) => kind switch
    {
        FileKind.File => 'f',
        FileKind.Directory => 'd',
        FileKind.Link => 'l',
        FileKind.Pipe => 'p',
        FileKind.CharacterDevice => 'c',
        FileKind.BlockDevice => 'b',
        _ => '?',
    };

    private static void Compare(string path, string mounted, FileNode node)
    {
        switch (node.Status.Kind)
        {
            case FileKind.Link:
                Assert.Equal(new FileInfo(mounted).LinkTarget, Encoding.UTF8.GetString(node.ReadLink()));
                break;
            case FileKind.File when node.Status.Size > 0 || node.Extents.Count > 0:
                CompareBytes(path, mounted, node);
                CompareExtents(path, mounted, node);
                break;
            case FileKind.CharacterDevice or FileKind.BlockDevice:
                Assert.Equal(Host.Output("stat", "-c", "%t:%T", mounted).TrimEnd('\n'), Device(node.Status));
                break;
        }
    }

    private static string Device(FileStatus status) => $"{(status.Device >> 8) & 0xFFF:x}:{(status.Device & 0xFF) | ((status.Device >> 12) & 0xFFF00):x}";

    private static string Time(FileTime time) => string.Create(CultureInfo.InvariantCulture, $"{time.Seconds}.{time.Nanoseconds:D9}");

    private static void CompareBytes(string path, string mounted, FileNode node)
    {
        using var file = File.OpenRead(mounted);
        Assert.True(SHA256.HashData(file).AsSpan().SequenceEqual(Hash(node)), $"{path}: other bytes");
    }

    private static byte[] Hash(FileNode node)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        long offset = 0;
        for (int read; (read = node.Read(offset, buffer)) > 0; offset += read)
        {
            hash.AppendData(buffer, 0, read);
        }

        return hash.GetHashAndReset();
    }

    private static void CompareExtents(string path, string mounted, FileNode node)
    {
        var expected = FilePlacement.Read(mounted).Extents;
        if (expected is [{ State: ExtentState.NoPlace }])
        {
            Assert.Empty(node.Extents); // inline
            return;
        }

        Assert.Equal($"{path}: {string.Join(' ', expected)}", $"{path}: {string.Join(' ', node.Extents)}");
    }
}
