using System.Globalization;
using Pando.Linux.Native;

namespace Pando.Linux.Proc;

/// <summary>
/// The file systems that the kernel has for itself and that no mountinfo shows: for memfd, System V and shared
/// anonymous memory, for huge pages of each size, for secret memory. Their device numbers are those of empty files that are
/// made there and closed at once.
/// </summary>
internal static class KernelMounts
{
    private const uint CloseOnExec = 1; // MFD_CLOEXEC
    private const uint Huge = 4; // MFD_HUGETLB
    private const int HugeSizeShift = 26; // MFD_HUGE_SHIFT
    private const nint CreateSecret = 447; // memfd_secret, on x86-64 and Arm64

    /// <summary>Device and type of each; a size of huge pages that the kernel refuses is left out.</summary>
    public static IReadOnlyList<(uint Device, FileSystemType Type)> Find(string sys)
    {
        var found = new List<(uint, FileSystemType)>();
        Add(found, LibC.CreateMemfd("pando", CloseOnExec), new FileSystemType(FileSystemType.Memory));
        foreach (var size in HugePageSizes(sys))
        {
            var order = (uint)System.Numerics.BitOperations.Log2(size);
            Add(found, LibC.CreateMemfd("pando", CloseOnExec | Huge | (order << HugeSizeShift)), new FileSystemType("hugetlbfs", string.Create(CultureInfo.InvariantCulture, $"pagesize={size >> 10}K")));
        }

        Add(found, (int)LibC.SystemCall(CreateSecret, LibC.CloseOnExec, 0, 0, 0, 0), new FileSystemType(FileSystemType.Secret));
        return found;
    }

    /// <summary>Sizes in bytes of the pools of /sys/kernel/mm/hugepages.</summary>
    private static IEnumerable<ulong> HugePageSizes(string sys)
    {
        var root = Path.Combine(sys, "kernel/mm/hugepages");
        if (!Directory.Exists(root))
        {
            yield break;
        }

        foreach (var pool in Directory.EnumerateDirectories(root))
        {
            var name = Path.GetFileName(pool); // hugepages-2048kB
            if (name.StartsWith("hugepages-", StringComparison.Ordinal) && name.EndsWith("kB", StringComparison.Ordinal)
                && ulong.TryParse(name["hugepages-".Length..^2], NumberStyles.None, CultureInfo.InvariantCulture, out var size) && System.Numerics.BitOperations.IsPow2(size))
            {
                yield return size << 10;
            }
        }
    }

    private static void Add(List<(uint, FileSystemType)> found, int file, FileSystemType type)
    {
        if (file < 0)
        {
            return;
        }

        if (FileFacts.DeviceOf(file) is { } device)
        {
            found.Add((device, type));
        }

        _ = LibC.Close(file);
    }
}
