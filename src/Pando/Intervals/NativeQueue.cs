namespace Pando.Intervals;

/// <summary>A queue in native memory: once it has been as long, adding allocates nothing, and never managed memory. One thread at a time.</summary>
internal sealed class NativeQueue<T>
    where T : unmanaged
{
    private readonly NativeArray<Node> _nodes = new();

    // Lists by index plus one; 0 ends them.
    private int _first;
    private int _last;
    private int _free;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Adds one at the end.</summary>
    public void Add(in T item)
    {
        int number = _free;
        if (number != 0)
        {
            _free = At(number).Next;
        }
        else
        {
            number = _nodes.Add() + 1;
        }

        At(number) = new Node { Item = item };
        if (_last == 0)
        {
            _first = number;
        }
        else
        {
            At(_last).Next = number;
        }

        _last = number;
        Count++;
    }

    /// <summary>The first, if there is one.</summary>
    public bool TryPeek(out T item)
    {
        item = _first == 0 ? default : At(_first).Item;
        return _first != 0;
    }

    /// <summary>Takes the first out.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public void RemoveFirst()
    {
        int number = _first != 0 ? _first : throw new InvalidOperationException("The queue is empty.");
        ref var node = ref At(number);
        _first = node.Next;
        _last = _first == 0 ? 0 : _last;
        node.Next = _free;
        _free = number;
        Count--;
    }

    /// <summary>All of them, the first first.</summary>
    public List<T> ToList()
    {
        var items = new List<T>(Count);
        for (int number = _first; number != 0; number = At(number).Next)
        {
            items.Add(At(number).Item);
        }

        return items;
    }

    private ref Node At(int number) => ref _nodes[number - 1];

    private struct Node
    {
        public T Item;
        public int Next;
    }
}
