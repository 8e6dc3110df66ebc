using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Pando.FileSystems.Native;

/// <summary>What the host says of an open file.</summary>
internal static unsafe class HostFile
{
    private const int StatusSize = 256; // struct statx of linux/stat.h
    private const uint BasicStatus = 0x7FF; // STATX_BASIC_STATS
    private const int LoopStatusSize = 232; // struct loop_info64 of linux/loop.h
    private const int TypeMask = 0xF000;
    private const int PlainType = 0x8000;
    private const int BlockDeviceType = 0x6000;

    /// <summary>What it is, where, and how long.</summary>
    /// <param name="IsPlain">An ordinary file.</param>
    /// <param name="IsBlockDevice">A block device.</param>
    /// <param name="Device">The file system it is in, as the kernel numbers it for loop devices.</param>
    /// <param name="Inode">Its number there.</param>
    /// <param name="Length">Bytes.</param>
    public readonly record struct Facts(bool IsPlain, bool IsBlockDevice, ulong Device, ulong Inode, long Length);

    /// <summary>Opens; the error number where that fails.</summary>
    public static SafeFileHandle? TryOpen(string path, int flags, out int error)
    {
        int file = LibC.Open(path, flags | LibC.CloseOnExec | LibC.NoWaiting);
        error = file < 0 ? Marshal.GetLastPInvokeError() : 0;
        return file < 0 ? null : new SafeFileHandle(file, ownsHandle: true);
    }

    /// <summary>Null if the kernel does not tell.</summary>
    public static Facts? TryFacts(SafeFileHandle file)
    {
        byte* status = stackalloc byte[StatusSize];
        if (LibC.Status(file, "", LibC.EmptyPath, BasicStatus, status) != 0)
        {
            return null;
        }

        var bytes = new ReadOnlySpan<byte>(status, StatusSize);
        int type = BitConverter.ToUInt16(bytes[28..]) & TypeMask;
        var (inode, size) = (BitConverter.ToUInt64(bytes[32..]), BitConverter.ToInt64(bytes[40..]));
        var (major, minor) = (BitConverter.ToUInt32(bytes[136..]), BitConverter.ToUInt32(bytes[140..]));
        if (type == BlockDeviceType)
        {
            ulong length;
            if (LibC.Ioctl(file, LibC.DeviceSize, &length) != 0 || length > long.MaxValue)
            {
                return null;
            }

            size = (long)length;
        }

        return new Facts(type == PlainType, type == BlockDeviceType, DeviceNumber(major, minor), inode, size);
    }

    /// <summary>The file that a loop device shows; null if it shows none or may not be asked.</summary>
    public static (ulong Device, ulong Inode)? TryBacking(string loopDevice)
    {
        using var file = TryOpen(loopDevice, LibC.ReadOnly, out _);
        byte* status = stackalloc byte[LoopStatusSize];
        return file is null || LibC.Ioctl(file, LibC.LoopStatus, status) != 0 ? null : (*(ulong*)status, *(ulong*)(status + sizeof(ulong)));
    }

    /// <summary>Locks the whole file for this open file description alone (fcntl(2), F_OFD_SETLK). False if another has a lock on it.</summary>
    public static bool TryLock(SafeFileHandle file)
    {
        Span<byte> request = stackalloc byte[32]; // struct flock: type, whence, start, length, process
        request.Clear();
        BinaryPrimitives.WriteInt16LittleEndian(request, 1); // F_WRLCK
        fixed (byte* argument = request)
        {
            return LibC.Control(file, LibC.SetDescriptionLock, argument) == 0;
        }
    }

    /// <summary>new_encode_dev of linux/kdev_t.h.</summary>
    private static ulong DeviceNumber(uint major, uint minor) => (minor & 0xFF) | (major << 8) | ((minor & ~0xFFu) << 12);
}
