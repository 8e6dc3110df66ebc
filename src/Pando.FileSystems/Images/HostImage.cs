using System.ComponentModel;
using Microsoft.Win32.SafeHandles;
using Pando.FileSystems.Native;

namespace Pando.FileSystems.Images;

/// <summary>An image that is a file or a block device of the host.</summary>
public sealed class HostImage : ImageSource
{
    private readonly HostFile.Facts _facts;

    private HostImage(string path, SafeFileHandle handle, HostFile.Facts facts, ImageAccess access) =>
        (Name, Handle, _facts, Access) = (path, handle, facts, access);

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override long Length => _facts.Length;

    /// <summary>How it was opened.</summary>
    public ImageAccess Access { get; }

    /// <summary>Whether it is a block device.</summary>
    public bool IsBlockDevice => _facts.IsBlockDevice;

    /// <summary>The open file, which belongs to the image: for mapping it.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Opens a file or a block device.</summary>
    /// <exception cref="FileSystemException"><see cref="FileSystemRefusal.Unreadable"/> or <see cref="FileSystemRefusal.InUse"/>.</exception>
    public static HostImage Open(string path, ImageAccess access = ImageAccess.Read)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        bool alone = access == ImageAccess.Exclusive;
        var handle = HostFile.TryOpen(path, alone ? LibC.ReadWrite | LibC.Exclusive : LibC.ReadOnly, out int error)
            ?? throw (error == LibC.Busy
                ? InUse(path, "it is mounted, or another program has it exclusively")
                : new FileSystemException(FileSystemRefusal.Unreadable, $"{path} cannot be opened: {new Win32Exception(error).Message}."));
        try
        {
            if (HostFile.TryFacts(handle) is not { } facts || !(facts.IsPlain || facts.IsBlockDevice))
            {
                throw new FileSystemException(FileSystemRefusal.Unreadable, $"{path} is neither a file nor a block device.");
            }

            var image = new HostImage(path, handle, facts, access);
            if (alone)
            {
                // The lock comes first: whoever else asks for one from now on is refused.
                image.Lock();
                image.ThrowIfInUse();
            }

            return image;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Who else has the image, as far as the host tells: to be asked again after the last store, since losetup asks nobody. Null if
    /// nobody is seen.
    /// </summary>
    public string? FindOtherUser()
    {
        if (_facts.IsBlockDevice)
        {
            if (Access == ImageAccess.Exclusive)
            {
                return null; // the kernel keeps others away
            }

            using var probe = HostFile.TryOpen(Name, LibC.ReadOnly | LibC.Exclusive, out int error);
            return error == LibC.Busy ? "it is mounted, or another program has it exclusively" : null;
        }

        return Directory.Exists("/sys/block")
            ? Directory.EnumerateDirectories("/sys/block", "loop*").Where(loop => Directory.Exists(Path.Combine(loop, "loop")))
                .Select(loop => "/dev/" + Path.GetFileName(loop)).Where(ShowsThis).Select(device => $"the loop device {device} shows it").FirstOrDefault()
            : null;
    }

    /// <summary>Refuses what <see cref="FindOtherUser"/> finds.</summary>
    /// <exception cref="FileSystemException"><see cref="FileSystemRefusal.InUse"/>.</exception>
    public void ThrowIfInUse()
    {
        if (FindOtherUser() is { } user)
        {
            throw InUse(Name, user);
        }
    }

    /// <inheritdoc/>
    protected override void ReadInside(long offset, Span<byte> buffer)
    {
        try
        {
            while (!buffer.IsEmpty)
            {
                int read = RandomAccess.Read(Handle, buffer, offset);
                if (read == 0)
                {
                    throw new FileSystemException(FileSystemRefusal.ImageTooShort, $"{Name} has become shorter since it was opened.");
                }

                offset += read;
                buffer = buffer[read..];
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FileSystemException(FileSystemRefusal.Unreadable, $"{Name} cannot be read at {offset}: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Handle.Dispose();
        }

        base.Dispose(disposing);
    }

    private static FileSystemException InUse(string path, string user) =>
        new(FileSystemRefusal.InUse, $"{path} is in use: {user}. Unmount it first (losetup -l and findmnt tell where it is).");

    private bool ShowsThis(string loopDevice)
    {
        if (HostFile.TryBacking(loopDevice) is { } backing)
        {
            return backing == (_facts.Device, _facts.Inode);
        }

        // Whoever may not open the device may still read its file's name.
        var name = Path.Combine("/sys/block", Path.GetFileName(loopDevice), "loop/backing_file");
        try
        {
            return File.Exists(name) && File.ReadAllText(name).TrimEnd('\n') == Path.GetFullPath(Name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // detached just now
        }
    }

    private void Lock()
    {
        if (!_facts.IsBlockDevice && !HostFile.TryLock(Handle))
        {
            throw InUse(Name, "another process has a lock on it");
        }
    }
}
