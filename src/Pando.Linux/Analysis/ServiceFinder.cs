using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// Finds services: processes of one kind that map the same shared memory, directly or through others. Virtual machines
/// of Java and of QEMU, and MySQL, are one process each.
/// </summary>
internal static class ServiceFinder
{
    private static readonly string[] Postgres = ["postgres", "postmaster", "edb-postgres"];
    private static readonly string[] MySql = ["mysqld", "mariadbd"];
    private static readonly string[] Redis = ["redis-server", "valkey-server", "keydb-server"];
    private static readonly string[] Dpdk = ["dpdk-", "testpmd", "ovs-vswitchd", "vpp", "spdk_tgt", "nvmf_tgt", "vhost", "trex-core", "pktgen"];

    /// <summary>True if the kernel's name of a process alone says what it is.</summary>
    public static bool IsKnownName(string name) => KindOf(name, "") != ServiceKind.Other;

    /// <summary>Tells the kind by the kernel's name of the process, and by its program (a path, or empty).</summary>
    public static ServiceKind KindOf(string name, string executable)
    {
        var program = executable[(executable.LastIndexOf('/') + 1)..].Replace(" (deleted)", "", StringComparison.Ordinal);
        bool Is(params string[] names) => names.Contains(program) || names.Contains(name);
        bool Starts(string prefix) => program.StartsWith(prefix, StringComparison.Ordinal) || name.StartsWith(prefix, StringComparison.Ordinal);
        return true switch
        {
            _ when Is(Postgres) => ServiceKind.PostgreSql,
            _ when name.StartsWith("ora_", StringComparison.Ordinal) || name.StartsWith("asm_", StringComparison.Ordinal) || name.StartsWith("oracle", StringComparison.Ordinal) || program == "oracle" => ServiceKind.Oracle,
            _ when Is(MySql) => ServiceKind.MySql,
            _ when Is("java") => ServiceKind.Jvm,
            _ when Starts("qemu-system") || Is("qemu-kvm", "kvm") => ServiceKind.Qemu,
            _ when Is(Redis) => ServiceKind.Redis,
            _ when Dpdk.Any(Starts) => ServiceKind.Dpdk,
            _ => ServiceKind.Other,
        };
    }

    /// <summary>Groups the objects of shared memory (those that huge pages would help, and those in huge pages) and their
    /// processes; and servers with private memory alone.</summary>
    public static IReadOnlyList<Service> Find(IReadOnlyList<ObjectReport> objects, Dictionary<int, List<ProcessTables>> mappers, IReadOnlyList<ProcessTables> processes)
    {
        var kinds = new Dictionary<int, ServiceKind>();
        ServiceKind Kind(ProcessTables process)
        {
            if (!kinds.TryGetValue(process.Facts.Pid, out var kind))
            {
                kinds[process.Facts.Pid] = kind = KindOf(process.Facts.Name, process.Facts.Service?.Executable ?? "");
            }

            return kind;
        }

        var sets = new DisjointSets();
        var kindOf = new Dictionary<int, ServiceKind>();
        foreach (var o in objects)
        {
            var owners = mappers[o.Number];
            // The processes of the kind that has most tables for it: a virtual machine's memory is mapped by its back ends too.
            kindOf[o.Number] = owners.GroupBy(Kind).OrderByDescending(g => g.Key != ServiceKind.Other).ThenByDescending(g => g.Sum(p => p.Objects.GetValueOrDefault(o.Number)?.LiveTotal ?? 0)).First().Key;
            if (o.Kind == ObjectKind.Memfd && o.Name.StartsWith("/memfd:nohuge", StringComparison.Ordinal) && kindOf[o.Number] == ServiceKind.Other)
            {
                kindOf[o.Number] = ServiceKind.Dpdk; // made by DPDK's EAL where it is told to do without huge pages
            }
        }

        foreach (var o in objects)
        {
            foreach (var process in mappers[o.Number].Where(p => kindOf[o.Number] is ServiceKind.Dpdk || Kind(p) == kindOf[o.Number]))
            {
                sets.Join(ObjectKey(o.Number), ProcessKey(process.Facts.Pid));
            }
        }

        var byProcess = processes.Where(p => p.Facts.Mappings is not null).ToDictionary(p => p.Facts.Pid);
        var services = new List<Service>();
        var taken = new HashSet<int>();
        foreach (var group in objects.GroupBy(o => sets.Find(ObjectKey(o.Number))))
        {
            var pids = group.SelectMany(o => mappers[o.Number]).Where(p => sets.Find(ProcessKey(p.Facts.Pid)) == group.Key).Select(p => p.Facts.Pid).Distinct().ToList();
            taken.UnionWith(pids);
            services.Add(new Service(kindOf[group.First().Number], Ordered([.. pids.Select(p => byProcess[p])]), [.. group]));
        }

        services.AddRange(processes.Where(p => p.Facts.Mappings is not null && !taken.Contains(p.Facts.Pid) && Kind(p) is ServiceKind.MySql or ServiceKind.Jvm or ServiceKind.Qemu or ServiceKind.Redis)
            .Select(p => new Service(Kind(p), [p], [])));
        return services;
    }

    private static long ObjectKey(int number) => number;

    private static long ProcessKey(int pid) => -1L - pid;

    /// <summary>A process whose parent is not among them is the first; Oracle's is pmon.</summary>
    private static IReadOnlyList<ProcessTables> Ordered(IReadOnlyList<ProcessTables> members)
    {
        var pids = members.Select(m => m.Facts.Pid).ToHashSet();
        return [.. members
            .OrderByDescending(m => m.Facts.Name.StartsWith("ora_pmon", StringComparison.Ordinal))
            .ThenByDescending(m => m.Facts.Service is { } service && !pids.Contains(service.ParentPid))
            .ThenBy(m => m.Facts.Pid)];
    }

    /// <summary>Sets that are joined, by the smallest key in each.</summary>
    private sealed class DisjointSets
    {
        private readonly Dictionary<long, long> _parents = [];

        public long Find(long key)
        {
            var root = key;
            while (_parents.TryGetValue(root, out var parent) && parent != root)
            {
                root = parent;
            }

            while (_parents.TryGetValue(key, out var next) && next != root)
            {
                _parents[key] = root;
                key = next;
            }

            return root;
        }

        public void Join(long a, long b)
        {
            var (first, second) = (Find(a), Find(b));
            _parents[Math.Max(first, second)] = Math.Min(first, second);
        }
    }
}
