using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// The tables of all processes: charged where pages were read, carried over from a like process of the nearest VmPTE
/// where not. By how much that can be wrong <see cref="Bound"/> says.
/// Sums over all objects of a process have no error: VmPTE is read of all.
/// </summary>
internal sealed class TableEstimate
{
    private readonly Func<bool>? _hasTime;

    public TableEstimate(MachineSnapshot snapshot, Func<bool>? hasTime = null)
    {
        _hasTime = hasTime;
        Probes = snapshot.Probes.ToLookup(p => p.ObjectNumber);
        var byPid = new Dictionary<int, ProcessTables>();
        var classes = new List<(ProcessClass Class, IReadOnlyDictionary<int, ProcessTables> Read)>();
        foreach (var group in ProcessClass.Group(snapshot.Processes))
        {
            var read = Read(group, snapshot.Objects);
            Carry(group, read, byPid);
            classes.Add((group, read));
        }

        Bound = new SampleBound(classes, snapshot.Objects);

        Processes = [.. snapshot.Processes.Select(p => byPid.GetValueOrDefault(p.Pid) ?? ProcessTables.Unknown(p))];
    }

    public IReadOnlyList<ProcessTables> Processes { get; }

    /// <summary>Processes that were read, and left out for want of time.</summary>
    public int Left { get; private set; }

    /// <summary>Looks at huge pages, by object.</summary>
    public ILookup<int, HugetlbProbe> Probes { get; }

    /// <summary>What the processes that were not read can have.</summary>
    public SampleBound Bound { get; }

    private Dictionary<int, ProcessTables> Read(ProcessClass group, IReadOnlyList<ObjectFacts> objects)
    {
        var read = new Dictionary<int, ProcessTables>();

        // In the order in which chance chose them: where time ends, those that were worked out are still a random draw.
        foreach (var member in group.Members.Where(m => m.Populated is not null).OrderBy(m => m.SampleRank ?? -1))
        {
            if (_hasTime?.Invoke() ?? true)
            {
                read[member.Pid] = ProcessTables.FromPages(member, objects);
            }
            else
            {
                Left++;
            }
        }

        return read;
    }

    private static void Carry(ProcessClass group, Dictionary<int, ProcessTables> read, Dictionary<int, ProcessTables> byPid)
    {
        if (read.Count == 0)
        {
            return;
        }

        ProcessTables[] byTables = [.. read.Values.OrderBy(r => r.Facts.TableBytes).ThenBy(r => r.Facts.Pid)];
        for (var i = 0; i < group.Members.Count; i++)
        {
            var member = group.Members[i];
            byPid[member.Pid] = read.GetValueOrDefault(member.Pid) ?? Nearest(byTables, member.TableBytes, i).ScaledTo(member);
        }
    }

    /// <summary>The process with the nearest VmPTE. Of several with the same each in <paramref name="turn"/>: VmPTE does not tell which of them an
    /// unread process is like, and all together they tell how many are like each.</summary>
    private static ProcessTables Nearest(ProcessTables[] byTables, long tables, int turn)
    {
        var above = FirstNotBelow(byTables, tables);
        var isBelow = above == byTables.Length || (above > 0 && tables - byTables[above - 1].Facts.TableBytes <= byTables[above].Facts.TableBytes - tables);
        var nearest = byTables[isBelow ? above - 1 : above].Facts.TableBytes;
        var (first, end) = (FirstNotBelow(byTables, nearest), FirstNotBelow(byTables, nearest + 1));
        return byTables[first + (turn % (end - first))];
    }

    private static int FirstNotBelow(ProcessTables[] byTables, long tables)
    {
        var (low, high) = (0, byTables.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = byTables[middle].Facts.TableBytes < tables ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
