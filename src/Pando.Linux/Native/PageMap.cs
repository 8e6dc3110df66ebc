using System.Runtime.InteropServices;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Native;

/// <summary>
/// /proc/PID/pagemap of one process: which windows of its mappings have entries, and frame numbers.
/// </summary>
/// <remarks>
/// With PAGEMAP_SCAN (Linux 6.7) each call asks for the next single page from an address on, and the next call
/// starts at the following 2 MiB window: one short call for each page table, instead of a look at each of its 512
/// entries. Holes are skipped by the kernel's walk, table by table. Before 6.7 the entries are read one by one.
/// </remarks>
internal sealed unsafe class PageMap : IDisposable
{
    private const ulong PageSize = 4096;
    private const ulong WindowSize = 2UL << 20;
    private const ulong GiB = 1UL << 30;
    private const int EntriesPerRead = 64 * 1024;

    // Without PAGEMAP_SCAN every page of address space costs 8 bytes; inaccessible reserves of this size are not read.
    private const ulong LongestInaccessible = 64UL << 20;

    private readonly int _file;
    private readonly Heartbeat _heart;
    private ulong[]? _entries;

    private PageMap(int file, Heartbeat heart) => (_file, _heart) = (file, heart);

    /// <summary>Opens a process's pagemap, or returns null with the error number: EACCES for another user's
    /// process, ENOENT or ESRCH for one that ended. <paramref name="heart"/> beats after each call.</summary>
    public static PageMap? Open(string path, Heartbeat heart, out int error)
    {
        var file = LibC.Open(path, LibC.ReadOnly | LibC.CloseOnExec);
        error = file < 0 ? Marshal.GetLastPInvokeError() : 0;
        return file < 0 ? null : new PageMap(file, heart);
    }

    /// <inheritdoc/>
    public void Dispose() => _ = LibC.Close(_file);

    /// <summary>True if the kernel knows PAGEMAP_SCAN.</summary>
    public bool HasScan()
    {
        PageRegion region;
        return Scan(PageSize, PageSize, &region, out _) != -LibC.NotATerminalCommand;
    }

    /// <summary>
    /// Finds the populated windows of mapping number <paramref name="index"/>. Returns false if the process ended
    /// or may not be read. <paramref name="hugeLeaf"/> is the leaf level of windows that are marked huge.
    /// </summary>
    public bool TryAddRuns(List<PopulatedRun> runs, int index, in MappingFacts mapping, int hugeLeaf, bool useScan) =>
        useScan ? TryScan(runs, index, mapping, hugeLeaf) : TryReadEntries(runs, index, mapping, hugeLeaf);

    /// <summary>
    /// Finds the GiBs of mapping number <paramref name="index"/> that have an entry, as runs of whole GiBs within the mapping: one call for each GiB.
    /// Returns false if the process ended or may not be read. Needs PAGEMAP_SCAN.
    /// </summary>
    public bool TryAddGiBs(List<PopulatedRun> runs, int index, in MappingFacts mapping)
    {
        PageRegion region;
        for (var address = mapping.Start; address < mapping.End;)
        {
            var found = Scan(address, mapping.End, &region, out _);
            if (found <= 0)
            {
                return found == 0;
            }

            var next = Math.Min((region.Start | (GiB - 1)) + 1, mapping.End);
            AddWindow(runs, index, Math.Max(region.Start & ~(GiB - 1), mapping.Start), next, 1);
            address = next;
        }

        return true;
    }

    /// <summary>True if entries one by one would be too many for too little: a big reserve without rights.</summary>
    public static bool IsTooLongToRead(in MappingFacts mapping) =>
        mapping.Length > LongestInaccessible && (mapping.Rights & (MappingRights.Read | MappingRights.Write | MappingRights.Execute)) == 0;

    /// <summary>Reads one entry: 0 if there is none or the process ended.</summary>
    public ulong EntryAt(ulong address)
    {
        ulong entry;
        var read = LibC.ReadAt(_file, &entry, sizeof(ulong), (long)(address / PageSize * sizeof(ulong)));
        _heart.Beat();
        return read == sizeof(ulong) ? entry : 0;
    }

    /// <summary>Reads entries from an address on; false if the process ended or may not be read.</summary>
    public bool TryReadEntries(ulong address, Span<ulong> entries)
    {
        nint read;
        fixed (ulong* first = entries)
        {
            read = LibC.ReadAt(_file, first, (nuint)entries.Length * sizeof(ulong), (long)(address / PageSize * sizeof(ulong)));
        }

        _heart.Beat();
        return read == entries.Length * sizeof(ulong);
    }

    /// <summary>The first page in [start, end) that has an entry, as PAGEMAP_SCAN finds it; null if none has, or if the kernel
    /// has no such call.</summary>
    public ulong? FirstPage(ulong start, ulong end)
    {
        PageRegion region;
        return Scan(start, end, &region, out _) > 0 ? region.Start : null;
    }

    private bool TryScan(List<PopulatedRun> runs, int index, in MappingFacts mapping, int hugeLeaf)
    {
        var address = mapping.Start;
        PageRegion region;
        while (address < mapping.End)
        {
            var result = Scan(address, mapping.End, &region, out _);
            if (result < 0)
            {
                return false;
            }

            if (result == 0)
            {
                break;
            }

            var leaf = (region.Categories & KernelAbi.PageIsHuge) != 0 ? hugeLeaf : 0;
            var span = leaf == 2 ? 1UL << 30 : WindowSize;
            var next = Math.Min((region.Start | (span - 1)) + 1, mapping.End);
            AddWindow(runs, index, Math.Max(region.Start & ~(span - 1), mapping.Start), next, leaf);
            address = next;
        }

        return true;
    }

    private int Scan(ulong start, ulong end, PageRegion* region, out ulong walkEnd)
    {
        PageScanArgument argument = default;
        argument.Size = (ulong)sizeof(PageScanArgument);
        argument.Start = start;
        argument.End = end;
        argument.Regions = (ulong)region;
        argument.RegionCapacity = 1;
        argument.MaximumPages = 1;
        argument.CategoryAnyOf = KernelAbi.PageIsPresent | KernelAbi.PageIsSwapped;
        argument.ReturnMask = KernelAbi.PageIsHuge;
        while (true)
        {
            var result = LibC.Ioctl(_file, KernelAbi.PageMapScan, &argument);
            walkEnd = argument.WalkEnd;
            if (result >= 0)
            {
                _heart.Beat();
                return result;
            }

            var error = Marshal.GetLastPInvokeError();
            if (error != LibC.Interrupted)
            {
                return -error;
            }
        }
    }

    private bool TryReadEntries(List<PopulatedRun> runs, int index, in MappingFacts mapping, int hugeLeaf)
    {
        _entries ??= GC.AllocateUninitializedArray<ulong>(EntriesPerRead);
        var address = mapping.Start;
        while (address < mapping.End)
        {
            // Reads end at window borders, so that no window is seen in two parts.
            var end = Math.Min(mapping.End, (address & ~(WindowSize - 1)) + (EntriesPerRead * PageSize));
            var pages = (int)((end - address) / PageSize);
            if (!TryReadEntries(address, _entries.AsSpan(0, pages)))
            {
                return false;
            }

            for (var window = address; window < end;)
            {
                var next = Math.Min((window | (WindowSize - 1)) + 1, end);
                var some = _entries.AsSpan((int)((window - address) / PageSize), (int)((next - window) / PageSize));
                if (some.ContainsAnyInRange(KernelAbi.PagemapSwapped, ulong.MaxValue))
                {
                    AddWindow(runs, index, window, next, hugeLeaf);
                }

                window = next;
            }

            address = end;
        }

        return true;
    }

    private static void AddWindow(List<PopulatedRun> runs, int index, ulong start, ulong end, int leaf)
    {
        if (runs.Count > 0)
        {
            var last = runs[^1];
            if (last.Mapping == index && last.End == start && last.LeafLevel == leaf)
            {
                runs[^1] = last with { End = end };
                return;
            }
        }

        runs.Add(new PopulatedRun(index, start, end, leaf));
    }
}
