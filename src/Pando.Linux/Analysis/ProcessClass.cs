using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// Like processes: the same name, the same parts of the same large objects mapped with the same rights, and VmPTE of the same
/// power of two. Their layouts may differ, and so may what they have touched; members are sorted by VmPTE.
/// </summary>
public sealed class ProcessClass
{
    /// <summary>Mappings below this length do not tell processes apart.</summary>
    private const ulong LargeMapping = 2UL << 20;

    private ProcessClass(IReadOnlyList<ProcessFacts> members) => Members = members;

    /// <summary>The processes, those with the fewest table bytes first.</summary>
    public IReadOnlyList<ProcessFacts> Members { get; }

    /// <summary>Sum of VmPTE in bytes.</summary>
    public long TableBytes => Members.Total(m => m.TableBytes);

    /// <summary>Groups processes whose maps are known.</summary>
    public static IReadOnlyList<ProcessClass> Group(IEnumerable<ProcessFacts> processes) =>
        [.. processes
            .Where(p => p.Mappings is not null)
            .GroupBy(p => new Signature(p))
            .Select(g => new ProcessClass([.. g.OrderBy(p => p.TableBytes).ThenBy(p => p.Pid)]))
            .OrderByDescending(c => c.TableBytes)];

    /// <summary>How many of so many are read at least, chosen at random. Small classes are read whole.</summary>
    public static int LeastSample(int members) => members <= 5 ? members : 5 + int.Log2(members / 4);

    /// <summary>True for mappings by which classes are told apart, and whose population is carried over from a
    /// member that was read to one that was not.</summary>
    public static bool IsTelling(in MappingFacts mapping) =>
        mapping.ObjectNumber != ObjectFacts.Anonymous && mapping.IsShared && mapping.Length >= LargeMapping;

    /// <summary>Identity of a class. Telling mappings are compared one by one: hashes alone could put two
    /// classes in one.</summary>
    private sealed class Signature : IEquatable<Signature>
    {
        private readonly string _name;
        private readonly int _magnitude;
        private readonly (int ObjectNumber, long Offset, ulong Length, MappingRights Rights)[] _mappings;
        private readonly int _hash;

        public Signature(ProcessFacts process)
        {
            _name = process.Name;
            _magnitude = (int)long.Log2(Math.Max(1, process.TableBytes));
            _mappings = [.. process.Mappings!.Where(m => IsTelling(m)).Select(m => (m.ObjectNumber, m.Offset, m.Length, m.Rights)).Order()];
            var hash = new HashCode();
            hash.Add(_name, StringComparer.Ordinal);
            hash.Add(_magnitude);
            foreach (var mapping in _mappings)
            {
                hash.Add(mapping);
            }

            _hash = hash.ToHashCode();
        }

        public bool Equals(Signature? other) =>
            other is not null && _name == other._name && _magnitude == other._magnitude && _mappings.AsSpan().SequenceEqual(other._mappings);

        public override bool Equals(object? obj) => Equals(obj as Signature);

        public override int GetHashCode() => _hash;
    }
}
