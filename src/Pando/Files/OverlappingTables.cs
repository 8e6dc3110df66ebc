using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// The file's tables of a level whose windows have something of a range of the file, in order. Who goes through them is inside an epoch;
/// each is looked up when it is asked for, and tables made meanwhile may be missing. Allocates nothing.
/// </summary>
internal readonly struct OverlappingTables(TableStore store, TableIndex index, int level, long start, long end)
{
    public Enumerator GetEnumerator() => new(store, index, level, start, end);

    /// <summary>Goes from table to table.</summary>
    public struct Enumerator(TableStore store, TableIndex index, int level, long start, long end)
    {
        private TableIndex.Position _at = TableIndex.Position.Before(level);

        /// <summary>The table.</summary>
        public Frame Current { get; private set; }

        /// <summary>Goes to the next table that can be attached to, or is.</summary>
        public bool MoveNext()
        {
            while (index.TryGetNext(ref _at, start, end, out var table))
            {
                Current = table;
                if (Volatile.Read(ref store.Memory.Record(table).AttachCount) >= 0)
                {
                    return true;
                }
            }

            return false;
        }
    }
}
