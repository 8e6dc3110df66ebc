using Pando.Intervals;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>Turns a snapshot into a report. Pure: the same snapshot gives the same report on any machine.</summary>
public sealed class ScanAnalysis
{
    // Cures are computed for the objects with the most tables; below, there is nothing to gain.
    private const int MostCures = 40;
    private const int MostPictures = 8;
    private const int MostRows = 48;
    private const int MostColumns = 64;

    private readonly MachineSnapshot _snapshot;
    private readonly ReportOptions _options;
    private readonly TableEstimate _estimate;
    private readonly Dictionary<int, List<ProcessTables>> _mappers = [];
    private readonly IReadOnlyList<VirtualMachineReport> _machines;
    private int _leftObjects;
    private double _leftTables;
    private SplitTables _split;
    private bool _leftPictures;

    private ScanAnalysis(MachineSnapshot snapshot, ReportOptions options)
    {
        // A process that runs in another's address space is asked about as that one.
        _options = options.Pid is { } pid && snapshot.Processes.FirstOrDefault(p => p.Has(pid)) is { } owner ? options with { Pid = owner.Pid } : options;
        _snapshot = options.Cgroup is { } cgroup ? OfCgroup(snapshot, cgroup) : snapshot;
        _estimate = new TableEstimate(_snapshot, options.HasTime);
        _machines = VirtualMachines.Find(_snapshot);
        foreach (var process in _estimate.Processes.Where(p => p.Facts.Mappings is not null))
        {
            foreach (var number in process.ByObject.Objects)
            {
                if (!_mappers.TryGetValue(number, out var list))
                {
                    _mappers[number] = list = [];
                }

                list.Add(process);
            }
        }
    }

    /// <summary>Analyses a snapshot.</summary>
    /// <exception cref="ReportException">The options ask for a process, object or cgroup that is not there.</exception>
    public static ScanReport Analyse(MachineSnapshot snapshot, ReportOptions options)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(options);
        return new ScanAnalysis(snapshot, options).Analyse();
    }

    private ScanReport Analyse()
    {
        CheckPid();
        var all = Objects();
        Label(all);
        var objects = all.Where(IsAskedFor).Select(OfPid).ToList();
        if (objects.Count == 0 && _options.ObjectName is { } name)
        {
            throw new ReportException($"No mapped object matches '{name}'. Give a part of its path, or DEVICE:INODE (the table shows it where names are not enough); without --object the table lists all.");
        }

        var machine = Machine(all);
        var processes = Processes(all);
        var support = KernelSupport.Of(_snapshot.Machine);
        var (advice, adviceNotes) = HasTime ? AdviceWriter.Write(_snapshot, support, objects, _mappers, _estimate.Processes) : ([], ["The time budget ran out before advice was written. Give more by --budget."]);
        return new ScanReport(
            ScanReport.FormatName,
            ScanReport.CurrentVersion,
            _snapshot.TakenAt,
            _snapshot.ScanSeconds,
            _snapshot.Exact,
            _options.At,
            machine,
            objects,
            processes,
            CgroupAnalysis.Analyse(_snapshot, processes, _options.Cgroup is { } top ? CgroupPath.Normal(top) : null),
            advice,
            [.. objects.Where(o => o.Kind is not (ObjectKind.Anonymous or ObjectKind.Special) && o.Processes > 1).OrderByDescending(o => o.Sharing is not null).Take(MostPictures).TakeWhile(_ => HasTime || !(_leftPictures = true)).Select(Cells)],
            [.. SharingNotes(), .. _snapshot.Notes, .. TimeNotes(), .. adviceNotes])
        {
            VirtualMachines = _machines,
        };
    }

    private bool HasTime => _options.HasTime?.Invoke() ?? true;

    /// <summary>All objects, the most tables first.</summary>
    private List<ObjectReport> Objects()
    {
        var all = new List<ObjectReport>();
        foreach (var (number, tables) in _mappers.Keys.Select(n => (Number: n, Tables: RoughTables(n))).OrderByDescending(o => o.Tables).ThenBy(o => o.Number))
        {
            if (all.Count > 0 && !HasTime)
            {
                _leftObjects++;
                _leftTables += tables;
                continue;
            }

            var (report, split) = ObjectAnalysis.Analyse(_snapshot, _snapshot.Objects[number], _mappers[number], _estimate, _options.At, all.Count < MostCures, _options.HasTime);
            _split += split;
            all.Add(report);
        }

        return [.. all.OrderByDescending(o => o.TableBytes).ThenBy(o => o.Number)];
    }

    private IEnumerable<string> TimeNotes()
    {
        if (_estimate.Left > 0)
        {
            yield return $"The time budget ran out before {_estimate.Left} processes that were read to the page were worked out: they are taken to be like others, or not placed.";
        }

        if (_leftObjects > 0)
        {
            yield return $"The time budget ran out before {_leftObjects} objects were worked out, those with the fewest page tables: they are not listed, and their tables not placed. Give more by --budget.";
        }

        if (_leftPictures)
        {
            yield return "The time budget ran out before all pictures were drawn.";
        }
    }

    private static MachineSnapshot OfCgroup(MachineSnapshot snapshot, string cgroup)
    {
        var path = CgroupPath.Normal(cgroup);
        var inside = snapshot.Processes.Where(p => CgroupPath.IsInside(p.Cgroup, path)).ToList();
        if (inside.Count == 0)
        {
            throw new ReportException($"No process is in cgroup '{path}'. Cgroups with processes: {string.Join(", ", snapshot.Cgroups.Select(c => c.Path).Take(8))}");
        }

        var pids = inside.Select(p => p.Pid).ToHashSet();
        return snapshot with { Processes = inside, Notes = [.. snapshot.Notes, $"Only the {pids.Count} processes of cgroup {path} are counted; PageTables is the machine's."] };
    }

    private void CheckPid()
    {
        if (_options.Pid is not { } pid)
        {
            return;
        }

        var process = _snapshot.Processes.FirstOrDefault(p => p.Pid == pid)
            ?? throw new ReportException($"No process {pid} with page tables of its own is visible: it ended, is a kernel thread, or is hidden from this user.");
        if (process.Mappings is null)
        {
            throw ReportException.NoMaps(process);
        }
    }

    private double RoughTables(int number) => _mappers[number].Sum(m => m.Objects.GetValueOrDefault(number)?.LiveTotal ?? 0);

    private bool IsAskedFor(ObjectReport report)
    {
        if (_options.Pid is { } pid && !_mappers[report.Number].Any(m => m.Facts.Pid == pid))
        {
            return false;
        }

        return _options.ObjectName is not { } name || report.Name.Contains(name, StringComparison.OrdinalIgnoreCase) || report.Place == name || $"{report.Device}:{report.Inode}" == name;
    }

    /// <summary>Anonymous memory is one row for all processes; asked about one process, the row is that process's.</summary>
    private ObjectReport OfPid(ObjectReport report) => _options.Pid is { } pid && report.Kind == ObjectKind.Anonymous
        ? ObjectAnalysis.Analyse(_snapshot, _snapshot.Objects[report.Number], [.. _mappers[report.Number].Where(m => m.Facts.Pid == pid)], _estimate, _options.At, withCures: false).Report with { Label = $"{report.Label} of {pid}" }
        : report;

    private static void Label(List<ObjectReport> objects)
    {
        var times = objects.GroupBy(o => o.Name).ToDictionary(g => g.Key, g => g.Count());
        for (var i = 0; i < objects.Count; i++)
        {
            var o = objects[i];
            var neverHadPath = o.Name.StartsWith("/memfd:", StringComparison.Ordinal) || o.Name.StartsWith("/SYSV", StringComparison.Ordinal) || o.Name.StartsWith("/dev/zero ", StringComparison.Ordinal) || o.Name.StartsWith("/anon_hugepage", StringComparison.Ordinal);
            var label = !neverHadPath ? o.Name : o.Name.Replace(" (deleted)", "", StringComparison.Ordinal);
            objects[i] = o with { Label = times[o.Name] > 1 && o.Device.Length > 0 ? $"{label} [{o.Place}]" : label };
        }
    }

    private MachineReport Machine(List<ObjectReport> objects)
    {
        var machine = _snapshot.Machine;
        var sum = _snapshot.Processes.Total(p => p.TableBytes);
        var twice = objects.Total(o => o.SharedSaved);
        var (countsPud, countsRoot) = KernelCounters.Of(machine.KernelRelease);
        var roots = countsRoot ? _snapshot.Processes.Count * (long)TableCounts.TableBytes * (machine.Isolation ? 2 : 1) : 0;
        var leftOut = countsPud ? 0 : objects.Total(o => o.Live.Pud);
        var unplaced = Totals.Bytes(_estimate.Processes.Sum(p => p.Unplaced) + _leftTables);

        // Of a process whose maps were not come to its tables can be anything; where all that may be read was, they stand apart.
        var unknown = _snapshot.Exact ? 0 : _snapshot.Processes.Where(p => p.Mappings is null).Total(p => p.TableBytes);
        return new MachineReport(
            machine.KernelRelease,
            machine.MemoryBytes,
            machine.PageTableBytes,
            machine.MemoryBytes == 0 ? 0 : 100.0 * machine.PageTableBytes / machine.MemoryBytes,
            machine.SecondaryTableBytes,
            sum,
            twice,
            leftOut,
            roots,
            machine.PageTableBytes - (sum - twice - leftOut) - roots,
            _snapshot.Processes.Count,
            _snapshot.Processes.Count(p => p.Populated is not null),
            objects.Total(o => o.NeededOnce),
            objects.Total(o => o.Duplicate),
            objects.Total(o => o.Empty),
            unplaced,
            Totals.Add(_estimate.Processes.All(p => p.IsRead || p.Facts.Mappings is null) ? 0 : Totals.Bytes(Math.Ceiling(_split.Error(_estimate.Bound.Sum) + _leftTables)), unknown),
            KernelSupport.Of(machine).Lines)
        {
            Unseen = _snapshot.Unseen,
            Confidence = SampleBound.Confidence,
            OrdinaryPercent = OrdinaryPercent(machine),
            Nodes = machine.Nodes,
            TableSharing = machine.TableSharing is { Count: > 0 } sharing ? string.Join(", ", sharing) : null,
            Fork = machine.Fork,
        };
    }

    /// <summary>Said before anything that is summed from VmPTE is believed.</summary>
    private IEnumerable<string> SharingNotes()
    {
        if (_snapshot.Machine.TableSharing is { Count: > 0 } sharing)
        {
            yield return $"This kernel can share tables of PTEs between processes: {string.Join(", ", sharing)}. VmPTE counts a table that ptshare shares once for each sharer, and leaves out those that belong to an msharefs file; PageTables counts each once. Sums of VmPTE, duplicates and what cures save are upper bounds here; the difference is in 'others', which may be negative.";
        }
    }

    /// <summary>Memory in pools of huge pages can hold no page tables, and needs next to none.</summary>
    private static double OrdinaryPercent(MachineFacts machine)
    {
        var ordinary = machine.MemoryBytes - (machine.HugetlbBytes ?? machine.Pools.Total(p => p.Total * (long)p.PageSize));
        return ordinary <= 0 ? 0 : 100.0 * machine.PageTableBytes / ordinary;
    }

    private List<ProcessReport> Processes(List<ObjectReport> objects)
    {
        var secondary = _machines.ToDictionary(v => v.Pid, v => v.SecondaryTableBytes);
        var cgroups = _snapshot.Cgroups.GroupBy(c => c.Path).ToDictionary(g => g.Key, g => g.First());
        var duplicateShare = objects.ToDictionary(o => o.Number, o => o.Live.Total == 0 ? 0 : (double)o.Duplicate / o.Live.Total);
        return [.. _estimate.Processes
            .Where(p => _options.Pid is null || p.Facts.Pid == _options.Pid)
            .OrderByDescending(p => p.Facts.TableBytes)
            .ThenBy(p => p.Facts.Pid)
            .Select(p => new ProcessReport(
                p.Facts.Pid,
                p.Facts.Name,
                p.Facts.User,
                p.Facts.Cgroup,
                p.Facts.TableBytes,
                Bytes(p.Objects.Values.Sum(o => o.LiveTotal)),
                Bytes(p.Objects.Sum(o => o.Value.LiveTotal * duplicateShare.GetValueOrDefault(o.Key))),
                Bytes(p.Empty),
                p.IsRead,
                [.. p.Objects.Where(o => o.Value.LiveTotal >= 1).OrderByDescending(o => o.Value.LiveTotal).Take(5)
                    .Select(o => new ProcessShare(o.Key, _snapshot.Objects[o.Key].Name, Bytes(o.Value.LiveTotal)))],
                p.Facts.StuckState,
                CgroupAnalysis.LabelOf(p.Facts, cgroups))
            {
                ForkMilliseconds = ForkCost.Of(p, _snapshot.Machine.Fork),
                SecondaryTableBytes = secondary.GetValueOrDefault(p.Facts.Pid),
            })];
    }

    /// <summary>The picture: rows are processes, columns GiBs of the object.</summary>
    private ObjectCells Cells(ObjectReport report)
    {
        var mappers = _mappers[report.Number].Where(m => m.Source is not null).ToList();
        var shift = TableCensus.ShiftOf(2);
        var cells = new IntervalSet();
        foreach (var mapping in mappers.SelectMany(p => p.ByObject.Of(report.Number).Select(m => p.Facts.Mappings![m])))
        {
            cells.Add(mapping.Offset >> shift, ((mapping.Offset + (long)mapping.Length - 1) >> shift) + 1);
        }

        var columns = (int)Math.Min(cells.Length, MostColumns);
        var rows = new List<IReadOnlyList<int>>();
        var pids = new List<int>();
        var step = Math.Max(1, (mappers.Count + MostRows - 1) / MostRows);
        for (var i = 0; i < mappers.Count; i += step)
        {
            var row = new int[columns];
            var process = mappers[i];
            foreach (var m in process.ByObject.Of(report.Number))
            {
                var mapping = process.Facts.Mappings![m];
                foreach (var run in CureAnalysis.Runs(process, m))
                {
                    var first = (mapping.Offset + (long)(run.Start - mapping.Start)) >> shift;
                    var last = (mapping.Offset + (long)(run.End - 1 - mapping.Start)) >> shift;
                    for (var cell = Math.Max(0, first); cell <= last && cell < columns; cell++)
                    {
                        row[cell] = report.Sharing?.IsShared(process.Facts.Pid, cell) == true ? 2 : 1;
                    }
                }
            }

            rows.Add(row);
            pids.Add(process.Facts.Pid);
        }

        return new ObjectCells(report.Number, mappers.Count, columns, pids, rows);
    }

    private static long Bytes(double tables) => Totals.Bytes(tables);
}
