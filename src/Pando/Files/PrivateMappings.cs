using Pando.Concurrency;

namespace Pando.Files;

/// <summary>
/// Those mappings of one file that may show it in tables of their own: the reverse map. Mappings that are wholly
/// attached to the file's tables do not stand here, so that a change of the file costs by its tables and by what
/// has diverged, not by processes.
/// </summary>
/// <remarks>
/// A mapping is added before the first leaf of the file is put into a private table; the leaf is put in only if the
/// file's sequence has not moved since. So a change either finds the mapping here or makes the leaf's fault begin again.
/// </remarks>
internal sealed class PrivateMappings
{
    private readonly HashSet<IPrivateMapping> _mappings = [];
    private readonly SleepLock _lock = new(LockRank.MappingIndex);

    /// <summary>How many there are.</summary>
    public int Count => _mappings.Count;

    /// <summary>Holds the index until the scope ends: no mapping comes or goes meanwhile.</summary>
    public SleepLock.Scope Hold() => _lock.Hold();

    /// <summary>Adds a mapping. The caller holds the index.</summary>
    public void Add(IPrivateMapping mapping) => _mappings.Add(mapping);

    /// <summary>Takes a mapping out. The caller holds the index.</summary>
    public void Remove(IPrivateMapping mapping) => _mappings.Remove(mapping);

    /// <summary>Applies a change to every mapping here that has something of a range. The caller holds the index.</summary>
    public void Apply(FileChange change, long start, long end)
    {
        foreach (var mapping in _mappings)
        {
            if (mapping.FileStart < end && start < mapping.FileEnd)
            {
                mapping.Apply(change, start, end);
            }
        }
    }
}
