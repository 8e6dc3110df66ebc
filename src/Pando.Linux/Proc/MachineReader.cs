using System.Globalization;
using System.Text;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>Reads what concerns the whole machine: meminfo, configuration, huge pages, settings.</summary>
internal sealed class MachineReader(ScanOptions options)
{
    private static readonly string[] Settings =
        ["vm/nr_hugepages", "vm/nr_overcommit_hugepages", "vm/hugetlb_shm_group", "kernel/shmmax", "kernel/shmall", "vm/overcommit_memory"];

    private readonly FileContents _file = new();

    public MachineFacts Read(List<string> notes)
    {
        RefreshCounters();
        var release = Text(Path.Combine(options.Proc, "sys/kernel/osrelease"));
        var meminfo = Numbers("meminfo");
        if (!meminfo.TryGetValue("PageTables", out var tables))
        {
            // meminfo may be shadowed in a container; vmstat has the same counter in pages.
            var vmstat = Numbers("vmstat");
            tables = vmstat.GetValueOrDefault("nr_page_table_pages") * Environment.SystemPageSize;
            notes.Add(tables == 0
                ? $"Neither {options.Proc}/meminfo nor vmstat tells the machine's page tables: is {options.Proc} a whole procfs?"
                : $"PageTables is missing from {options.Proc}/meminfo; taken from vmstat.");
        }

        var (la57, isolation) = ProcessorFlags();
        var config = KernelConfig.Read(options.Proc, release);
        return new MachineFacts(
            release,
            la57 ? 5 : 4,
            Environment.ProcessorCount,
            meminfo.GetValueOrDefault("MemTotal"),
            tables,
            meminfo.TryGetValue("SecPageTables", out var secondary) ? secondary : null,
            isolation,
            [.. Pools()],
            config,
            Chosen("kernel/mm/transparent_hugepage/enabled"),
            Chosen("kernel/mm/transparent_hugepage/shmem_enabled"),
            Settings
                .Select(s => (Name: s.Replace('/', '.'), Value: Text(Path.Combine(options.Proc, "sys", s))))
                .Append((Name: MachineFacts.ShmemSetting, Value: Chosen("kernel/mm/transparent_hugepage/hugepages-2048kB/shmem_enabled")))
                .Where(s => s.Value.Length > 0)
                .ToDictionary(s => s.Name, s => s.Value),
            meminfo.TryGetValue("Hugepagesize", out var hugePageSize) && HugePagePool.IsPageSize((ulong)hugePageSize) ? (ulong)hugePageSize : null,
            meminfo.TryGetValue("MemAvailable", out var available) ? available : null,
            meminfo.TryGetValue("Hugetlb", out var hugetlb) ? hugetlb : null,
            Nodes(),
            new TableSharingReader(options, _file).Read(config),
            options.MeasuresFork ? ForkMeter.Measure() : null);
    }

    /// <summary>The counters are kept for each processor and folded now and then; reading stat_refresh (root only)
    /// folds them now.</summary>
    private void RefreshCounters() => _ = _file.Read(Path.Combine(options.Proc, "sys/vm/stat_refresh"), out _);

    private Dictionary<string, long> Numbers(string name) => ProcText.Numbers(_file.Read(Path.Combine(options.Proc, name), out _));

    private string Text(string path) => Encoding.UTF8.GetString(_file.Read(path, out _)).Trim();

    private string Chosen(string name)
    {
        var text = Text(Path.Combine(options.Sys, name));
        var start = text.IndexOf('[', StringComparison.Ordinal);
        var end = text.IndexOf(']', StringComparison.Ordinal);
        return start >= 0 && end > start ? text[(start + 1)..end] : "";
    }

    private (bool La57, bool Isolation) ProcessorFlags()
    {
        var text = _file.Read(Path.Combine(options.Proc, "cpuinfo"), out _);
        while (ProcText.TryLine(ref text, out var line) && !line.IsEmpty)
        {
            if (line.StartsWith("flags"u8))
            {
                return ((Encoding.ASCII.GetString(line) + " ").Contains(" la57 ", StringComparison.Ordinal),
                    (Encoding.ASCII.GetString(line) + " ").Contains(" pti ", StringComparison.Ordinal));
            }
        }

        return (false, false);
    }

    /// <summary>"Node 0 PageTables:  5004 kB" of each node's own meminfo.</summary>
    private List<NodeTables>? Nodes()
    {
        var root = Path.Combine(options.Sys, "devices/system/node");
        if (!Directory.Exists(root))
        {
            return null;
        }

        var nodes = new List<NodeTables>();
        foreach (var directory in Directory.EnumerateDirectories(root, "node*"))
        {
            if (!int.TryParse(Path.GetFileName(directory).AsSpan("node".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                continue;
            }

            long? tables = null, secondary = null;
            var text = _file.Read(Path.Combine(directory, "meminfo"), out _);
            while (ProcText.TryLine(ref text, out var line))
            {
                _ = ProcText.Word(ref line); // "Node"
                _ = ProcText.Word(ref line);
                var name = ProcText.Word(ref line);
                if (name.SequenceEqual("PageTables:"u8))
                {
                    tables = ProcText.Decimal(ProcText.Word(ref line)) * 1024;
                }
                else if (name.SequenceEqual("SecPageTables:"u8))
                {
                    secondary = ProcText.Decimal(ProcText.Word(ref line)) * 1024;
                }
            }

            if (tables is { } bytes)
            {
                nodes.Add(new NodeTables(number, bytes, secondary));
            }
        }

        return nodes.Count == 0 ? null : [.. nodes.OrderBy(n => n.Node)];
    }

    private IEnumerable<HugePagePool> Pools()
    {
        var root = Path.Combine(options.Sys, "kernel/mm/hugepages");
        if (!Directory.Exists(root))
        {
            yield break;
        }

        foreach (var pool in Directory.EnumerateDirectories(root).Order(StringComparer.Ordinal))
        {
            var size = Path.GetFileName(pool).Replace("hugepages-", "", StringComparison.Ordinal).Replace("kB", "", StringComparison.Ordinal);
            if (ulong.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var kilobytes) && kilobytes <= 1UL << 30 && HugePagePool.IsPageSize(kilobytes * 1024))
            {
                yield return new HugePagePool(kilobytes * 1024, Number(pool, "nr_hugepages"), Number(pool, "free_hugepages"),
                    Number(pool, "resv_hugepages"), Number(pool, "surplus_hugepages"));
            }
        }
    }

    private long Number(string directory, string name) =>
        long.TryParse(Text(Path.Combine(directory, name)), out var value) ? value : 0;
}
