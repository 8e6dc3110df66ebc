using System.Text;
using Pando.Linux.Native;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>Finds a process's cgroup and what page tables are charged to cgroups.</summary>
internal static class CgroupReader
{
    /// <summary>The path in /proc/PID/cgroup of the hierarchy that accounts memory: v1 memory if there is one, else v2.</summary>
    public static string PathOf(ReadOnlySpan<byte> text)
    {
        var unified = "";
        while (ProcText.TryLine(ref text, out var bytes))
        {
            var parts = Printable.Decode(bytes).Split(':', 3);
            if (parts.Length != 3)
            {
                continue;
            }

            if (parts[1].Split(',').Contains("memory"))
            {
                return parts[2];
            }

            if (parts[0] == "0")
            {
                unified = parts[2];
            }
        }

        return unified;
    }

    /// <summary>Reads memory.stat of each cgroup.</summary>
    public static IReadOnlyList<CgroupFacts> Read(ScanOptions options, IEnumerable<string> paths)
    {
        var file = new FileContents();
        var root = MountPoint(Encoding.UTF8.GetString(file.Read(Path.Combine(options.Proc, "self/mounts"), out _)));
        return [.. paths.Where(p => p.Length > 0).Distinct().Order(StringComparer.Ordinal).Select(path =>
        {
            var numbers = ProcText.Numbers(file.Read($"{root}{path.TrimEnd('/')}/memory.stat", out _));
            return new CgroupFacts(path, numbers.TryGetValue("pagetables", out var bytes) ? bytes : null);
        })];
    }

    private static string MountPoint(string mounts)
    {
        var unified = "/sys/fs/cgroup";
        foreach (var line in mounts.Split('\n'))
        {
            var words = line.Split(' ');
            if (words.Length < 4)
            {
                continue;
            }

            if (words[2] == "cgroup" && words[3].Split(',').Contains("memory"))
            {
                return words[1];
            }

            if (words[2] == "cgroup2")
            {
                unified = words[1];
            }
        }

        return unified;
    }
}
