using System.Globalization;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Analysis;

/// <summary>
/// Advises transparent huge pages for shared memory: a setting of one tmpfs, or of the kernel's own for memfd, System V and
/// shared anonymous memory. One advice for each such setting, for all objects that it serves, and only where the memory that
/// whole 2 MiB take is there: in the machine, in the tmpfs, in the processes' cgroups.
/// </summary>
internal sealed class ThpAdvice(AdviceContext context)
{
    private const long Worthwhile = 1L << 20;
    private const string Global = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    private const string OfSize = "/sys/kernel/mm/transparent_hugepage/hugepages-2048kB/shmem_enabled";

    // Left to everything else, as a part of memory; and what small files may grow by, as a part of it.
    private const int Spare = 50;
    private const int SmallPart = 20;

    /// <summary>Writes the advice; <paramref name="objects"/> are those of the report.</summary>
    public IEnumerable<Advice> Write(IReadOnlyList<ObjectReport> objects)
    {
        var helped = objects.Where(o => Saving(o) >= Worthwhile).OrderByDescending(Saving).ToList();
        var internals = helped.Where(o => o.Kind is not (ObjectKind.SharedMemory or ObjectKind.File)).ToList();
        foreach (var group in internals.GroupBy(_ => "").Concat(helped.Where(o => o.Kind == ObjectKind.SharedMemory).GroupBy(o => MountKey(context.Snapshot.Objects[o.Number].Mount))))
        {
            if (Advise([.. group], context.Snapshot.Objects[group.First().Number].Mount) is { } advice)
            {
                yield return advice;
            }
        }
    }

    private static string MountKey(MountFacts? mount) => mount is null ? "?" : $"{mount.Namespace} {mount.Point}";

    private static long Saving(ObjectReport o) => o.Cures.FirstOrDefault(c => c.Id == "shmem-thp")?.SavedBytes ?? 0;

    private Advice? Advise(List<ObjectReport> objects, MountFacts? mount)
    {
        var isTmpfs = objects[0].Kind == ObjectKind.SharedMemory;
        var (lines, hasNumber) = isTmpfs ? OfTmpfs(objects, mount) : OfKernel();
        if (lines.Count == 0)
        {
            return null;
        }

        var extra = objects.Total(o => o.TouchedBytes - Math.Min(o.ResidentBytes ?? o.TouchedBytes, o.TouchedBytes));
        var names = string.Join(", ", objects.Take(4).Select(o => o.Label)) + (objects.Count > 4 ? $" and {objects.Count - 4} more" : "");
        var saved = objects.Total(Saving);
        if (WhyNot(objects, mount, extra, saved) is { } whyNot)
        {
            context.Notes.Add($"Transparent huge pages are not advised for {names}, where they would save {ByteText.Size(saved)} of page tables: {whyNot}.");
            return null;
        }

        return new Advice($"Transparent huge pages for {names}", objects[0].Number, hasNumber ? saved : null, lines,
            $"Instead of hugetlb, not on top of it. {(extra > 0 ? $"Takes {ByteText.Size(extra)} more memory: whole 2 MiB where parts are used now. " : "")}Holds for {(isTmpfs ? "all files of that tmpfs" : "all shared memory of the machine")}; where no 2 MiB of free memory are left in one piece, 4 KiB pages stay.")
        {
            ObjectNumbers = [.. objects.Select(o => o.Number)],
            MemoryBytes = extra,
        };
    }

    private string? WhyNot(List<ObjectReport> objects, MountFacts? mount, long extra, long saved)
    {
        var machine = context.Snapshot.Machine;
        var processes = objects.SelectMany(o => context.Mappers[o.Number]).Select(m => m.Facts).ToList();
        var available = (machine.AvailableBytes ?? machine.MemoryBytes) - (machine.MemoryBytes / Spare);
        return extra switch
        {
            _ when extra > available => $"they take {ByteText.Size(extra)} more memory; the machine has {ByteText.Size(Math.Max(0, available))} to give",
            _ when extra > saved && objects.Total(o => o.ResidentBytes ?? o.TouchedBytes) < objects.Total(o => o.TouchedBytes) / 2 => $"it is used sparsely, and they take {ByteText.Size(extra)} more memory than now",
            _ when mount is { SizeBytes: > 0 } && extra > mount.FreeBytes => $"they take {ByteText.Size(extra)} more, and {mount.Point} has {ByteText.Size(mount.FreeBytes)} free",
            _ when context.MemoryLeft(processes) is { } left && extra > left => $"they take {ByteText.Size(extra)} more, and memory.max of the processes' cgroup leaves {ByteText.Size(left)}",
            _ => null,
        };
    }

    /// <summary>The kernel's own tmpfs. Such objects have their size before they are written.</summary>
    private (IReadOnlyList<string> Lines, bool HasNumber) OfKernel()
    {
        var machine = context.Snapshot.Machine;
        var ofSize = machine.Settings.GetValueOrDefault(MachineFacts.ShmemSetting);
        if (ofSize is not (null or "inherit"))
        {
            return ofSize is "always" or "within_size" ? ([], false)
                : ([$"echo within_size > {OfSize}   # it says {ofSize}; then restart the servers", "grep ShmemHugePages /proc/meminfo   # once they run: what is in huge pages"], true);
        }

        return machine.ShmemHugePages is "always" or "within_size" or "force"
            ? ([], false) // switched on: what has 4 KiB pages was made before, or found no memory
            : ([$"echo within_size > {Global}   # then restart the servers", "grep ShmemHugePages /proc/meminfo   # once they run: what is in huge pages"], true);
    }

    /// <summary>
    /// A tmpfs that is mounted somewhere. huge=within_size gives none to a file that grows while it is written (each write is
    /// beyond the end until it is done), which is how files are copied: huge=always does, but small files take 2 MiB each.
    /// </summary>
    private (IReadOnlyList<string> Lines, bool HasNumber) OfTmpfs(List<ObjectReport> objects, MountFacts? mount)
    {
        if (mount is null)
        {
            return (["# mount -o remount,huge=always MOUNTPOINT: the tmpfs on which it lies (findmnt -T FILE); then create the file anew"], false);
        }

        if (mount.Options.Split(',').Contains("huge=always"))
        {
            return ([], false);
        }

        var lines = new List<string>();
        if (context.Snapshot.Machine.ShmemHugePages == "deny")
        {
            lines.Add($"echo never > {Global}   # it says deny, which holds for mounted tmpfs too");
        }

        var enter = mount.Namespace is { } pid ? string.Create(CultureInfo.InvariantCulture, $"nsenter -m -t {pid} ") : "";
        var point = Printable.ShellWord(mount.Point);
        var machine = context.Snapshot.Machine;
        var bound = Math.Max(0, mount.Files - objects.Count) * (2L << 20);
        var room = Math.Min((machine.AvailableBytes ?? machine.MemoryBytes) / SmallPart, mount.SizeBytes > 0 ? mount.FreeBytes : long.MaxValue);
        if (bound <= room)
        {
            lines.Add($"{enter}mount -o remount,huge=always {point}   # then create the file anew, and map it anew: what is there keeps its pages");
            lines.Add(enter.Length > 0
                ? "# a container's own tmpfs is gone with it: its runtime must mount it so"
                : $"# for every boot: huge=always among the options of {point} in /etc/fstab");
        }
        else
        {
            var size = objects.Total(o => o.HugePages) << 21;
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"mkdir -p /mnt/huge-tmpfs && {enter}mount -t tmpfs -o huge=always,size={size + (size >> 4)},mode=1777 none /mnt/huge-tmpfs   # and the file there"));
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"# a mount of its own: {point} has {mount.Files} files, and each small one would take 2 MiB with huge=always"));
        }

        lines.Add("grep ShmemHugePages /proc/meminfo   # once it is written: what is in huge pages");
        return (lines, true);
    }
}
