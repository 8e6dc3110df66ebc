using Pando.Linux.Snapshot;
using Pando.Tables;

namespace Pando.Linux.Analysis;

/// <summary>
/// The tables of all processes: charged where pages were read, carried over from the nearest like process (by
/// VmPTE) where not, with the error that this implies.
/// </summary>
/// <remarks>
/// The error of a class is found by leaving one out: each process that was read is predicted from the others that
/// were, and the root mean square of what the prediction misses is taken for every process that was not read, all
/// in the same direction. It is thus an upper estimate, and zero where all processes of the sample are alike.
/// Sums over all objects of a process have no error: VmPTE is read of all.
/// </remarks>
internal sealed class TableEstimate
{
    private readonly Dictionary<int, double> _errors = [];

    public TableEstimate(MachineSnapshot snapshot)
    {
        var byPid = new Dictionary<int, ProcessTables>();
        foreach (var group in ProcessClass.Group(snapshot.Processes))
        {
            Add(group, snapshot.Objects, byPid);
        }

        Processes = [.. snapshot.Processes.Select(p => byPid.GetValueOrDefault(p.Pid) ?? ProcessTables.Unknown(p))];
    }

    public IReadOnlyList<ProcessTables> Processes { get; }

    /// <summary>Bytes by which an object's tables may be wrong.</summary>
    public double ErrorBytes(int objectNumber) => _errors.GetValueOrDefault(objectNumber) * TableCounts.TableBytes;

    private void Add(ProcessClass group, IReadOnlyList<ObjectFacts> objects, Dictionary<int, ProcessTables> byPid)
    {
        var read = group.Members.Where(m => m.Populated is not null).Select(m => ProcessTables.FromPages(m, objects)).ToList();
        if (read.Count == 0)
        {
            return;
        }

        foreach (var tables in read)
        {
            byPid[tables.Facts.Pid] = tables;
        }

        var unread = group.Members.Where(m => m.Populated is null).ToList();
        foreach (var process in unread)
        {
            byPid[process.Pid] = Nearest(read, process).ScaledTo(process);
        }

        if (unread.Count > 0)
        {
            AddErrors(read, unread.Count);
        }
    }

    private void AddErrors(List<ProcessTables> read, int unread)
    {
        foreach (var number in read.SelectMany(r => r.Objects.Keys).Distinct())
        {
            double squares = 0;
            foreach (var one in read)
            {
                var actual = one.Objects.GetValueOrDefault(number)?.LiveTotal ?? 0;
                var predicted = read.Count == 1 ? 0
                    : Nearest([.. read.Where(r => r != one)], one.Facts).ScaledTo(one.Facts).Objects.GetValueOrDefault(number)?.LiveTotal ?? 0;
                squares += (actual - predicted) * (actual - predicted);
            }

            _errors[number] = _errors.GetValueOrDefault(number) + (Math.Sqrt(squares / read.Count) * unread);
        }
    }

    private static ProcessTables Nearest(List<ProcessTables> read, ProcessFacts process) =>
        read.MinBy(r => (Math.Abs(r.Facts.TableBytes - process.TableBytes), r.Facts.Pid))!;
}
