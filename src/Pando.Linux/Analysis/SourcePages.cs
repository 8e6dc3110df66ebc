using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>The pages of a process that was read, for itself and for the like processes that it stands for.</summary>
internal sealed class SourcePages
{
    private readonly MappedRuns _runs;
    private readonly Dictionary<(int ObjectNumber, long Offset, ulong Length, MappingRights Rights), int> _mappings = [];

    public SourcePages(ProcessFacts process)
    {
        Process = process;
        _runs = new MappedRuns(process.Populated!, process.Mappings!.Count);
        for (var i = process.Mappings.Count - 1; i >= 0; i--)
        {
            _mappings[Key(process.Mappings[i])] = i; // the first of several is kept
        }
    }

    /// <summary>The process.</summary>
    public ProcessFacts Process { get; }

    /// <summary>The runs of one of its own mappings.</summary>
    public IEnumerable<PopulatedRun> Of(int mapping) => _runs.Of(mapping);

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
