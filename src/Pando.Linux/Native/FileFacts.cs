using System.Runtime.InteropServices;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Native;

/// <summary>What statfs, statx, name_to_handle_at and FIEMAP say about a file.</summary>
internal static unsafe class FileFacts
{
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const int FollowLink = 0x400; // AT_SYMLINK_FOLLOW
    private const int EmptyPath = 0x1000; // AT_EMPTY_PATH
    private const int WithoutSync = 0x4000; // AT_STATX_DONT_SYNC: no question to a server
    private const int IdentityOnly = 0x200; // AT_HANDLE_FID (Linux 6.5): a handle that cannot be opened will do
    private const int ExtentsPerCall = 256;

    /// <summary>
    /// Asks about one file. False if the kernel refuses, or if there is none. May wait for the file system's server:
    /// files of a file system that has one are asked about by another process (<see cref="Proc.FileAsker"/>).
    /// </summary>
    public static bool TryAsk(string path, bool withFileSystem, bool withHandle, out FileAnswer answer)
    {
        ExtendedStatus status;
        if (LibC.StatExtended(CurrentDirectory, path, WithoutSync, ExtendedStatus.BasicStatus, &status) != 0)
        {
            answer = default;
            return false;
        }

        FileSystemStatus system = default;
        if (withFileSystem && LibC.StatFileSystem(path, &system) != 0)
        {
            system = default;
        }

        answer = new FileAnswer(
            status.Mode,
            status.NodeMajor,
            status.NodeMinor,
            status.Inode,
            (long)status.Size,
            unchecked((status.ChangedSeconds * 1_000_000_000) + status.ChangedNanoseconds),
            (status.Attributes & ExtendedStatus.DaxAttribute) != 0,
            system.Type,
            system.BlockSize,
            withHandle ? Handle(path) : "");
        return true;
    }

    /// <summary>The device number of an open file's file system, as maps writes it; null if it cannot be told.</summary>
    public static uint? DeviceOf(int file)
    {
        ExtendedStatus status;
        return LibC.StatExtended(file, "", EmptyPath, ExtendedStatus.BasicStatus, &status) == 0 ? DeviceNumber.Of(status.DeviceMajor, status.DeviceMinor) : null;
    }

    /// <summary>The device number of an ordinary file's file system; null if it is none, or cannot be opened.</summary>
    public static uint? TryFileSystem(string path)
    {
        var file = LibC.Open(path, LibC.ReadOnly | LibC.CloseOnExec | LibC.NoWaiting);
        if (file < 0)
        {
            return null;
        }

        try
        {
            return IsPlain(file) ? DeviceOf(file) : null;
        }
        finally
        {
            _ = LibC.Close(file);
        }
    }

    private static string Handle(string path)
    {
        foreach (var flags in (ReadOnlySpan<int>)[FollowLink | IdentityOnly, FollowLink])
        {
            FileHandle handle = default;
            int mount;
            handle.Length = FileHandle.Longest;
            if (LibC.NameToHandle(CurrentDirectory, path, &handle, &mount, flags) == 0)
            {
                return $"{handle.Type:x}:{Convert.ToHexStringLower(new ReadOnlySpan<byte>(handle.Bytes, (int)Math.Min(handle.Length, FileHandle.Longest)))}";
            }
        }

        return "";
    }

    /// <summary>True if the open file is an ordinary one: no pipe, no device, no directory.</summary>
    public static bool IsPlain(int file)
    {
        const int EmptyPath = 0x1000; // AT_EMPTY_PATH
        ExtendedStatus status;
        return LibC.StatExtended(file, "", EmptyPath, ExtendedStatus.BasicStatus, &status) == 0 && (status.Mode & 0xF000) == 0x8000;
    }

    /// <summary>The file's extents by FIEMAP, in ascending order; null if the file system has none to tell.</summary>
    public static IReadOnlyList<PhysicalExtent>? TryExtents(string path)
    {
        var file = LibC.Open(path, LibC.ReadOnly | LibC.CloseOnExec | LibC.NoWaiting);
        if (file < 0)
        {
            return null;
        }

        try
        {
            var extents = new List<PhysicalExtent>();
            var size = sizeof(FiemapHeader) + (ExtentsPerCall * sizeof(FiemapExtent));
            var memory = (byte*)NativeMemory.AllocZeroed((nuint)size);
            try
            {
                ulong start = 0;
                while (true)
                {
                    new Span<byte>(memory, size).Clear();
                    var header = (FiemapHeader*)memory;
                    header->Start = start;
                    header->Length = ulong.MaxValue - start;
                    header->ExtentCapacity = ExtentsPerCall;
                    if (LibC.Ioctl(file, KernelAbi.Fiemap, memory) != 0)
                    {
                        return null;
                    }

                    if (header->MappedExtents == 0)
                    {
                        return extents;
                    }

                    var extent = (FiemapExtent*)(memory + sizeof(FiemapHeader));
                    for (var i = 0; i < header->MappedExtents; i++, extent++)
                    {
                        extents.Add(new PhysicalExtent(extent->Logical, extent->Physical, extent->Length, extent->Flags & ~FiemapExtent.Last));
                        start = extent->Logical + extent->Length;
                        if ((extent->Flags & FiemapExtent.Last) != 0)
                        {
                            return extents;
                        }
                    }
                }
            }
            finally
            {
                NativeMemory.Free(memory);
            }
        }
        finally
        {
            _ = LibC.Close(file);
        }
    }
}
