using Pando.Hardware;

namespace Pando.Kvm.Engine;

/// <summary>The tables that have changed since they were last flushed: each once, up to a limit past which only "many" is known.</summary>
/// <remarks>Thread-safe. A change is noted after it was made; so whoever takes the list sees, in memory, all that it names.</remarks>
internal sealed class ChangedTables(int limit)
{
    private readonly Lock _lock = new();
    private readonly HashSet<ulong> _tables = [];
    private bool _many;
    private ulong _last;

    /// <summary>Notes a table. Cheap where it is the one that was noted last: a change mostly goes on in one table.</summary>
    internal void Note(PhysicalAddress table)
    {
        // Seen to be the last: whoever takes the list does so after this look, and so after the change.
        if (Volatile.Read(ref _last) == table.Value)
        {
            return;
        }

        lock (_lock)
        {
            _many |= _tables.Count == limit;
            if (!_many)
            {
                _tables.Add(table.Value);
            }

            Volatile.Write(ref _last, table.Value);
        }
    }

    /// <summary>Empties the list.</summary>
    /// <param name="tables">The tables' addresses, unless there are too many.</param>
    /// <param name="many">Whether there are too many.</param>
    /// <returns>Whether there was anything.</returns>
    internal bool TryTake(List<ulong> tables, out bool many)
    {
        tables.Clear();
        lock (_lock)
        {
            many = _many;
            bool any = many || _tables.Count > 0;
            if (!many)
            {
                tables.AddRange(_tables);
            }

            _tables.Clear();
            _many = false;
            Interlocked.Exchange(ref _last, 0);
            return any;
        }
    }
}
