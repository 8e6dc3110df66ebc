using System.Runtime.InteropServices;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Native;

/// <summary>What statfs, statx and FIEMAP say about a file.</summary>
internal static unsafe class FileFacts
{
    private const int CurrentDirectory = -100; // AT_FDCWD
    private const int ExtentsPerCall = 256;

    /// <summary>The file system's magic number and block size (for hugetlbfs: the size of its pages).</summary>
    public static bool TryFileSystem(string path, out long type, out long blockSize)
    {
        FileSystemStatus status;
        if (LibC.StatFileSystem(path, &status) != 0)
        {
            (type, blockSize) = (0, 0);
            return false;
        }

        (type, blockSize) = (status.Type, status.BlockSize);
        return true;
    }

    /// <summary>True if the file is mapped without the page cache; also tells its size and whether it is a
    /// character device.</summary>
    public static bool TryStatus(string path, out bool dax, out long size, out bool characterDevice)
    {
        ExtendedStatus status;
        if (LibC.StatExtended(CurrentDirectory, path, 0, ExtendedStatus.BasicStatus, &status) != 0)
        {
            (dax, size, characterDevice) = (false, 0, false);
            return false;
        }

        dax = (status.Attributes & ExtendedStatus.DaxAttribute) != 0;
        size = (long)status.Size;
        characterDevice = (status.Mode & 0xF000) == 0x2000;
        return true;
    }

    /// <summary>True if the open file is an ordinary one: no pipe, no device, no directory.</summary>
    public static bool IsPlain(int file)
    {
        const int EmptyPath = 0x1000; // AT_EMPTY_PATH
        ExtendedStatus status;
        return LibC.StatExtended(file, "", EmptyPath, ExtendedStatus.BasicStatus, &status) == 0 && (status.Mode & 0xF000) == 0x8000;
    }

    /// <summary>The file's extents by FIEMAP, in ascending order; null if the file system has none to tell.</summary>
    public static IReadOnlyList<FileExtent>? TryExtents(string path)
    {
        var file = LibC.Open(path, LibC.ReadOnly | LibC.CloseOnExec);
        if (file < 0)
        {
            return null;
        }

        try
        {
            var extents = new List<FileExtent>();
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
                        extents.Add(new FileExtent(extent->Logical, extent->Physical, extent->Length, extent->Flags & ~FiemapExtent.Last));
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
