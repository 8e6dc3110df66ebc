using Pando.Linux.Snapshot;
using Pando.Census;

namespace Pando.Linux.Analysis;

/// <summary>The pages of a process that was read, for itself and for the like processes that it stands for.</summary>
internal sealed class SourcePages
{
    private readonly MappedRuns _runs;
    private Dictionary<int, long>? _sharedWindows;
    private readonly Dictionary<(int ObjectNumber, long Offset, ulong Length, MappingRights Rights), int> _mappings = [];

    public SourcePages(ProcessFacts process)
    {
        Process = process;
        ByObject = new MappingsByObject(process.Mappings!);
        _runs = new MappedRuns(process.Populated!, process.Mappings!.Count);
        for (var i = process.Mappings.Count - 1; i >= 0; i--)
        {
            _mappings[Key(process.Mappings[i])] = i; // the first of several is kept
        }
    }

    /// <summary>Its mappings by object.</summary>
    public MappingsByObject ByObject { get; }

    /// <summary>The process.</summary>
    public ProcessFacts Process { get; }

    /// <summary>The runs of one of its own mappings.</summary>
    public IEnumerable<PopulatedRun> Of(int mapping) => _runs.Of(mapping);

    /// <summary>The runs of all mappings of an object, lowest first.</summary>
    public IEnumerable<PopulatedRun> OfObject(int number)
    {
        foreach (var mapping in ByObject.Of(number))
        {
            foreach (var run in _runs.Of(mapping))
            {
                yield return run;
            }
        }
    }

    /// <summary>Pieces of an object (numbers of spans of a level, by file offset) that it has a table of this level for, in mappings whose tables others could use.</summary>
    public IEnumerable<(long First, long End)> PiecesOf(int number, int level)
    {
        var shift = TableCensus.ShiftOf(level);
        foreach (var run in OfObject(number))
        {
            var mapping = Process.Mappings![run.Mapping];
            if (run.LeafLevel < level && SampleBound.IsShareable(mapping))
            {
                var offset = mapping.Offset + (long)(run.Start - mapping.Start);
                yield return (offset >> shift, ((offset + (long)(run.End - run.Start) - 1) >> shift) + 1);
            }
        }
    }

    /// <summary>Windows of 2 MiB in which both the object and other memory have 4 KiB entries: their table stays when the
    /// object goes. They can only lie where one of its mappings begins or ends.</summary>
    public long SharedWindows(int number) => (_sharedWindows ??= FindSharedWindows()).GetValueOrDefault(number);

    private Dictionary<int, long> FindSharedWindows()
    {
        var shift = TableCensus.ShiftOf(1);
        var found = new Dictionary<int, long>();
        var here = new HashSet<int>();
        ulong? window = null;
        foreach (var run in Process.Populated!)
        {
            if (run.LeafLevel != 0)
            {
                continue;
            }

            var number = Process.Mappings![run.Mapping].ObjectNumber;
            Enter(run.Start >> shift, number);
            Enter((run.End - 1) >> shift, number);
        }

        Leave();
        return found;

        void Enter(ulong next, int number)
        {
            if (next != window)
            {
                Leave();
                window = next;
            }

            here.Add(number);
        }

        void Leave()
        {
            if (here.Count > 1)
            {
                foreach (var number in here)
                {
                    found[number] = found.GetValueOrDefault(number) + 1;
                }
            }

            here.Clear();
        }
    }

    /// <summary>The runs of the mapping that shows the same part of the same object, moved to a like process's mapping.</summary>
    public IEnumerable<PopulatedRun> Moved(MappingFacts mapping, int index) =>
        _mappings.TryGetValue(Key(mapping), out var from) ? Moved(from, mapping, index) : [];

    private IEnumerable<PopulatedRun> Moved(int from, MappingFacts mapping, int index)
    {
        var shift = mapping.Start - Process.Mappings![from].Start;
        return _runs.Of(from).Select(r => new PopulatedRun(index, r.Start + shift, r.End + shift, r.LeafLevel));
    }

    private static (int, long, ulong, MappingRights) Key(in MappingFacts mapping) => (mapping.ObjectNumber, mapping.Offset, mapping.Length, mapping.Rights);
}
