using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <summary>
/// Divides the memory of page tables among those who use them: a space bears its own tables wholly, and of a file's
/// table the part of one among its slots, as Linux's PSS does with pages. Taken of a machine at rest; the shares of
/// all spaces and of all tables that nothing is attached to add up to all tables.
/// </summary>
/// <remarks>What has been worked out of a file's table is kept, so that the shares of ten thousand spaces cost little more than those of one. Not safe for threads.</remarks>
public sealed class TableShares
{
    private readonly TableStore _store;
    private readonly Dictionary<int, double> _known = [];

    internal TableShares(TableStore store) => _store = store;

    /// <summary>The bytes of page tables that a space bears; 0 for one that has ended.</summary>
    /// <exception cref="ArgumentException">The space is one of another machine.</exception>
    public double Of(AddressSpace space)
    {
        ArgumentNullException.ThrowIfNull(space);
        if (space.Store != _store)
        {
            throw new ArgumentException($"{space} is one of another machine.", nameof(space));
        }

        return space.HasExited ? 0 : OfSpaceTable(space.Root, _store.Geometry.Levels);
    }

    /// <summary>The bytes of a file's tables that no space bears: those that nothing is attached to, and what only they lead to.</summary>
    /// <exception cref="ArgumentException">The file is one of another machine.</exception>
    public double OfNobody(Files.FileTables tables)
    {
        ArgumentNullException.ThrowIfNull(tables);
        if (tables.File.Store != _store)
        {
            throw new ArgumentException($"'{tables.FileName}' is a file of another machine.", nameof(tables));
        }

        double sum = 0;
        foreach (var table in tables.All())
        {
            if (_store.Memory.Record(table).AttachCount == 0)
            {
                sum += Whole(table, _store.Memory.Record(table).Level);
            }
        }

        return sum;
    }

    private double OfSpaceTable(Frame table, int level)
    {
        double sum = _store.Geometry.PageSize;
        for (int index = 0; index < _store.Geometry.Entries(level); index++)
        {
            var entry = _store.Read(table, index);
            if (_store.Format.IsSlot(entry, level))
            {
                var child = _store.TableOf(entry, level);
                sum += _store.IsAttached(entry, level) ? OfSlot(child, level - 1) : OfSpaceTable(child, level - 1);
            }
        }

        return sum;
    }

    private double OfSlot(Frame table, int level)
    {
        if (!_known.TryGetValue(table.Number, out double share))
        {
            share = Whole(table, level) / _store.Memory.Record(table).AttachCount;
            _known.Add(table.Number, share);
        }

        return share;
    }

    private double Whole(Frame table, int level)
    {
        double sum = _store.Geometry.PageSize;
        for (int index = 0; level > Level.Pte && index < _store.Geometry.Entries(level); index++)
        {
            var entry = _store.Read(table, index);
            if (_store.Format.IsSlot(entry, level))
            {
                sum += OfSlot(_store.TableOf(entry, level), level - 1);
            }
        }

        return sum;
    }
}
