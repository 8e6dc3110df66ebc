using System.Globalization;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Analysis;

/// <summary>
/// Advises huge pages of a pool: one advice for each service, in its own words, for all that it maps, and none that the machine
/// or its cgroup cannot give.
/// </summary>
internal sealed class HugetlbAdvice(AdviceContext context)
{
    private const long Worthwhile = 1L << 20;

    // Private memory of a server that it makes of huge pages: buffer pool, guest RAM.
    private const ulong LargePrivate = 64UL << 20;

    /// <summary>Writes the advice for all services, the greatest saving first: the order in which it is shown, and in which it draws on the pool.</summary>
    public IReadOnlyList<Advice> Write(IReadOnlyList<Service> services)
    {
        var advice = new List<Advice>();
        foreach (var (service, need) in services.Select(s => (Service: s, Need: NeedOf(s))).OrderByDescending(s => s.Need is { IsMeasured: true } n ? n.Saved ?? 0 : 0).ThenByDescending(s => s.Need?.Saved ?? 0))
        {
            if (need is { } n && (n.Saved ?? 0) >= Worthwhile && Advise(service, n, services) is { } one)
            {
                advice.Add(one);
            }
        }

        return advice;
    }

    private Advice? Advise(Service service, Need need, IReadOnlyList<Service> all)
    {
        var name = context.LabelOf(service) is { Length: > 0 } label ? $"{AdviceContext.Name(service)}, {label}" : AdviceContext.Name(service);
        var pod = context.PodOf(service);
        var limits = context.ShortLimits(service, need.PageSize, need.Pages * (long)need.PageSize);
        if (context.Budget.Take(need.PageSize, need.Pages, need.Resident, out var whyNot) is not { } share)
        {
            context.Notes.Add($"Huge pages are not advised for {Objects(service, name)}, where they would save {ByteText.Size(need.Saved ?? 0)} of page tables: {whyNot}.");
            return null;
        }

        var lines = new List<string> { Stop(service, name) };
        if (service.Kind == ServiceKind.Other && need.IsSparse && need.Bytes - need.Resident > need.Saved)
        {
            // It may be a cache that has yet to fill, or an index that never will: only its owner knows.
            lines.Insert(0, $"# only if it fills up later: now {ByteText.Size(need.Resident)} of {ByteText.Size(need.Bytes)} are used, and huge pages take all of it to save {ByteText.Size(need.Saved ?? 0)} of page tables");
        }

        lines.AddRange(share.Lines());
        if (pod is not null)
        {
            lines.AddRange(Kubernetes(pod, share, limits));
        }
        else
        {
            lines.AddRange(Raise(limits, share));
        }

        lines.AddRange(need.Settings(share));
        var others = context.OtherUsers(service, all);
        lines.Add(others.Length > 0
            ? $"# the pool is open to all: {others} may take pages too, now or when started next; what they have now is counted above"
            : "# the pool is open to all: whatever is started with huge pages later takes them from it");
        var extra = share.Bytes - need.Resident;
        return new Advice(need.Title, need.Objects.Count > 0 ? need.Objects[0].Number : ObjectFacts.Anonymous, need.IsMeasured ? need.Saved : null, lines,
            $"{ByteText.Size(share.Bytes)} leave the general pool for good and cannot be swapped{(extra > share.Bytes / 100 ? $" ({ByteText.Size(need.Resident)} of them are in use for the same now)" : "")}; the server must be restarted.")
        {
            Service = service.Kind.ToString(),
            ObjectNumbers = [.. need.Objects.Select(o => o.Number)],
            Pages = share.Pages,
            PageSize = (long)share.Size,
            MemoryBytes = extra,
        };
    }

    private static string Objects(Service service, string name) => service.Objects.Count == 0 ? name : $"{string.Join(", ", service.Ordinary.Take(3).Select(o => o.Label))} of {name}";

    private static string Stop(Service service, string name) => string.Create(CultureInfo.InvariantCulture,
        $"# first stop {name}: {service.Members.Count} process{(service.Members.Count == 1 ? "" : "es")}; what it holds now is freed by that, and the pool is made of it{(service.Ordinary.Any(o => o.Kind == ObjectKind.SharedMemory) ? " (files on tmpfs must be removed, too)" : "")}");

    private static IEnumerable<string> Raise(IReadOnlyList<HugetlbLimit> limits, HugePageShare share)
    {
        foreach (var limit in limits)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"echo {limit.Used + share.Bytes} > {Printable.ShellWord(limit.File)}   # cgroup {limit.Level} may have {ByteText.Size(limit.Limit)} of such pages: {(limit.IsReserved ? "mmap fails beyond" : "the first touch beyond is SIGBUS (Bus error)")}");
        }

        if (limits.Count > 0)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"# a cgroup that is made anew has the old limit: a pod needs resources.limits hugepages-{HugePages.Kubernetes(share.Size)}: {share.Bytes >> 20}Mi and a volume emptyDir {{medium: HugePages-{HugePages.Kubernetes(share.Size)}}}; podman run --cgroup-conf={Path.GetFileName(limits[0].File)}={share.Bytes}");
        }
    }

    private static IEnumerable<string> Kubernetes(string pod, HugePageShare share, IReadOnlyList<HugetlbLimit> limits)
    {
        var size = HugePages.Kubernetes(share.Size);
        yield return "systemctl restart kubelet   # on the node: it counts huge pages when it starts";
        yield return $"# in the spec of {pod}, for the container{(limits.Count > 0 ? $" (its cgroup allows {ByteText.Size(limits[0].Limit)} of huge pages: more is a Bus error)" : "")}:";
        yield return "resources:";
        yield return $"  limits: {{hugepages-{size}: {share.Bytes >> 20}Mi}}   # requests must be the same; memory may shrink by as much";
        yield return "volumeMounts:";
        yield return "- {name: hugepages, mountPath: /dev/hugepages}";
        yield return "# and for the pod:";
        yield return "volumes:";
        yield return $"- {{name: hugepages, emptyDir: {{medium: HugePages-{size}}}}}";
    }

    private Need? NeedOf(Service service) => service.Kind switch
    {
        ServiceKind.PostgreSql => Postgres(service),
        ServiceKind.Oracle => Oracle(service),
        ServiceKind.MySql => MySql(service),
        ServiceKind.Jvm => Java(service),
        ServiceKind.Qemu => Qemu(service),
        ServiceKind.Dpdk => Dpdk(service),
        _ => Generic(service),
    };

    /// <summary>Shared objects of a service in pages of a size: those that are not in huge pages yet.</summary>
    private static Need? Shared(Service service, ulong size, string title, Func<HugePageShare, IEnumerable<string>> settings, IEnumerable<ObjectReport>? some = null)
    {
        var objects = (some ?? service.Ordinary).Where(o => Saving(o, size) > 0).ToList();
        if (objects.Count == 0)
        {
            return null;
        }

        var resident = objects.Total(o => o.ResidentBytes ?? 0);
        var touched = objects.Total(o => o.TouchedBytes);
        var known = objects.All(o => o.ResidentBytes is not null);
        return new Need(title, size, objects.Total(o => PagesOf(o, size)), objects.Total(o => Saving(o, size)), resident, known && resident < touched / 2, objects, settings);
    }

    private static long PagesOf(ObjectReport o, ulong size) => size == HugePages.Usual ? o.HugePages : HugePages.For(o.MappedBytes, size);

    private static long Saving(ObjectReport o, ulong size) =>
        o.Cures.FirstOrDefault(c => c.Id == (size >= HugePages.Giant ? "hugetlb-1g" : size == HugePages.Usual ? "hugetlb-2m-shared" : ""))?.SavedBytes ?? 0;

    private Need? Postgres(Service service)
    {
        var facts = service.Leader.Service;
        var version = service.Members.Select(m => m.Facts.Service).OfType<ServiceFacts>().Select(s => PostgresVersion.Of(s.DataVersion, s.Executable)).FirstOrDefault(v => v is not null);
        if (version < 9.4m)
        {
            context.Notes.Add($"{AdviceContext.Name(service)} is version {version.Value.ToString(CultureInfo.InvariantCulture)}: PostgreSQL has huge_pages since 9.4.");
            return null;
        }

        var hasSize = version >= 14;
        var size = hasSize ? HugePages.Usual : context.Budget.DefaultSize;
        if (service.Objects.Any(o => o.Kind == ObjectKind.Hugetlb))
        {
            return null;
        }

        // The setting moves the main segment. What parallel queries share (dynamic_shared_memory_type: /dev/shm, or segments of
        // their own) comes and goes, and stays where it is.
        var main = service.Ordinary.Where(o => o.Kind is ObjectKind.SystemV or ObjectKind.SharedAnonymous or ObjectKind.Memfd).MaxBy(o => o.MappedBytes);
        var isSysV = main?.Kind == ObjectKind.SystemV;
        List<ObjectReport> moved = main is null ? [] : isSysV ? [main] : [.. service.Ordinary.Where(o => o.Kind == main.Kind)];
        return Shared(service, size, "PostgreSQL: shared memory in huge pages", share =>
        {
            var lines = new List<string> { version is { } known ? $"# postgresql.conf (version {known.ToString(CultureInfo.InvariantCulture)})" : "# postgresql.conf (the version could not be read)" };
            if (isSysV)
            {
                lines.Add("shared_memory_type = mmap   # 12 and later; with 'sysv', as now, huge_pages = on stops the server");
            }

            lines.Add("huge_pages = on");
            if (hasSize)
            {
                lines.Add("huge_page_size = 2MB");
            }

            if (share.Size == HugePages.Usual)
            {
                lines.Add(Alignment(moved));
            }

            var directory = facts is { WorkingDirectory.Length: > 0 } ? Printable.ShellWord(facts.WorkingDirectory) : "DATA_DIRECTORY";
            if (version >= 15)
            {
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"# while it is stopped, 'postgres -D {directory} -C shared_memory_size_in_huge_pages' says how many: about {share.Pages}"));
            }

            lines.Add(version >= 17
                ? "# once it is started: SHOW huge_pages_status"
                : $"# once it is started: grep HugetlbPages /proc/$(head -1 {directory}/postmaster.pid)/status");
            return lines;
        }, moved);
    }

    private static string Alignment(IEnumerable<ObjectReport> objects) =>
        string.Create(CultureInfo.InvariantCulture, $"# PMD tables are then shared for each whole aligned GiB that a segment covers: at most {objects.Total(o => o.MappedBytes >> 30)} here");

    private Need? Oracle(Service service)
    {
        // Huge pages that the instance has already are locked, too: one limit for the whole SGA.
        var locked = service.Objects.Total(o => o.Kind == ObjectKind.Hugetlb ? o.MappedBytes : HugePages.For(o.MappedBytes, context.Budget.DefaultSize) * (long)context.Budget.DefaultSize);
        var isAutomatic = service.Ordinary.Any(o => o.Kind == ObjectKind.SharedMemory);
        return Shared(service, context.Budget.DefaultSize, $"Oracle{AdviceContext.OracleName(service)}: SGA in huge pages", share =>
        [
            string.Create(CultureInfo.InvariantCulture, $"echo 'oracle - memlock {locked / 1024}' >> /etc/security/limits.d/90-oracle.conf   # the whole SGA, {ByteText.Size(locked)}; the listener and the server must be started from a new login"),
            string.Create(CultureInfo.InvariantCulture, $"-- with ONLY it does not start on fewer than {HugePages.For(locked, share.Size)} free pages: check first, or leave TRUE"),
            "ALTER SYSTEM SET use_large_pages='ONLY' SCOPE=SPFILE;",
            $"-- automatic memory management{(isAutomatic ? ", which this instance uses," : "")} cannot use huge pages{(isAutomatic ? ": set sga_target and pga_aggregate_target" : "")}",
            "ALTER SYSTEM RESET memory_target SCOPE=SPFILE;",
            "ALTER SYSTEM RESET memory_max_target SCOPE=SPFILE;",
            Alignment(service.Ordinary).Replace("#", "--", StringComparison.Ordinal),
        ]);
    }

    private Need? MySql(Service service)
    {
        var process = service.Members[0];
        var mappings = process.Facts.Mappings!;
        if (process.Facts.HugetlbBytes > 0 || process.Facts.Service?.Arguments.Contains("--large-pages") == true)
        {
            return null;
        }

        // It asks for the default size, whatever others there are.
        var size = context.Budget.DefaultSize;
        var memory = PrivateMemory.Of(process, i => (mappings[i].Rights & MappingRights.Write) != 0 && mappings[i].Length >= LargePrivate);
        return memory.Bytes == 0 ? null : new Need("MySQL: buffer pool in huge pages", size, HugePages.For(memory.Bytes, size), memory.TableBytes, Math.Min(memory.Bytes, process.Facts.AnonymousBytes), false, [], share =>
        [
            "# my.cnf",
            "[mysqld]",
            "large-pages",
            string.Create(CultureInfo.InvariantCulture, $"sysctl -w vm.hugetlb_shm_group=$(id -g mysql)   # or CAP_IPC_LOCK: it may ask for them by shmget"),
            "# its unit (systemctl edit mysqld, or mariadb): [Service] LimitMEMLOCK=infinity",
            "# its log says 'Using conventional memory pool' where it did not get them",
        ])
        {
            IsMeasured = false, // no test has followed it on a server
        };
    }

    private Need? Java(Service service)
    {
        var process = service.Members[0];
        if (process.Facts.HugetlbBytes > 0 || process.Facts.Service?.Arguments.Contains("-XX:+UseLargePages") == true)
        {
            return null;
        }

        var heap = service.Ordinary.Where(o => o.Name.StartsWith("/memfd:java_heap", StringComparison.Ordinal) || o.Name.StartsWith("/memfd:shenandoah", StringComparison.Ordinal)).ToList();
        var java = JavaMemory.Of(process, heap.Total(o => Math.Max(o.MappedBytes, 0)));
        var saved = heap.Count > 0 ? heap.Total(o => Saving(o, HugePages.Usual)) + (java.Private.TableBytes ?? 0) : java.Private.TableBytes;
        var resident = heap.Count > 0 ? heap.Total(o => o.ResidentBytes ?? 0) : Math.Min(process.Facts.AnonymousBytes, java.HeapBytes);
        return java.HeapBytes == 0 ? null : new Need($"Java ({service.Leader.Pid}): heap and code in huge pages", HugePages.Usual, java.Pages(HugePages.Usual), saved, resident, false, heap, share =>
        [
            $"-XX:+UseLargePages{(context.Budget.DefaultSize == HugePages.Usual ? "" : " -XX:LargePageSizeInBytes=2m")}   # to the JVM's arguments{(heap.Count > 0 ? "; ZGC does not start on fewer pages" : "")}",
            string.Create(CultureInfo.InvariantCulture, $"# {ByteText.Size(java.HeapBytes)} heap (all of -Xmx), {ByteText.Size(java.CodeBytes)} code cache (-XX:ReservedCodeCacheSize){(java.CollectorBytes > 0 ? $", {ByteText.Size(java.CollectorBytes)} for the collector" : "")}"),
            "# check: java -Xlog:pagesize=info says 'Large page support enabled'",
        ]);
    }

    private static Need? Qemu(Service service)
    {
        var process = service.Members[0];
        var mappings = process.Facts.Mappings!;
        var shared = Shared(service, HugePages.Usual, "", _ => []);
        // What may be executed is code that QEMU has translated.
        var memory = PrivateMemory.Of(process, i => (mappings[i].Rights & (MappingRights.Write | MappingRights.Execute)) == MappingRights.Write && mappings[i].Length >= LargePrivate);
        var bytes = memory.Bytes + (shared?.Objects.Total(o => o.MappedBytes) ?? 0);
        if (process.Facts.HugetlbBytes > 0 || bytes == 0)
        {
            return null;
        }

        var saved = (shared?.Saved ?? 0) + (memory.Bytes > 0 ? memory.TableBytes : 0);
        var resident = (shared?.Resident ?? 0) + (memory.Bytes > 0 ? Math.Min(process.Facts.AnonymousBytes, memory.Bytes) : 0);
        var pages = HugePages.For(memory.Bytes, HugePages.Usual) + (shared?.Pages ?? 0);
        var size = ByteText.Size(bytes);
        var name = CgroupName.Of(process.Facts.OtherCgroups?.Unit ?? process.Facts.Cgroup) is { Kind: CgroupKind.VirtualMachine } machine ? machine.Unit : "NAME";
        return new Need($"QEMU ({service.Leader.Pid}): guest memory in huge pages", HugePages.Usual, pages, saved, resident, false, shared?.Objects ?? [], share =>
        [
            $"virsh edit {Printable.ShellWord(name)}   # libvirt: <memoryBacking><hugepages><page size='2048' unit='KiB'/></hugepages></memoryBacking>",
            $"# QEMU alone: -object memory-backend-memfd,id=ram,size={bytes >> 20}M,hugetlb=on,hugetlbsize=2M,prealloc=on -machine memory-backend=ram",
            $"# {size} of guest memory; a guest that has touched little of it takes all then",
        ]);
    }

    private static Need? Dpdk(Service service) => Shared(service, HugePages.Usual, $"DPDK ({service.Leader.Pid}): memory in huge pages", share =>
    [
        $"mount -t hugetlbfs -o pagesize=2M none /dev/hugepages   # where it is not mounted with this size yet",
        string.Create(CultureInfo.InvariantCulture, $"# start without --no-huge (and without --in-memory where secondary processes share it): -m {share.Bytes >> 20}, or --socket-mem for each node"),
        "# --single-file-segments makes one file of each list, so that PMD tables can be shared by secondary processes",
        "# at 1 GiB pages there is no PMD table at all: boot with default_hugepagesz=1G hugepagesz=1G hugepages=N",
    ]);

    private static Need? Generic(Service service)
    {
        if (service.Objects.Count == 0)
        {
            return null;
        }

        var names = service.Ordinary.Where(o => Saving(o, HugePages.Usual) > 0).Select(o => o.Label).ToList();
        return Shared(service, HugePages.Usual, $"Huge pages for {string.Join(", ", names.Take(4))}{(names.Count > 4 ? $" and {names.Count - 4} more" : "")}", share =>
        [
            .. service.Ordinary.Select(o => o.Kind).Distinct().Select(kind => Words(kind, service)).Distinct(),
            "# for PMD tables to be shared too: place it at a multiple of 1 GiB, a multiple of 1 GiB long",
        ]);
    }

    private static string Words(ObjectKind kind, Service service) => kind switch
    {
        ObjectKind.SystemV => $"# shmget(key, size, SHM_HUGETLB | SHM_HUGE_2MB | ...); the user needs vm.hugetlb_shm_group = its group, CAP_IPC_LOCK, or memlock {service.Ordinary.Where(o => o.Kind == ObjectKind.SystemV).Total(o => HugePages.For(o.MappedBytes, HugePages.Usual) << 11)} KiB{LockLimit(service)}",
        ObjectKind.Memfd => "# memfd_create(name, MFD_HUGETLB | MFD_HUGE_2MB)",
        ObjectKind.SharedAnonymous => "# mmap(..., MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, ...)",
        _ => "mkdir -p /mnt/huge && mount -t hugetlbfs -o pagesize=2M none /mnt/huge   # and the file there instead of on tmpfs",
    };

    private static string LockLimit(Service service) =>
        service.Leader.Service is { MayLock: false, LockLimitBytes: { } limit } ? $" (it has {limit / 1024} KiB)" : "";

    /// <summary>What one service needs; <c>Saved</c> is null if it could not be computed.</summary>
    private sealed record Need(string Title, ulong PageSize, long Pages, long? Saved, long Resident, bool IsSparse, IReadOnlyList<ObjectReport> Objects, Func<HugePageShare, IEnumerable<string>> Settings)
    {
        public long Bytes => Pages * (long)PageSize;

        /// <summary>False if what it saves is only good for an order: the advice then has no number.</summary>
        public bool IsMeasured { get; init; } = true;
    }
}
