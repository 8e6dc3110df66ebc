using System.Globalization;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>Writes advice that can be pasted, from the cures computed for each object and from who maps it.</summary>
internal static class AdviceWriter
{
    private const long HugePage = 2L << 20;
    private const long Worthwhile = 1L << 20;

    public static IReadOnlyList<Advice> Write(MachineSnapshot snapshot, KernelSupport support, IReadOnlyList<ObjectReport> objects, Dictionary<int, List<ProcessTables>> mappers)
    {
        var advice = new List<Advice>();
        // Pages of one pool: each advice counts those above it in.
        long promised = 0;
        foreach (var report in objects.OrderByDescending(o => Saving(o, "hugetlb-2m-shared") ?? 0))
        {
            var names = mappers[report.Number].Select(m => m.Facts.Name).Distinct().ToList();
            if (report.Dax is not null)
            {
                AddDax(advice, report);
            }
            else if (Saving(report, "hugetlb-2m-shared") is { } saved && saved >= Worthwhile && support.Hugetlb)
            {
                promised = AddHugetlb(advice, snapshot, report, names, saved, promised);
            }

            if (report.Sharing is { Outsiders.Count: > 0 } sharing && report.Processes > 1)
            {
                AddAlignment(advice, report, sharing);
            }

            if (Saving(report, "shmem-thp") is { } thp && thp >= Worthwhile && support.Thp)
            {
                AddThp(advice, snapshot, report, thp);
            }

            if (report.Empty >= 64 * Worthwhile)
            {
                advice.Add(new Advice($"Free empty page tables of {report.Label}", report.Number, report.Empty,
                    snapshot.Machine.Config.GetValueOrDefault("CONFIG_PT_RECLAIM") == "y"
                        ? ["# the kernel frees tables whose 2 MiB windows are given back as a whole:", "# use munmap, or MADV_DONTNEED on multiples of 2 MiB"]
                        : ["# Linux 6.14 with CONFIG_PT_RECLAIM frees them; before, only munmap does:", "MALLOC_CONF=retain:false   # jemalloc: give address space back, not only pages"],
                    "Fresh faults when the memory is used again."));
            }
        }

        return [.. advice.OrderByDescending(a => a.SavedBytes ?? 0)];
    }

    private static long? Saving(ObjectReport report, string cure) => report.Cures.FirstOrDefault(c => c.Id == cure)?.SavedBytes;

    /// <summary>Adds the advice; returns the pages promised by it and all before.</summary>
    private static long AddHugetlb(List<Advice> advice, MachineSnapshot snapshot, ObjectReport report, List<string> names, long saved, long promised)
    {
        var pages = (report.MappedBytes + HugePage - 1) / HugePage;
        promised += pages;
        var pool = snapshot.Machine.Pools.FirstOrDefault(p => p.PageSize == (ulong)HugePage);
        var total = (pool?.Total ?? 0) - (pool?.Free ?? 0) + (pool?.Reserved ?? 0) + promised;
        var reserve = string.Create(CultureInfo.InvariantCulture, $"sysctl -w vm.nr_hugepages={total}   # {pages} for {ByteText.Size(report.MappedBytes)}{(total > pages ? "; the rest is in use, reserved, or for objects above" : "")}");
        var keep = string.Create(CultureInfo.InvariantCulture, $"echo 'vm.nr_hugepages={total}' > /etc/sysctl.d/90-hugepages.conf");
        var cost = $"{ByteText.Size(pages * HugePage)} leave the general pool for good and cannot be swapped; the server must be restarted.";
        if (names.Contains("postgres"))
        {
            advice.Add(new Advice("PostgreSQL: shared memory in huge pages", report.Number, saved,
            [
                reserve,
                keep,
                "# postgresql.conf",
                "huge_pages = on",
                "huge_page_size = 2MB",
                Alignment(report),
                string.Create(CultureInfo.InvariantCulture, $"# 'postgres -C shared_memory_size_in_huge_pages' (15 and later) should say about {pages}"),
            ], cost));
        }
        else if (names.Any(n => n.StartsWith("ora_", StringComparison.Ordinal) || n.StartsWith("oracle", StringComparison.Ordinal)))
        {
            advice.Add(new Advice("Oracle: SGA in huge pages", report.Number, saved,
            [
                reserve,
                keep,
                string.Create(CultureInfo.InvariantCulture, $"echo 'oracle - memlock {pages * HugePage / 1024}' >> /etc/security/limits.d/90-oracle.conf"),
                "ALTER SYSTEM SET use_large_pages='ONLY' SCOPE=SPFILE;",
                "ALTER SYSTEM RESET memory_target SCOPE=SPFILE;   -- automatic memory management cannot use huge pages",
                "ALTER SYSTEM RESET memory_max_target SCOPE=SPFILE;",
                Alignment(report).Replace("#", "--", StringComparison.Ordinal),
            ], cost));
        }
        else
        {
            advice.Add(new Advice($"Huge pages for {report.Label}", report.Number, saved,
            [
                reserve,
                keep,
                report.Kind switch
                {
                    ObjectKind.SystemV => "# shmget(key, size, SHM_HUGETLB | ...); vm.hugetlb_shm_group = the server's group",
                    ObjectKind.Memfd => "# memfd_create(name, MFD_HUGETLB | MFD_HUGE_2MB)",
                    ObjectKind.SharedAnonymous => "# mmap(..., MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, ...)",
                    _ => "mount -t hugetlbfs none /mnt/huge   # and the file there instead of on tmpfs",
                },
                "# for PMD tables to be shared too: place it at a multiple of 1 GiB, a multiple of 1 GiB long",
            ], cost));
        }

        return promised;
    }

    private static string Alignment(ObjectReport report) =>
        string.Create(CultureInfo.InvariantCulture, $"# PMD tables are then shared for each whole aligned GiB that the segment covers: at most {report.MappedBytes >> 30} here");

    private static void AddAlignment(List<Advice> advice, ObjectReport report, HugetlbSharing sharing)
    {
        var reasons = sharing.Outsiders.SelectMany(o => o.Reasons).Select(r => r.Reason).Distinct().ToList();
        var lines = new List<string>();
        if (reasons.Contains(ShareRefusal.SpanNotCovered) || reasons.Contains(ShareRefusal.AddressNotCongruent))
        {
            lines.Add("# map it at the same address modulo 1 GiB in every process, and whole GiBs of it:");
            lines.Add("# reserve size + 1 GiB with PROT_NONE, round up to 1 GiB, then mmap there with MAP_FIXED");
        }

        if (reasons.Contains(ShareRefusal.RightsDiffer) || reasons.Contains(ShareRefusal.FlagsDiffer))
        {
            lines.Add("# map it with the same rights and madvise flags in every process");
        }

        if (lines.Count > 0)
        {
            var once = (report.MappedBytes + (1L << 30) - 1) >> 30;
            var saved = Math.Max(0, sharing.Tables - once) * 4096;
            advice.Add(new Advice($"Let {report.Label} share its PMD tables", report.Number, saved, lines, "None, but the layout must be kept."));
        }
    }

    /// <summary>The setting holds for the whole machine: one advice for all objects that it serves.</summary>
    private static void AddThp(List<Advice> advice, MachineSnapshot snapshot, ObjectReport report, long saved)
    {
        var isTmpfs = report.Kind == ObjectKind.SharedMemory;
        if (!isTmpfs && snapshot.Machine.ShmemHugePages is "always" or "within_size" or "force")
        {
            return; // switched on: what has 4 KiB pages was made before, or found no memory
        }

        IReadOnlyList<string> lines = isTmpfs
            ? ["mount -o remount,huge=within_size /dev/shm   # or where it is mounted; then create the file anew"]
            : ["echo within_size > /sys/kernel/mm/transparent_hugepage/shmem_enabled   # then restart the server"];
        var at = advice.FindIndex(a => a.Lines[0] == lines[0]);
        if (at >= 0)
        {
            advice[at] = advice[at] with { Title = $"{advice[at].Title}, {report.Label}", SavedBytes = advice[at].SavedBytes + saved };
            return;
        }

        advice.Add(new Advice($"Transparent huge pages for {report.Label}", report.Number, saved, lines,
            "Instead of hugetlb, not on top of it. Holds for all shared memory of the machine; where no 2 MiB of free memory are left, 4 KiB pages stay."));
    }

    private static void AddDax(List<Advice> advice, ObjectReport report)
    {
        var dax = report.Dax!;
        var saved = Saving(report, "dax-2m") ?? 0;
        if (dax.Windows4KiB == 0 || saved < Worthwhile)
        {
            return;
        }

        bool Has(params DaxRefusal[] reasons) => reasons.Any(r => dax.Reasons.ContainsKey(r.ToString()));
        var lines = new List<string>();
        if (Has(DaxRefusal.AddressNotCongruent, DaxRefusal.WindowNotCovered))
        {
            lines.Add("# map it at an address that is congruent to the file offset modulo 2 MiB, and whole windows of 2 MiB:");
            lines.Add("# mmap(NULL, ...) does so by itself for 2 MiB and more; MAP_FIXED must see to it");
        }

        if (Has(DaxRefusal.PrivateMapping))
        {
            lines.Add("# map it MAP_SHARED, or read-only: each page written through a private mapping becomes a copy of 4 KiB");
        }

        if (Has(DaxRefusal.EndOfFile))
        {
            lines.Add("truncate -s %2M FILE               # a size in whole 2 MiB");
        }

        if (Has(DaxRefusal.PhysicalNotAligned, DaxRefusal.ExtentTooShort, DaxRefusal.Hole))
        {
            lines.Add("# a partition must begin at a multiple of 2 MiB of the persistent memory; then a file system that keeps to it:");
            lines.Add("mkfs.xfs -f -m reflink=0 -d su=2m,sw=1 /dev/pmemN   # or: mkfs.ext4 -b 4096 -E stride=512,stripe_width=512 /dev/pmemN");
            lines.Add("mount -o dax=always /dev/pmemN /mnt/pmem");
            lines.Add("xfs_io -c 'extsize 2m' /mnt/pmem   # before the files are made");
            lines.Add("fallocate -l SIZE FILE             # in one piece; check with: filefrag -v FILE");
        }

        if (Has(DaxRefusal.PartlyWritten, DaxRefusal.SmallEntriesFirst))
        {
            lines.Add("# entries of 4 KiB were there first: unmap the file everywhere, then");
            lines.Add("dd if=/dev/zero of=FILE bs=2M count=WINDOWS conv=notrunc   # a NEW file only: writes all of it once");
            lines.Add("umount /mnt/pmem && mount -o dax=always /dev/pmemN /mnt/pmem   # drops the entries");
        }

        advice.Add(new Advice($"2 MiB pages for {report.Label}", report.Number, saved, lines, "The processes must map it anew; a file that lies badly must be copied, and space is given out in 2 MiB pieces."));
    }
}
