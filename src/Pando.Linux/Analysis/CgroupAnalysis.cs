using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>Sums processes over the tree of cgroups, and says what each cgroup is.</summary>
internal static class CgroupAnalysis
{
    private const string NotKnown = "(not known)";

    /// <summary>Cgroups with processes, and those above them in which several of these come together; the largest first.
    /// With <paramref name="top"/>, only that cgroup and those below.</summary>
    public static IReadOnlyList<CgroupReport> Analyse(MachineSnapshot snapshot, IReadOnlyList<ProcessReport> processes, string? top)
    {
        var tree = Sum(processes);
        var facts = snapshot.Cgroups.GroupBy(c => c.Path).ToDictionary(g => g.Key, g => g.First());
        var units = Units(snapshot.Processes);
        var reports = new List<CgroupReport>();
        foreach (var (path, node) in tree)
        {
            var name = CgroupName.Of(path);
            var isInner = node.Own.Processes == 0 && node.Children < 2 && (name.Kind is CgroupKind.Other or CgroupKind.Slice || name == CgroupName.Of(CgroupPath.ParentOf(path) ?? ""));
            if (isInner || (top is not null && !CgroupPath.IsInside(path, top)))
            {
                continue;
            }

            var read = facts.GetValueOrDefault(path);
            var unitPath = units.GetValueOrDefault(path, path);
            var unit = name.Kind is CgroupKind.Other or CgroupKind.Slice && unitPath != path ? CgroupName.Of(unitPath) : name;
            var named = unit == name ? read : facts.GetValueOrDefault(unitPath);
            reports.Add(new CgroupReport(path.Length == 0 ? NotKnown : path, node.Own.Processes, node.Own.Tables, node.Own.Live, node.Own.Duplicate, node.Own.Empty, read?.ChargedTableBytes)
            {
                Kind = unit.Kind,
                Label = unit.Label(named?.ContainerName, named?.PodName),
                ContainerId = unit.ContainerId,
                PodUid = unit.PodUid,
                TreeProcesses = node.Tree.Processes,
                TreeTableBytes = node.Tree.Tables,
                TreeLive = node.Tree.Live,
                TreeDuplicate = node.Tree.Duplicate,
                TreeEmpty = node.Tree.Empty,
                WhyNotCharged = read?.ChargedTableBytes is not null ? null : read?.WhyNotCharged ?? "its path is not known",
                SecondaryTableBytes = read?.SecondaryTableBytes,
                Nodes = read?.Nodes,
            });
        }

        // Of a cgroup and one below that holds all of it, the one above comes first.
        return [.. reports.OrderByDescending(r => r.TreeTableBytes).ThenByDescending(r => CgroupPath.RiseOf(r.Path)).ThenBy(r => r.Path.Length).ThenBy(r => r.Path, StringComparer.Ordinal)];
    }

    /// <summary>What a process belongs to, for people; empty if nothing tells.</summary>
    public static string LabelOf(ProcessFacts process, IReadOnlyDictionary<string, CgroupFacts> facts)
    {
        var path = process.OtherCgroups?.Unit ?? process.Cgroup;
        var read = facts.GetValueOrDefault(path);
        return CgroupName.Of(path).Label(read?.ContainerName, read?.PodName);
    }

    private static Dictionary<string, Node> Sum(IReadOnlyList<ProcessReport> processes)
    {
        var tree = new Dictionary<string, Node>(StringComparer.Ordinal);
        // In a cgroup namespace the cgroups above its root are those that some process's path leads through.
        var rise = processes.Select(p => CgroupPath.RiseOf(p.Cgroup)).DefaultIfEmpty().Max();
        foreach (var group in processes.GroupBy(p => p.Cgroup))
        {
            var sums = new Sums(group.Count(), group.Total(p => p.TableBytes), group.Total(p => p.Live), group.Total(p => p.Duplicate), group.Total(p => p.Empty));
            Of(tree, group.Key).Own = sums;
            for (var path = group.Key; path is not null; path = path.Length == 0 ? null : CgroupPath.ParentOf(path, rise))
            {
                Of(tree, path).Tree += sums;
            }
        }

        foreach (var path in tree.Keys.ToList())
        {
            if (path.Length > 0 && CgroupPath.ParentOf(path, rise) is { } parent)
            {
                Of(tree, parent).Children++;
            }
        }

        return tree;
    }

    private static Node Of(Dictionary<string, Node> tree, string path)
    {
        if (!tree.TryGetValue(path, out var node))
        {
            tree[path] = node = new Node();
        }

        return node;
    }

    /// <summary>For each cgroup of memory the path that tells what it is, where all its processes agree on one.</summary>
    private static Dictionary<string, string> Units(IReadOnlyList<ProcessFacts> processes)
    {
        var units = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var group in processes.GroupBy(p => p.Cgroup))
        {
            var paths = group.Select(p => p.OtherCgroups?.Unit ?? p.Cgroup).Distinct().Take(2).ToList();
            if (paths.Count == 1)
            {
                units[group.Key] = paths[0];
            }
        }

        return units;
    }

    private sealed class Node
    {
        public Sums Own { get; set; }

        public Sums Tree { get; set; }

        public int Children { get; set; }
    }

    private readonly record struct Sums(int Processes, long Tables, long Live, long Duplicate, long Empty)
    {
        public static Sums operator +(Sums a, Sums b) =>
            new(a.Processes + b.Processes, a.Tables + b.Tables, a.Live + b.Live, a.Duplicate + b.Duplicate, a.Empty + b.Empty);
    }
}
