using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// A process's populated runs by mapping. Runs stand in order of address, as mappings do, so that those of a mapping are one piece of the list.
/// </summary>
internal sealed class MappedRuns
{
    private readonly IReadOnlyList<PopulatedRun> _runs;
    private readonly int[] _first; // of each mapping, and their number at the end

    /// <summary>Runs of a process with so many mappings.</summary>
    public MappedRuns(IReadOnlyList<PopulatedRun> runs, int mappings)
    {
        _runs = runs;
        _first = new int[mappings + 1];
        foreach (var run in _runs)
        {
            _first[run.Mapping + 1]++;
        }

        for (var i = 1; i < _first.Length; i++)
        {
            _first[i] += _first[i - 1];
        }
    }

    /// <summary>The runs of a mapping, lowest first.</summary>
    public IEnumerable<PopulatedRun> Of(int mapping)
    {
        for (var i = _first[mapping]; i < _first[mapping + 1]; i++)
        {
            yield return _runs[i];
        }
    }
}
