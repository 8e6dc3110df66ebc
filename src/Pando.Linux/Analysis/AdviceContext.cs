using System.Globalization;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>What all advice of one report is written from.</summary>
internal sealed class AdviceContext
{
    private readonly Dictionary<string, CgroupFacts> _cgroups;

    public AdviceContext(MachineSnapshot snapshot, Dictionary<int, List<ProcessTables>> mappers, IReadOnlyList<ProcessTables> processes)
    {
        Snapshot = snapshot;
        Mappers = mappers;
        Processes = processes;
        Budget = new HugePageBudget(snapshot.Machine);
        _cgroups = snapshot.Cgroups.GroupBy(c => c.Path).ToDictionary(g => g.Key, g => g.First());
    }

    public MachineSnapshot Snapshot { get; }

    public Dictionary<int, List<ProcessTables>> Mappers { get; }

    public IReadOnlyList<ProcessTables> Processes { get; }

    public HugePageBudget Budget { get; }

    /// <summary>What is left out, and why.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Cgroups of the processes in which huge pages of this size are limited to less than the service needs.</summary>
    public IReadOnlyList<HugetlbLimit> ShortLimits(Service service, ulong size, long bytes) =>
        [.. service.Members.Select(m => m.Facts.OtherCgroups?.Hugetlb ?? m.Facts.Cgroup).Distinct()
            .SelectMany(path => _cgroups.GetValueOrDefault(path)?.Hugetlb ?? [])
            .Where(l => l.PageSize == size && l.Limit - l.Used < bytes)
            .DistinctBy(l => l.File)];

    /// <summary>What the processes' cgroups may still take of memory, at the tightest level; null if there is no limit.</summary>
    public long? MemoryLeft(IEnumerable<ProcessFacts> processes)
    {
        var limits = processes.Select(p => p.Cgroup).Distinct().Select(path => _cgroups.GetValueOrDefault(path)).Where(c => c is { MemoryLimit: not null, MemoryUsed: not null })
            .Select(c => c!.MemoryLimit!.Value - c.MemoryUsed!.Value).ToList();
        return limits.Count == 0 ? null : Math.Max(0, limits.Min());
    }

    /// <summary>The pod that the service runs in ("namespace/name", or "pod UID"); null if it runs in none.</summary>
    public string? PodOf(Service service)
    {
        foreach (var process in service.Members.Select(m => m.Facts).DistinctBy(f => f.OtherCgroups?.Unit ?? f.Cgroup))
        {
            var path = process.OtherCgroups?.Unit ?? process.Cgroup;
            var name = CgroupName.Of(path);
            if (name.PodUid.Length > 0)
            {
                return _cgroups.GetValueOrDefault(path)?.PodName ?? $"pod {name.PodUid}";
            }
        }

        return null;
    }

    /// <summary>What the service runs in, for people; empty if its cgroup does not tell.</summary>
    public string LabelOf(Service service) => CgroupAnalysis.LabelOf(service.Leader, _cgroups);

    /// <summary>Others that take huge pages of the pool when they start next, or have them now: a few, for people.</summary>
    public string OtherUsers(Service service, IReadOnlyList<Service> all)
    {
        var own = service.Members.Select(m => m.Facts.Pid).ToHashSet();
        var users = new List<string>();
        foreach (var other in all.Where(s => s != service && s.Objects.Any(o => o.Kind != ObjectKind.Hugetlb)))
        {
            if (other.Kind is ServiceKind.PostgreSql or ServiceKind.Oracle)
            {
                users.Add($"{Name(other)} ({(other.Kind == ServiceKind.PostgreSql ? "huge_pages is 'try' unless it is set" : "use_large_pages is TRUE unless it is set")})");
            }
        }

        foreach (var group in Snapshot.Processes.Where(p => !own.Contains(p.Pid) && (p.HugetlbBytes > 0 || p.Service?.Arguments.Any(a => a is "-XX:+UseLargePages" or "--large-pages") == true)).GroupBy(p => p.Name))
        {
            users.Add(string.Create(CultureInfo.InvariantCulture, $"{group.Key} ({group.First().Pid}{(group.Count() > 1 ? $" and {group.Count() - 1} more" : "")})"));
        }

        return string.Join(", ", users.Distinct().Take(6)) + (users.Count > 6 ? ", ..." : "");
    }

    /// <summary>The service by name and first process.</summary>
    public static string Name(Service service) => service.Kind switch
    {
        ServiceKind.PostgreSql => $"PostgreSQL{(service.Leader.Service is { WorkingDirectory.Length: > 0 } s ? $" in {s.WorkingDirectory}" : $" of process {service.Leader.Pid}")}",
        ServiceKind.Oracle => $"Oracle{OracleName(service)}",
        _ => string.Create(CultureInfo.InvariantCulture, $"{service.Leader.Name} ({service.Leader.Pid}{(service.Members.Count > 1 ? $" and {service.Members.Count - 1} more" : "")})"),
    };

    /// <summary>The instance's name, as far as 15 letters of a process's name tell it.</summary>
    public static string OracleName(Service service)
    {
        var name = service.Members.Select(m => m.Facts.Name).FirstOrDefault(n => n.StartsWith("ora_pmon_", StringComparison.Ordinal));
        return name is null ? "" : " " + name["ora_pmon_".Length..];
    }
}
