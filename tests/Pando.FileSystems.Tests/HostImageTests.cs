using Pando.FileSystems.Images;
using Pando.FileSystems.Volumes;
using Pando.Tests.Shared;

namespace Pando.FileSystems.Tests;

/// <summary>Who else has the image, and what a crash left in it.</summary>
public sealed class HostImageTests
{
    private static FileSystemRefusal Refusal(Action action) => Assert.Throws<FileSystemException>(action).Reason;

    [Fact]
    public void What_cannot_be_opened_is_refused()
    {
        Assert.Equal(FileSystemRefusal.Unreadable, Refusal(() => HostImage.Open("/nonexistent/image")));
        Assert.Equal(FileSystemRefusal.Unreadable, Refusal(() => HostImage.Open("/")));
        Assert.Equal(FileSystemRefusal.Unreadable, Refusal(() => HostImage.Open("/dev/null")));
    }

    [Fact]
    public void An_image_is_opened_exclusively_once_and_read_by_all()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, SmallImage.Bytes("xfs"));
            using (var alone = FileSystemImage.Open(path, ImageAccess.Exclusive))
            {
                Assert.Equal(FileSystemRefusal.InUse, Refusal(() => FileSystemImage.Open(path, ImageAccess.Exclusive)));
                using var beside = FileSystemImage.Open(path);
                Assert.Equal(alone.Find("large").Extents, beside.Find("large").Extents);
                Assert.Equal(ImageAccess.Exclusive, ((HostImage)alone.Image).Access);
                Assert.Null(((HostImage)alone.Image).FindOtherUser());
            }

            FileSystemImage.Open(path, ImageAccess.Exclusive).Dispose();
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void An_image_that_is_cut_while_it_is_open_is_refused()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, SmallImage.Bytes("xfs"));
            using var system = FileSystemImage.Open(path);
            using (var file = File.OpenWrite(path))
            {
                file.SetLength(4096);
            }

            Assert.Equal(FileSystemRefusal.ImageTooShort, Refusal(() => system.Find("large")));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("xfs")]
    [InlineData("ext4")]
    public void An_image_that_is_mounted_is_in_use_and_one_that_crashed_is_dirty(string layout)
    {
        using var image = TestImage.Make(Layout.Of(layout));
        Host.Need("xfs_io", "losetup", "cp");
        using (image.Open(ImageAccess.Exclusive))
        {
        }

        image.Mount();
        File.WriteAllText(Path.Combine(image.MountPoint, "file"), "bytes");
        Host.Output("sync", "-f", image.MountPoint);
        Assert.Equal(FileSystemRefusal.InUse, Refusal(() => HostImage.Open(image.Path, ImageAccess.Exclusive)));
        using (var beside = HostImage.Open(image.Path))
        {
            Assert.Contains("/dev/loop", beside.FindOtherUser(), StringComparison.Ordinal);
        }

        // The loop device itself, as a block device: the mount has it exclusively.
        var device = Host.Output("losetup", "-n", "-O", "NAME", "-j", image.Path).Trim();
        Assert.Equal(FileSystemRefusal.InUse, Refusal(() => HostImage.Open(device, ImageAccess.Exclusive)));

        // A name is in the log and not in its place: the file system is shut down and then let go.
        File.WriteAllText(Path.Combine(image.MountPoint, "other"), "bytes");
        Host.Output("xfs_io", "-x", "-c", "shutdown -f", image.MountPoint);
        image.Unmount();
        Assert.Equal(FileSystemRefusal.DirtyLog, Refusal(() => image.Open()));

        image.Mount();
        image.Unmount();
        using var system = image.Open(ImageAccess.Exclusive);
        Assert.Equal(5, system.Find("file").Status.Size);
        Assert.Equal(FileKind.File, system.Find("other").Status.Kind);
    }

    [Fact]
    public void A_block_device_is_read_as_its_image_is()
    {
        using var image = TestImage.Make(Layout.Of("ext4"));
        Host.NeedRoot();
        Host.Need("losetup");
        var device = Host.Output("losetup", "-f", "--show", image.Path).Trim();
        try
        {
            using var system = FileSystemImage.Open(device, ImageAccess.Exclusive);
            using var same = image.Open();
            Assert.True(((HostImage)system.Image).IsBlockDevice);
            Assert.Equal(same.ImageLength, system.ImageLength);
            Assert.Equal(same.Identity, system.Identity);
            Assert.Equal(same.Find("lost+found").Extents, system.Find("lost+found").Extents);
        }
        finally
        {
            Host.Output("losetup", "-d", device);
        }
    }
}
