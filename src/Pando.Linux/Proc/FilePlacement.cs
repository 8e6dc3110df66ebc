using Pando.Files;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>Where a file of a mounted file system lies.</summary>
/// <param name="FileSystem">The file system's name.</param>
/// <param name="BlockSize">Bytes of its blocks, as statfs(2) has them.</param>
/// <param name="Size">Bytes of the file.</param>
/// <param name="IsDax">Whether mappings of it show the device itself (STATX_ATTR_DAX).</param>
/// <param name="DeviceStart">Where the block device begins, in bytes from the start of the persistent memory or of the disk; null if the kernel does not tell.</param>
/// <param name="Extents">In the order of the file; pieces that follow each other in file, device and state are one.</param>
public sealed record FilePlacement(string FileSystem, long BlockSize, long Size, bool IsDax, ulong? DeviceStart, IReadOnlyList<PlacedExtent> Extents)
{
    private const string LogicalPlaces = "btrfs";

    /// <summary>Asks the kernel (statx, statfs, FIEMAP).</summary>
    /// <param name="path">An ordinary file.</param>
    /// <param name="sys">Where sysfs is mounted.</param>
    /// <exception cref="IOException">It is no ordinary file, or its file system does not tell where it lies.</exception>
    public static FilePlacement Read(string path, string sys = "/sys")
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!FileFacts.TryAsk(path, withFileSystem: true, withHandle: false, out var answer) || FileFacts.TryFileSystem(path) is not { } device)
        {
            throw new IOException($"{path} cannot be read, or is no ordinary file.");
        }

        var name = FileSystemType.OfMagic(answer.FileSystemType) is { Name.Length: > 0 } type ? type.Name : $"a file system of type 0x{answer.FileSystemType:x}";
        if (name == LogicalPlaces)
        {
            throw new IOException($"{path} is on btrfs, which tells places in its own order and not on the device.");
        }

        var extents = FileFacts.TryExtents(path) ?? throw new IOException($"{path} is on {name}, which does not tell where its files lie (FIEMAP).");
        return new FilePlacement(name, answer.BlockSize, answer.Size, answer.IsDax, DeviceNodes.StartOf(sys, device), Joined(extents));
    }

    /// <summary>Where a block device begins, as <see cref="DeviceStart"/> of its files; null if the kernel does not tell.</summary>
    public static ulong? StartOf(string blockDevice, string sys = "/sys") =>
        FileFacts.TryAsk(blockDevice, withFileSystem: false, withHandle: false, out var answer) && answer.IsBlockDevice
            ? DeviceNodes.StartOf(sys, DeviceNumber.Of(answer.NodeMajor, answer.NodeMinor))
            : null;

    private static List<PlacedExtent> Joined(IReadOnlyList<PhysicalExtent> extents)
    {
        var joined = new List<PlacedExtent>(extents.Count);
        foreach (var extent in extents)
        {
            var next = extent.Placed;
            if (joined.Count > 0 && next.TryJoin(joined[^1], out var both))
            {
                joined[^1] = both;
            }
            else
            {
                joined.Add(next);
            }
        }

        return joined;
    }
}
