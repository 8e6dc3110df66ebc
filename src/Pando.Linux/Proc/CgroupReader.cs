using System.Diagnostics;
using System.Globalization;
using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Proc;

/// <summary>Finds a process's cgroups, what page tables are charged to cgroups, and what huge pages they may have.</summary>
internal sealed class CgroupReader
{
    private const string Memory = "memory";
    private const string Hugetlb = "hugetlb";
    private const string Systemd = "name=systemd";
    private const string Unified = "";

    // v1's "no limit" is the largest number of pages there is, in bytes.
    private const long Unlimited = 1L << 62;

    // memory.stat makes the kernel sum over processors and cgroups below: some tens of microseconds, milliseconds at worst.
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(2);

    private readonly FileContents _file = new();
    private readonly IReadOnlyList<MountPoint> _mounts;
    private readonly ContainerNames _names;
    private readonly Dictionary<string, IReadOnlyList<HugetlbLimit>> _limits = new(StringComparer.Ordinal);
    private readonly IReadOnlyList<ulong> _hugePageSizes;

    public CgroupReader(ScanOptions options, IReadOnlyList<ulong> hugePageSizes)
    {
        var mounts = MountPoint.Read(_file, Path.Combine(options.Proc, "self/mountinfo"), _ => true);
        _mounts = [.. mounts.Where(m => m.Type is "cgroup" or "cgroup2")];
        _names = new ContainerNames(options, _file, mounts);
        _hugePageSizes = hugePageSizes;
    }

    /// <summary>Parses /proc/PID/cgroup: the path in the hierarchy that accounts memory (v1 memory if there is one,
    /// else v2), and those in the others where they differ.</summary>
    public static (string Path, CgroupPaths? Others) PathsOf(ReadOnlySpan<byte> text)
    {
        var paths = new Dictionary<string, string>(StringComparer.Ordinal);
        while (ProcText.TryLine(ref text, out var line))
        {
            // "4:memory:/a", "1:name=systemd:/b", "0::/c"; a path may have colons.
            var parts = Printable.Decode(line).Split(':', 3);
            if (parts.Length == 3)
            {
                foreach (var controller in parts[1].Split(','))
                {
                    paths[controller] = parts[2];
                }
            }
        }

        var unified = paths.GetValueOrDefault(Unified, "");
        var memory = paths.GetValueOrDefault(Memory, unified);
        var hugetlb = paths.GetValueOrDefault(Hugetlb, unified);
        var unit = new[] { paths.GetValueOrDefault(Systemd, ""), unified, memory }.Concat(paths.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => p.Value))
            .FirstOrDefault(p => p.Length > 1, memory);
        return (memory, unit == memory && hugetlb == memory ? null : new CgroupPaths(unit, hugetlb));
    }

    /// <summary>Reads the cgroups of the processes and those above them; the largest first, as far as time allows.</summary>
    public IReadOnlyList<CgroupFacts> Read(IEnumerable<ProcessFacts> processes, TimeSpan? budget, List<string> notes)
    {
        var tables = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var process in processes)
        {
            Add(tables, process.Cgroup, process.TableBytes);
            if (process.OtherCgroups is { } others)
            {
                Add(tables, others.Hugetlb, 0);
                Add(tables, others.Unit, 0);
            }
        }

        var clock = Stopwatch.StartNew();
        var time = budget is { } given && given / 8 < MostTime ? given / 8 : MostTime;
        var passed = 0;
        var facts = new List<CgroupFacts>(tables.Count);
        foreach (var path in tables.OrderByDescending(t => t.Value).ThenBy(t => t.Key, StringComparer.Ordinal).Select(t => t.Key))
        {
            if (clock.Elapsed > time)
            {
                passed++;
                facts.Add(new CgroupFacts(path, null, "not read, for want of time"));
                continue;
            }

            facts.Add(Read(path));
        }

        if (passed > 0)
        {
            notes.Add($"What is charged to {passed} of {tables.Count} cgroups, and what limits they have, was not read within {time.TotalSeconds:0.##} s; they are those with the fewest page tables.");
        }

        return [.. facts.OrderBy(f => f.Path, StringComparer.Ordinal)];
    }

    /// <summary>Adds to a cgroup and all above it.</summary>
    private static void Add(Dictionary<string, long> tables, string path, long bytes)
    {
        for (var at = path.Length == 0 ? null : path; at is not null; at = CgroupPath.ParentOf(at))
        {
            tables[at] = tables.GetValueOrDefault(at) + bytes;
        }
    }

    private CgroupFacts Read(string path)
    {
        var name = CgroupName.Of(path);
        var facts = new CgroupFacts(path, null,
            Hugetlb: Limits(path),
            ContainerName: _names.OfContainer(name.ContainerId),
            PodName: _names.OfPod(name.PodUid, name.ContainerId));
        if (DirectoryOf(Memory, path) is not var (directory, isUnified))
        {
            return facts with { WhyNotCharged = _mounts.Count == 0 ? "no cgroup file system is mounted here" : "not below what is mounted here (another cgroup namespace)" };
        }

        var text = _file.Read(directory + "/memory.stat", out var error);
        var numbers = ProcText.Numbers(text);
        (long Limit, long Used)? memory = Tightest(path, Memory, isUnified ? "memory.max" : "memory.limit_in_bytes", isUnified ? "memory.current" : "memory.usage_in_bytes") is var (limit, used, _, _) ? (limit, used) : null;
        return facts with
        {
            ChargedTableBytes = numbers.TryGetValue("pagetables", out var charged) ? charged : null,
            SecondaryTableBytes = numbers.TryGetValue("sec_pagetables", out var secondary) ? secondary : null,
            Nodes = isUnified ? Nodes(_file.Read(directory + "/memory.numa_stat", out _)) : null,
            MemoryLimit = memory?.Limit,
            MemoryUsed = memory?.Used,
            WhyNotCharged = numbers.ContainsKey("pagetables") ? null
                : !isUnified ? "cgroup v1 counts page tables among all kernel memory (memory.kmem.usage_in_bytes), and not by themselves"
                : error == LibC.NoSuchFile ? "the memory controller is not enabled for it (cgroup.subtree_control above it)"
                : error != 0 ? "memory.stat may not be read"
                : "this kernel's memory.stat has no pagetables (Linux 5.11)",
        };
    }

    /// <summary>The cgroup's directory in the hierarchy of the controller, and whether that is v2. Null if no mount shows it.</summary>
    private (string Directory, bool IsUnified)? DirectoryOf(string controller, string path)
    {
        var hasOwn = _mounts.Any(m => m.Type == "cgroup" && m.Has(controller));
        foreach (var mount in _mounts.Where(m => hasOwn ? m.Type == "cgroup" && m.Has(controller) : m.Type == "cgroup2"))
        {
            // A container may see its own cgroup at the mount point while its path is the whole way from the host's root.
            if (CgroupPath.Below(path, mount.Root) is { } below)
            {
                return (below.Length == 0 ? mount.Point : $"{mount.Point.TrimEnd('/')}/{string.Join('/', below)}", !hasOwn);
            }
        }

        return null;
    }

    private IReadOnlyList<HugetlbLimit> Limits(string path)
    {
        if (_limits.TryGetValue(path, out var known))
        {
            return known;
        }

        var limits = new List<HugetlbLimit>();
        if (DirectoryOf(Hugetlb, path) is var (_, isUnified))
        {
            foreach (var size in _hugePageSizes)
            {
                var prefix = $"hugetlb.{SizeName(size)}.";
                foreach (var reserved in new[] { false, true })
                {
                    var part = prefix + (reserved ? "rsvd." : "");
                    if (Tightest(path, Hugetlb, part + (isUnified ? "max" : "limit_in_bytes"), part + (isUnified ? "current" : "usage_in_bytes")) is var (limit, used, level, file))
                    {
                        limits.Add(new HugetlbLimit(size, limit, used, level, file, reserved));
                    }
                }
            }
        }

        return _limits[path] = limits;
    }

    /// <summary>The limit, of the cgroup and those above, that leaves the least.</summary>
    private (long Limit, long Used, string Level, string File)? Tightest(string path, string controller, string limitFile, string usedFile)
    {
        (long Limit, long Used, string Level, string File)? tightest = null;
        for (var level = path; level is not null; level = CgroupPath.ParentOf(level))
        {
            if (DirectoryOf(controller, level) is not var (directory, _))
            {
                break;
            }

            var file = $"{directory}/{limitFile}";
            if (Number(file) is { } limit && limit < Unlimited)
            {
                var used = Number($"{directory}/{usedFile}") ?? 0;
                if (tightest is not var (least, leastUsed, _, _) || limit - used < least - leastUsed)
                {
                    tightest = (limit, used, level, file);
                }
            }
        }

        return tightest;
    }

    /// <summary>A number; null for "max", and where there is none.</summary>
    private long? Number(string path) =>
        long.TryParse(System.Text.Encoding.ASCII.GetString(_file.Read(path, out _)).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>As the kernel writes it (mem_fmt in mm/hugetlb_cgroup.c): 64KB, 2MB, 1GB.</summary>
    internal static string SizeName(ulong size) => size switch
    {
        >= 1UL << 30 => $"{size >> 30}GB",
        >= 1UL << 20 => $"{size >> 20}MB",
        _ => $"{size >> 10}KB",
    };

    /// <summary>The lines "pagetables N0=123 N1=456" and "sec_pagetables ..." of memory.numa_stat.</summary>
    private static List<NodeTables>? Nodes(ReadOnlySpan<byte> text)
    {
        var tables = new SortedDictionary<int, (long Tables, long? Secondary)>();
        while (ProcText.TryLine(ref text, out var line))
        {
            var name = ProcText.Word(ref line);
            var isSecondary = name.SequenceEqual("sec_pagetables"u8);
            if (!isSecondary && !name.SequenceEqual("pagetables"u8))
            {
                continue;
            }

            for (var word = ProcText.Word(ref line); !word.IsEmpty; word = ProcText.Word(ref line))
            {
                var equals = word.IndexOf((byte)'=');
                if (equals > 1 && word[0] == (byte)'N')
                {
                    var node = (int)ProcText.Decimal(word[1..equals]);
                    var (known, secondary) = tables.GetValueOrDefault(node);
                    var value = ProcText.Decimal(word[(equals + 1)..]);
                    tables[node] = isSecondary ? (known, value) : (value, secondary);
                }
            }
        }

        return tables.Count == 0 ? null : [.. tables.Select(t => new NodeTables(t.Key, t.Value.Tables, t.Value.Secondary))];
    }
}
