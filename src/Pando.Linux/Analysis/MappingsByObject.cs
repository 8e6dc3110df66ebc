using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>A process's mappings by the object that they show: the mappings of all objects are found in n log n, and those of one without a
/// look at the others.</summary>
internal sealed class MappingsByObject
{
    private readonly int[] _mappings; // their indexes, by object and then by address
    private readonly int[] _objects; // numbers of the objects, ascending
    private readonly int[] _first; // place in _mappings of each object's first, and of the end

    public MappingsByObject(IReadOnlyList<MappingFacts> mappings)
    {
        var numbers = new int[mappings.Count];
        _mappings = new int[numbers.Length];
        for (var i = 0; i < numbers.Length; i++)
        {
            (numbers[i], _mappings[i]) = (mappings[i].ObjectNumber, i);
        }

        // The sort keeps no order of its own among equals.
        Array.Sort(numbers, _mappings);
        var (objects, first) = (new List<int>(), new List<int>());
        for (var i = 0; i < numbers.Length; i++)
        {
            if (i == 0 || numbers[i] != numbers[i - 1])
            {
                objects.Add(numbers[i]);
                first.Add(i);
            }
        }

        first.Add(numbers.Length);
        (_objects, _first) = ([.. objects], [.. first]);
        for (var i = 0; i < _objects.Length; i++)
        {
            Array.Sort(_mappings, _first[i], _first[i + 1] - _first[i]);
        }
    }

    /// <summary>Numbers of the objects that are mapped, ascending.</summary>
    public IReadOnlyList<int> Objects => _objects;

    /// <summary>Indexes of the mappings that show an object, in order of address.</summary>
    public ArraySegment<int> Of(int objectNumber)
    {
        var i = Array.BinarySearch(_objects, objectNumber);
        return i < 0 ? ArraySegment<int>.Empty : new ArraySegment<int>(_mappings, _first[i], _first[i + 1] - _first[i]);
    }
}
