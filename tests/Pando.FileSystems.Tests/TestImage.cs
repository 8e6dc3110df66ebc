using Pando.FileSystems.Images;
using Pando.FileSystems.Volumes;

namespace Pando.FileSystems.Tests;

/// <summary>An image file that mkfs made, for one test.</summary>
internal sealed class TestImage : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("pando-image-").FullName;
    private bool _isMounted;

    private TestImage(Layout layout) => Layout = layout;

    public Layout Layout { get; }

    public string Path => System.IO.Path.Combine(_directory, "image");

    public string MountPoint => System.IO.Path.Combine(_directory, "mounted");

    /// <summary>Makes an empty file system; skips the test where mkfs is missing or knows no such layout.</summary>
    public static TestImage Make(Layout layout, string? files = null)
    {
        Host.Need(layout.Kind == FileSystemKind.Xfs ? "mkfs.xfs" : "mke2fs");
        var image = new TestImage(layout);
        try
        {
            Directory.CreateDirectory(image.MountPoint);
            using (var file = File.Create(image.Path))
            {
                file.SetLength((long)layout.MegaBytes << 20);
            }

            var options = layout.Options.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var (code, output, error) = layout.Kind == FileSystemKind.Xfs
                ? Host.Run("mkfs.xfs", [.. options, "-f", "-q", .. files is null ? Array.Empty<string>() : ["-p", files], image.Path])
                : Host.Run("mke2fs", [.. options.Contains("-t") ? Array.Empty<string>() : ["-t", "ext4"], .. options, "-F", "-q", .. files is null ? Array.Empty<string>() : ["-d", files], image.Path]);
            if (code != 0)
            {
                Assert.Skip($"mkfs has no layout {layout}: {error}{output}");
            }

            return image;
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    /// <summary>Mounts the image; skips the test where that is not possible.</summary>
    public void Mount(string options = "loop")
    {
        Host.NeedRoot();
        Host.Need("mount", "umount");
        var (code, _, error) = Host.Run("mount", "-t", Layout.Kind == FileSystemKind.Xfs ? "xfs" : "ext4", "-o", options, Path, MountPoint);
        if (code != 0)
        {
            Assert.Skip($"{Layout} cannot be mounted here: {error.Trim()}");
        }

        _isMounted = true;
    }

    public void Unmount()
    {
        _isMounted = false;
        Host.Output("umount", MountPoint);
    }

    public FileSystemImage Open(ImageAccess access = ImageAccess.Read) => FileSystemImage.Open(Path, access);

    public void Dispose()
    {
        if (_isMounted)
        {
            Unmount();
        }

        Directory.Delete(_directory, recursive: true);
    }
}
