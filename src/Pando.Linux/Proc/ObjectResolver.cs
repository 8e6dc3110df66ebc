using System.Collections.Concurrent;
using System.Globalization;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// Finds out what mapped objects are: the file system behind a device says hugetlb (and the page size) or tmpfs,
/// statx says DAX, FIEMAP says where a DAX file lies. Each device and each large file is asked once.
/// </summary>
internal sealed class ObjectResolver(ScanOptions options, PatientReader reader)
{
    private const ulong SmallestDaxFile = 2UL << 20;
    private readonly ConcurrentDictionary<string, (ulong HugePageSize, string FileSystem)> _devices = [];

    public IReadOnlyList<ObjectFacts> Resolve(IReadOnlyList<ObjectFacts> objects, IReadOnlyList<ProcessFacts> processes)
    {
        var resolved = objects.ToArray();
        var seen = new bool[resolved.Length];
        reader.ForEach([.. processes.Where(p => p.Mappings is not null)], 1, p => p.Pid, "its files", (process, file) =>
        {
            // What one process's files could not tell, since it is stuck, those of the next that maps them do.
            var found = new Dictionary<int, ObjectFacts>();
            foreach (var mapping in process.Mappings!)
            {
                var number = mapping.ObjectNumber;
                if (!seen[number] && objects[number] is { Kind: not (ObjectKind.Anonymous or ObjectKind.Special) } facts && !found.ContainsKey(number))
                {
                    found[number] = Resolve(facts, process, mapping, file);
                    file.Heart.Beat();
                }
            }

            return found;
        }, (_, found) =>
        {
            foreach (var (number, facts) in found)
            {
                (resolved[number], seen[number]) = (facts, true);
            }
        });
        return resolved;
    }

    private ObjectFacts Resolve(ObjectFacts facts, ProcessFacts process, in MappingFacts mapping, FileContents file)
    {
        if (facts.Kind == ObjectKind.DaxDevice)
        {
            return facts;
        }

        var link = string.Create(CultureInfo.InvariantCulture, $"{options.Proc}/{process.Pid}/map_files/{mapping.Start:x}-{mapping.End:x}");
        var path = FileFacts.TryFileSystem(link, out _, out _) ? link : facts.Name.EndsWith(" (deleted)", StringComparison.Ordinal) ? null : facts.Name;
        var (hugePageSize, fileSystem) = OfDevice(facts, process, mapping, path, file);
        var kind = hugePageSize > 0 ? ObjectKind.Hugetlb
            : facts.Kind == ObjectKind.File && fileSystem == "tmpfs" ? ObjectKind.SharedMemory
            : facts.Kind;
        facts = facts with { Kind = kind, HugePageSize = hugePageSize, FileSystem = fileSystem };
        return facts.Kind == ObjectKind.File && path is not null && mapping.Length >= SmallestDaxFile ? WithDax(facts, path, file) : facts;
    }

    private (ulong HugePageSize, string FileSystem) OfDevice(ObjectFacts facts, ProcessFacts process, in MappingFacts mapping, string? path, FileContents file)
    {
        if (_devices.TryGetValue(facts.Device, out var known))
        {
            return known;
        }

        if (path is not null && FileFacts.TryFileSystem(path, out var type, out var blockSize))
        {
            return _devices[facts.Device] = type switch
            {
                FileSystemStatus.HugetlbType => ((ulong)blockSize, "hugetlbfs"),
                FileSystemStatus.TmpfsType => (0, "tmpfs"),
                0x58465342 => (0, "xfs"),
                0xEF53 => (0, "ext4"),
                _ => (0, ""),
            };
        }

        // No path and no right to follow map_files: the process's own smaps tells the page size. Ordinary files need
        // no such look, and deleted ones are all that is left here.
        var start = mapping.Start;
        var entry = SmapsParser.Parse(file.Read($"{options.Proc}/{process.Pid}/smaps", out _)).FirstOrDefault(e => e.Start == start);
        return entry.KernelPageSize == 0 ? (0, "")
            : _devices[facts.Device] = entry.KernelPageSize > (ulong)Environment.SystemPageSize ? (entry.KernelPageSize, "hugetlbfs") : (0, "");
    }

    private ObjectFacts WithDax(ObjectFacts facts, string path, FileContents file)
    {
        if (!FileFacts.TryStatus(path, out var dax, out var size, out _) || !dax)
        {
            return facts;
        }

        return facts with
        {
            Kind = ObjectKind.DaxFile,
            Dax = new DaxFacts(DeviceStart(facts.Device, file), size, facts.FileSystem, FileFacts.TryExtents(path) ?? []),
        };
    }

    /// <summary>Where the block device begins in persistent memory: a partition's first sector, plus the address of
    /// the namespace if the kernel tells it (root).</summary>
    private ulong? DeviceStart(string device, FileContents file)
    {
        var parts = device.Split(':');
        if (parts.Length != 2)
        {
            return null;
        }

        var directory = $"{options.Sys}/dev/block/{Convert.ToInt32(parts[0], 16)}:{Convert.ToInt32(parts[1], 16)}";
        if (!Directory.Exists(directory))
        {
            return null;
        }

        var sectors = Number($"{directory}/start", file) ?? 0;
        var resource = Number($"{directory}/device/resource", file) ?? Number($"{directory}/../device/resource", file) ?? 0;
        return resource + (sectors * 512);
    }

    private static ulong? Number(string path, FileContents file)
    {
        var text = System.Text.Encoding.ASCII.GetString(file.Read(path, out var error)).Trim();
        if (error != 0)
        {
            return null;
        }

        return text.StartsWith("0x", StringComparison.Ordinal)
            ? ulong.TryParse(text[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var hex) ? hex : null
            : ulong.TryParse(text, CultureInfo.InvariantCulture, out var value) ? value : null;
    }
}
