using Pando.Files;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Analysis;

/// <summary>
/// Writes advice that can be pasted, from the cures computed for each object and from who maps it. What cannot be given, or
/// would cost more than it saves, is not advised; the notes say so.
/// </summary>
internal static class AdviceWriter
{
    private const long Worthwhile = 1L << 20;

    // Below this saving an object does not make its processes a service.
    private const long Worth = 64L << 10;

    /// <summary>Advice for the objects of a report, the greatest saving first, and notes on what is not advised.</summary>
    public static (IReadOnlyList<Advice> Advice, IReadOnlyList<string> Notes) Write(MachineSnapshot snapshot, KernelSupport support, IReadOnlyList<ObjectReport> objects, Dictionary<int, List<ProcessTables>> mappers, IReadOnlyList<ProcessTables> processes)
    {
        var context = new AdviceContext(snapshot, mappers, processes);
        var services = ServiceFinder.Find(
            [.. objects.Where(o => o.Kind == ObjectKind.Hugetlb || o.Cures.Any(c => c.Id == "hugetlb-2m-shared" && c.SavedBytes >= Worth))], mappers, processes);
        var advice = new List<Advice>();
        if (support.Hugetlb)
        {
            advice.AddRange(new HugetlbAdvice(context).Write(services));
        }

        if (support.Thp)
        {
            advice.AddRange(new ThpAdvice(context).Write(objects));
            advice.AddRange(RedisAdvice.Write(context, services));
        }

        foreach (var report in objects)
        {
            if (report.Dax is not null)
            {
                AddDax(advice, report);
            }

            if (report.Sharing is { Outsiders.Count: > 0 } sharing && report.Processes > 1)
            {
                AddAlignment(advice, report, sharing);
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

        // Lines are pasted: a name in them must not end its line.
        return ([.. advice.OrderByDescending(a => a.SavedBytes ?? 0).Select(a => a with { Lines = [.. a.Lines.Select(Printable.Text)] })], context.Notes);
    }

    private static long? Saving(ObjectReport report, string cure) => report.Cures.FirstOrDefault(c => c.Id == cure)?.SavedBytes;

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

        // Whole GiBs once for all; what is left of the last GiB is never shared.
        var whole = report.MappedBytes >> 30;
        var after = whole + ((report.MappedBytes & ((1L << 30) - 1)) > 0 ? report.Processes : 0);
        var saved = (sharing.Tables - after) * 4096;
        if (lines.Count > 0 && saved > 0)
        {
            advice.Add(new Advice($"Let {report.Label} share its PMD tables", report.Number, saved, lines, "None, but the layout must be kept."));
        }
    }

    private static void AddDax(List<Advice> advice, ObjectReport report)
    {
        var dax = report.Dax!;
        var saved = Saving(report, "dax-2m") ?? 0;
        if (dax.Windows4KiB == 0 || saved < Worthwhile)
        {
            return;
        }

        bool Has(params SmallPageReason[] reasons) => reasons.Any(r => dax.Reasons.ContainsKey(r.ToString()));
        var lines = new List<string>();
        if (Has(SmallPageReason.NotCongruent, SmallPageReason.MappingEdge))
        {
            lines.Add("# map it at an address that is congruent to the file offset modulo 2 MiB, and whole windows of 2 MiB:");
            lines.Add("# mmap(NULL, ...) does so by itself for 2 MiB and more; MAP_FIXED must see to it");
        }

        if (Has(SmallPageReason.PrivateWrite))
        {
            lines.Add("# map it MAP_SHARED, or read-only: each page written through a private mapping becomes a copy of 4 KiB");
        }

        if (Has(SmallPageReason.EndOfFile))
        {
            lines.Add("truncate -s %2M FILE               # a size in whole 2 MiB");
        }

        if (Has(SmallPageReason.PhysicalNotAligned, SmallPageReason.ExtentTooShort, SmallPageReason.Hole))
        {
            lines.Add("# a partition must begin at a multiple of 2 MiB of the persistent memory; then a file system that keeps to it:");
            lines.Add("mkfs.xfs -f -m reflink=0 -d su=2m,sw=1 /dev/pmemN   # or: mkfs.ext4 -b 4096 -E stride=512,stripe_width=512 /dev/pmemN");
            lines.Add("mount -o dax=always /dev/pmemN /mnt/pmem");
            lines.Add("xfs_io -c 'extsize 2m' /mnt/pmem   # before the files are made");
            lines.Add("fallocate -l SIZE FILE             # in one piece; check with: filefrag -v FILE");
        }

        if (Has(SmallPageReason.PartlyWritten, SmallPageReason.SmallEntriesFirst))
        {
            lines.Add("# entries of 4 KiB were there first: unmap the file everywhere, then");
            lines.Add("dd if=/dev/zero of=FILE bs=2M count=WINDOWS conv=notrunc   # a NEW file only: writes all of it once");
            lines.Add("umount /mnt/pmem && mount -o dax=always /dev/pmemN /mnt/pmem   # drops the entries");
        }

        advice.Add(new Advice($"2 MiB pages for {report.Label}", report.Number, saved, lines, "The processes must map it anew; a file that lies badly must be copied, and space is given out in 2 MiB pieces."));
    }
}
