using System.Globalization;
using System.Text;
using Pando.Linux.Native;

namespace Pando.Linux.Proc;

/// <summary>What is known of devices by their numbers, wherever their nodes stand and whatever they are called.</summary>
internal static class DeviceNodes
{
    private const uint MemoryMajor = 1; // MEM_MAJOR of linux/major.h
    private const uint ZeroMinor = 5; // drivers/char/mem.c

    /// <summary>True for /dev/zero: a private mapping of it is private memory (mmap_zero), a shared one the kernel shows as
    /// a file of its own.</summary>
    public static bool IsZero(uint major, uint minor) => (major, minor) == (MemoryMajor, ZeroMinor);

    /// <summary>True for a character device of persistent memory: its subsystem in sysfs is "dax".</summary>
    public static bool IsDax(string sys, uint device)
    {
        try
        {
            return new FileInfo($"{sys}/dev/char/{DeviceNumber.SysText(device)}/subsystem").LinkTarget is { } target && Path.GetFileName(target) == "dax";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Where a block device begins in persistent memory: a partition's first sector, plus the address of
    /// the namespace if the kernel tells it (root).</summary>
    public static ulong? StartOf(string sys, uint device)
    {
        var directory = $"{sys}/dev/block/{DeviceNumber.SysText(device)}";
        if (!Directory.Exists(directory))
        {
            return null;
        }

        var file = new FileContents();
        var sectors = Number($"{directory}/start", file) ?? 0;
        var resource = Number($"{directory}/device/resource", file) ?? Number($"{directory}/../device/resource", file) ?? 0;
        return resource + (sectors * 512);
    }

    private static ulong? Number(string path, FileContents file)
    {
        var text = Encoding.ASCII.GetString(file.Read(path, out var error)).Trim();
        if (error != 0)
        {
            return null;
        }

        return text.StartsWith("0x", StringComparison.Ordinal)
            ? ulong.TryParse(text[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var hex) ? hex : null
            : ulong.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value : null;
    }
}
