using System.Collections.Concurrent;
using System.Globalization;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// The type of the file system behind each device of which something is mapped. The kernel's own mounts are known by
/// their device, all others by mountinfo: this program's, and where a device is mounted elsewhere, that of a process
/// which maps it. Only what no mountinfo shows (detached mounts, pseudo file systems) is asked, by the child.
/// Safe for use by several threads.
/// </summary>
internal sealed class DeviceTypes
{
    private readonly ScanOptions _options;
    private readonly ConcurrentDictionary<uint, FileSystemType> _types = new();
    private readonly HashSet<uint> _own = [];
    private readonly ConcurrentDictionary<string, bool> _seen = new();
    private readonly ConcurrentDictionary<(int Pid, string Kind), string> _namespaces = new();

    public DeviceTypes(ScanOptions options, FileContents file)
    {
        _options = options;
        foreach (var (device, type) in KernelMounts.Find(options.Sys))
        {
            _own.Add(device);
            _types[device] = type;
        }

        MountTable.Read(file, Path.Combine(options.Proc, "self/mountinfo"), Add);
    }

    /// <summary>The type; its name is empty where nothing is known.</summary>
    public FileSystemType Of(uint device) => _types.GetValueOrDefault(device, new FileSystemType(""));

    /// <summary>True for a file system that the kernel has for itself.</summary>
    public bool IsKernelsOwn(uint device) => _own.Contains(device);

    /// <summary>True if nothing is known of the device.</summary>
    public bool IsUnknown(uint device) => !_types.ContainsKey(device);

    /// <summary>Reads the mounts that a process sees, once for each mount namespace.</summary>
    public void LookFrom(ProcessFacts process, FileContents file)
    {
        var name = Namespace(process, "mnt");
        if (name.Length == 0 || _seen.TryAdd(name, true))
        {
            MountTable.Read(file, string.Create(CultureInfo.InvariantCulture, $"{_options.Proc}/{process.Reader}/mountinfo"), Add);
        }
    }

    /// <summary>What statfs said of a device that no mountinfo shows.</summary>
    public void Learn(uint device, FileAnswer answer)
    {
        var type = FileSystemType.OfMagic(answer.FileSystemType);
        _types.TryAdd(device, type.Name == "hugetlbfs" ? type with { Options = string.Create(CultureInfo.InvariantCulture, $"pagesize={answer.BlockSize >> 10}K") } : type);
    }

    /// <summary>The device is a hugetlbfs with pages of this size, as a process's smaps says.</summary>
    public void LearnHugePages(uint device, ulong pageSize) =>
        _types.TryAdd(device, new FileSystemType("hugetlbfs", string.Create(CultureInfo.InvariantCulture, $"pagesize={pageSize >> 10}K")));

    /// <summary>The name of a process's namespace, as in "ipc:[4026531839]"; empty if it may not be read.</summary>
    public string Namespace(ProcessFacts process, string kind) => _namespaces.GetOrAdd((process.Reader, kind), ReadNamespace);

    private string ReadNamespace((int Pid, string Kind) key)
    {
        try
        {
            return new FileInfo(string.Create(CultureInfo.InvariantCulture, $"{_options.Proc}/{key.Pid}/ns/{key.Kind}")).LinkTarget ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private void Add(uint device, FileSystemType type) => _types.TryAdd(device, type);
}
