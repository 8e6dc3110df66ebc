using Pando.Linux.Snapshot;
using Pando.Tables;

namespace Pando.Linux.Analysis;

/// <summary>
/// The tables of all processes: charged where pages were read, carried over from the nearest like process (by
/// VmPTE) where not, with the error that this implies.
/// </summary>
/// <remarks>
/// The error is found by leaving one out: each process that was read is predicted from the others of its class that
/// were, and what the prediction misses is taken for every process that it stands for, all in the same direction.
/// It is thus an upper estimate, and zero where all processes of the sample are alike.
/// Sums over all objects of a process have no error: VmPTE is read of all.
/// </remarks>
internal sealed class TableEstimate
{
    private readonly Dictionary<int, double> _errors = [];
    private readonly Func<bool>? _hasTime;

    public TableEstimate(MachineSnapshot snapshot, Func<bool>? hasTime = null)
    {
        _hasTime = hasTime;
        Probes = snapshot.Probes.ToLookup(p => p.ObjectNumber);
        var byPid = new Dictionary<int, ProcessTables>();
        foreach (var group in ProcessClass.Group(snapshot.Processes))
        {
            Add(group, snapshot.Objects, byPid);
        }

        Processes = [.. snapshot.Processes.Select(p => byPid.GetValueOrDefault(p.Pid) ?? ProcessTables.Unknown(p))];
    }

    public IReadOnlyList<ProcessTables> Processes { get; }

    /// <summary>Processes that were read, and left out for want of time.</summary>
    public int Left { get; private set; }

    /// <summary>Looks at huge pages, by object.</summary>
    public ILookup<int, HugetlbProbe> Probes { get; }

    /// <summary>Bytes by which an object's tables may be wrong.</summary>
    public double ErrorBytes(int objectNumber) => _errors.GetValueOrDefault(objectNumber) * TableCounts.TableBytes;

    private void Add(ProcessClass group, IReadOnlyList<ObjectFacts> objects, Dictionary<int, ProcessTables> byPid)
    {
        var read = new List<ProcessTables>();
        foreach (var member in group.Members.Where(m => m.Populated is not null))
        {
            if (_hasTime?.Invoke() ?? true)
            {
                read.Add(ProcessTables.FromPages(member, objects));
            }
            else
            {
                Left++;
            }
        }

        if (read.Count == 0)
        {
            return;
        }

        foreach (var tables in read)
        {
            byPid[tables.Facts.Pid] = tables;
        }

        var standsFor = read.ToDictionary(r => r, _ => 0);
        foreach (var process in group.Members.Where(m => !byPid.ContainsKey(m.Pid)))
        {
            var nearest = Nearest(read, process);
            standsFor[nearest]++;
            byPid[process.Pid] = nearest.ScaledTo(process);
        }

        foreach (var (one, count) in standsFor.Where(s => s.Value > 0))
        {
            AddError(one, read.Where(r => r != one).ToList(), count);
        }
    }

    private void AddError(ProcessTables one, List<ProcessTables> others, int count)
    {
        // A class of which the time budget let one process be read tells nothing of its spread: all may be wrong.
        var predicted = others.Count == 0 ? [] : Nearest(others, one.Facts).ScaledTo(one.Facts).Objects;
        foreach (var number in one.Objects.Keys.Union(predicted.Keys))
        {
            var actual = one.Objects.GetValueOrDefault(number)?.LiveTotal ?? 0;
            var guess = predicted.GetValueOrDefault(number)?.LiveTotal ?? 0;
            _errors[number] = _errors.GetValueOrDefault(number) + (Math.Abs(actual - guess) * count);
        }
    }

    private static ProcessTables Nearest(List<ProcessTables> read, ProcessFacts process) =>
        read.MinBy(r => (Math.Abs(r.Facts.TableBytes - process.TableBytes), r.Facts.Pid))!;
}
