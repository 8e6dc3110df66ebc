using System.Globalization;

namespace Pando.Linux.Snapshot;

/// <summary>
/// Holds a snapshot against what every scan gives: numbers within what a machine has, mappings and runs in order of address, no
/// reference to what is not there. The analysis relies on it, and never checks again.
/// </summary>
internal static class SnapshotCheck
{
    private const ulong Most = MappingList.MostOffset;
    private const long MostBytes = 1L << 56; // of anything that has bytes of memory
    private const long MostTableBytes = 1L << 40; // of one process: half a PiB mapped by 4 KiB pages
    private const int MostProcesses = 1 << 22; // PID_MAX_LIMIT
    private const long MostSpans = 1L << 34;
    private const int LongestPath = 4 * 4096; // the kernel writes none of more than a page; each byte may be escaped as \377
    private const long MostPathBytes = 1L << 30; // of all cgroups and those above them

    /// <summary>What is wrong with the snapshot, in a few words; null if nothing is.</summary>
    public static string? FaultOf(MachineSnapshot? snapshot)
    {
        try
        {
            Check(snapshot);
            return null;
        }
        catch (Fault fault)
        {
            return fault.Message;
        }
    }

    private static void Check(MachineSnapshot? snapshot)
    {
        Need(snapshot is not null, "nothing");
        Need(double.IsFinite(snapshot!.ScanSeconds) && snapshot.ScanSeconds is >= 0 and < 1e9, "a scan of no possible length");
        Check(NotNull(snapshot.Machine, "machine"));
        NoNulls(snapshot.Objects, "objects");
        NoNulls(snapshot.Processes, "processes");
        NoNulls(snapshot.Cgroups, "cgroups");
        NoNulls(snapshot.Probes, "probes");
        NoNulls(snapshot.Notes, "notes");
        Need(snapshot.Objects.Count > 0 && snapshot.Objects[0] is { Kind: ObjectKind.Anonymous }, "no private memory as its first object");
        for (var i = 0; i < snapshot.Objects.Count; i++)
        {
            Check(snapshot.Objects[i], i);
        }

        Need(snapshot.Processes.Count <= MostProcesses, "more processes than there are numbers for");
        var pids = new HashSet<int>();
        foreach (var process in snapshot.Processes)
        {
            Need(process.Pid > 0 && pids.Add(process.Pid), "two processes of one number, or of none");
            Check(process, snapshot.Objects.Count);
        }

        CheckPaths(snapshot);
        foreach (var cgroup in snapshot.Cgroups)
        {
            Check(cgroup);
        }

        foreach (var probe in snapshot.Probes)
        {
            NotNull(probe.Present, "processes of a probe");
            Need((uint)probe.ObjectNumber < (uint)snapshot.Objects.Count && IsBytes(probe.Offset) && probe.Tables is null or (>= 0 and <= MostSpans) && probe.StandsFor >= 1, "a look at a page that is not there");
        }
    }

    private static void Check(MachineFacts machine)
    {
        NotNull(machine.KernelRelease, "kernel's release");
        NotNull(machine.TransparentHugePages, "transparent huge pages");
        NotNull(machine.ShmemHugePages, "huge pages of shared memory");
        NoNulls(machine.Pools, "pools");
        NoNullValues(machine.Config, "configuration");
        NoNullValues(machine.Settings, "settings");
        Need(machine.Levels is 4 or 5, "page tables of another number of levels than 4 or 5");
        Need(machine.Processors >= 0, "processors below zero");
        Need(AreBytes(machine.MemoryBytes, machine.PageTableBytes, machine.SecondaryTableBytes, machine.AvailableBytes, machine.HugetlbBytes), "memory that no machine can have");
        Need(machine.DefaultHugePageSize is null || HugePagePool.IsPageSize(machine.DefaultHugePageSize.Value), "huge pages of no possible size");
        Need(machine.Pools.Count <= 64, "more pools than there are sizes");
        foreach (var pool in machine.Pools)
        {
            Need(HugePagePool.IsPageSize(pool.PageSize), "huge pages of no possible size");
            foreach (var pages in (ReadOnlySpan<long>)[pool.Total, pool.Free, pool.Reserved, pool.Surplus])
            {
                Need(pages >= 0 && pages <= MostBytes / (long)pool.PageSize, "more huge pages than a machine can have");
            }
        }

        Check(machine.Nodes);
        NoNulls(machine.TableSharing ?? [], "marks of sharing");
        Need(machine.Fork is null or { NanosecondsPerTable: >= 0 and < 1e12, NanosecondsPerPage: >= 0 and < 1e12 }, "a fork of no possible cost");
    }

    private static void Check(ObjectFacts facts, int number)
    {
        Need(facts.Number == number, "objects out of order");
        NotNull(facts.Name, "object's name");
        NotNull(facts.Device, "object's device");
        NotNull(facts.FileSystem, "object's file system");
        NotNull(facts.Scope, "object's scope");
        Need(Enum.IsDefined(facts.Kind), "an object of no known kind");
        Need(facts.HugePageSize == 0 || HugePagePool.IsPageSize(facts.HugePageSize), "huge pages of no possible size");
        Need(facts.SizeBytes is null or >= 0 && AreBytes(facts.AllocatedBytes), "an object of no possible size");
        if (facts.Mount is { } mount)
        {
            NotNull(mount.Point, "mount's place");
            NotNull(mount.Options, "mount's options");
            Need(mount is { SizeBytes: >= 0, FreeBytes: >= 0, Files: >= 0 }, "a file system of no possible size");
        }

        if (facts.Dax is { } dax)
        {
            NotNull(dax.FileSystem, "file system's name");
            NotNull(dax.Extents, "extents");
            Need(dax.FileSize is >= 0 and <= MappingList.MostOffset && dax.DeviceStart is null or < (1UL << 62), "a file of no possible size");
            var end = 0UL;
            foreach (var extent in dax.Extents)
            {
                Need(extent.Logical >= end && extent.Length is > 0 and <= Most && extent.Logical <= Most - extent.Length && extent.Physical <= Most - extent.Length, "extents that overlap");
                end = extent.Logical + extent.Length;
            }
        }
    }

    private static void Check(ProcessFacts process, int objects)
    {
        NotNull(process.Name, "process's name");
        NotNull(process.Cgroup, "process's cgroup");
        Need(process.TableBytes is >= 0 and <= MostTableBytes && AreBytes(process.HugetlbBytes, process.ResidentBytes, process.Unread, process.AnonymousBytes), $"process {process.Pid} with no possible amount of memory");
        Need(process.Thread >= 0 && process.SameSpace?.All(p => p > 0) != false, $"process {process.Pid} with a thread of no number");
        if (process.Service is { } service)
        {
            NotNull(service.Executable, "program's path");
            NotNull(service.WorkingDirectory, "working directory");
            NotNull(service.DataVersion, "version");
            NoNulls(service.Arguments, "arguments");
            Need(service.LockLimitBytes is null or >= 0, $"process {process.Pid} with a limit below zero");
        }

        if (process.OtherCgroups is { } others)
        {
            NotNull(others.Unit, "unit");
            NotNull(others.Hugetlb, "cgroup of huge pages");
        }

        if (process.Mappings is not { } mappings)
        {
            Need(process.Populated is null && process.HugeRuns is null && process.VmFlags is null, $"process {process.Pid} with pages and without mappings");
            return;
        }

        var end = 0UL;
        foreach (var mapping in mappings)
        {
            Need(mapping.IsPossibleAbove(end) && (uint)mapping.ObjectNumber < (uint)objects, $"process {process.Pid} with a mapping at 0x{mapping.Start:x} that cannot be");
            end = mapping.End;
        }

        CheckRuns(process.Pid, process.Populated, mappings);
        CheckRuns(process.Pid, process.HugeRuns, mappings);
        foreach (var (index, flags) in process.VmFlags ?? new Dictionary<int, string>())
        {
            Need((uint)index < (uint)mappings.Count && flags is not null, $"process {process.Pid} with flags of no mapping");
        }
    }

    private static void CheckRuns(int pid, IReadOnlyList<PopulatedRun>? runs, IReadOnlyList<MappingFacts> mappings)
    {
        var end = 0UL;
        foreach (var run in runs ?? [])
        {
            Need((uint)run.Mapping < (uint)mappings.Count && run.LeafLevel is >= 0 and <= 2 && run.Start >= end && run.Start < run.End && run.End <= MappingList.EndOfUserSpace
                && mappings[run.Mapping] is var mapping && run.Start >= mapping.Start && run.End <= mapping.End, $"process {pid} with pages at 0x{run.Start:x} that lie in no mapping");
            end = run.End;
        }
    }

    /// <summary>A cgroup is summed up with all above it.</summary>
    private static void CheckPaths(MachineSnapshot snapshot)
    {
        var paths = snapshot.Processes.SelectMany(p => new[] { p.Cgroup, p.OtherCgroups?.Unit ?? "", p.OtherCgroups?.Hugetlb ?? "" }).ToHashSet(StringComparer.Ordinal);
        var left = MostPathBytes;
        foreach (var path in paths)
        {
            Need(path.Length <= LongestPath, "a cgroup with a path longer than the kernel writes");
            left -= (long)path.Length * path.Count(c => c == '/');
        }

        Need(left >= 0, "more cgroups than a machine can have");
    }

    private static void Check(CgroupFacts cgroup)
    {
        NotNull(cgroup.Path, "cgroup's path");
        Need(AreBytes(cgroup.ChargedTableBytes, cgroup.SecondaryTableBytes) && cgroup.MemoryLimit is null or >= 0 && cgroup.MemoryUsed is null or >= 0, "a cgroup with no possible amount of memory");
        Check(cgroup.Nodes);
        NoNulls(cgroup.Hugetlb ?? [], "limits of a cgroup");
        foreach (var limit in cgroup.Hugetlb ?? [])
        {
            NotNull(limit.Level, "limit's cgroup");
            NotNull(limit.File, "limit's file");
            Need(HugePagePool.IsPageSize(limit.PageSize) && limit.Limit >= 0 && limit.Used >= 0, "a limit that cannot be");
        }
    }

    private static void Check(IReadOnlyList<NodeTables>? nodes)
    {
        NoNulls(nodes ?? [], "nodes");
        Need((nodes ?? []).All(n => n.Node >= 0 && AreBytes(n.TableBytes, n.SecondaryTableBytes)), "a node with no possible amount of memory");
    }

    private static bool IsBytes(long bytes) => bytes is >= 0 and <= MostBytes;

    private static bool AreBytes(params ReadOnlySpan<long?> all)
    {
        foreach (var bytes in all)
        {
            if (bytes is { } some && !IsBytes(some))
            {
                return false;
            }
        }

        return true;
    }

    private static T NotNull<T>(T? value, string what)
        where T : class
    {
        Need(value is not null, $"no {what}");
        return value!;
    }

    private static void NoNulls<T>(IReadOnlyList<T?> list, string what)
        where T : class
    {
        NotNull(list, what);
        foreach (var item in list)
        {
            Need(item is not null, $"gaps among the {what}");
        }
    }

    private static void NoNullValues(IReadOnlyDictionary<string, string> values, string what) =>
        Need(NotNull(values, what).Values.All(v => v is not null), $"gaps in the {what}");

    private static void Need(bool holds, [System.Runtime.CompilerServices.InterpolatedStringHandlerArgument(nameof(holds))] Reason reason)
    {
        if (!holds)
        {
            throw new Fault(reason.ToString());
        }
    }

    private static void Need(bool holds, string fault)
    {
        if (!holds)
        {
            throw new Fault(fault);
        }
    }

    private sealed class Fault(string message) : Exception(message);

    /// <summary>Words that are put together only where something is wrong: a snapshot has millions of numbers.</summary>
    [System.Runtime.CompilerServices.InterpolatedStringHandler]
    private ref struct Reason
    {
        private System.Runtime.CompilerServices.DefaultInterpolatedStringHandler _text;

        public Reason(int literalLength, int formattedCount, bool holds, out bool isWanted)
        {
            isWanted = !holds;
            _text = holds ? default : new(literalLength, formattedCount, CultureInfo.InvariantCulture);
        }

        public void AppendLiteral(string text) => _text.AppendLiteral(text);

        public void AppendFormatted<T>(T value, string? format = null) => _text.AppendFormatted(value, format);

        public override string ToString() => _text.ToStringAndClear();
    }
}
