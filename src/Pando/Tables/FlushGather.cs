using System.Buffers;
using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// What an operation on one space has taken out of its tables: the addresses that processors must forget, and the
/// frames and tables that may be given up only then. The operation must call <see cref="Finish"/>; a gather that is
/// forgotten keeps its frames for ever and shows in <see cref="TableStore.OpenGathers"/>, which the auditor checks.
/// </summary>
internal ref struct FlushGather
{
    private const int FlushAt = 64 * 1024;

    private readonly TableStore _store;
    private readonly SpaceTables _space;
    private AddressRange _range;
    private bool _tables;
    private Few _few;
    private int[]? _many;
    private int _count;

    public FlushGather(TableStore store, SpaceTables space)
    {
        _store = store;
        _space = space;
        store.CountGather(1);
    }

    /// <summary>Whether nothing has been taken out.</summary>
    public readonly bool IsEmpty => _range.IsEmpty && _count == 0;

    /// <summary>Processors must forget what they hold of these addresses.</summary>
    /// <param name="range">The addresses.</param>
    /// <param name="tables">Whether an entry that points at a table has changed.</param>
    public void Drop(AddressRange range, bool tables)
    {
        _tables |= tables;
        _range = _range.IsEmpty
            ? range
            : new AddressRange(
                range.Start < _range.Start ? range.Start : _range.Start,
                range.End > _range.End ? range.End : _range.End);
    }

    /// <summary>
    /// After the flush, gives up what an entry showed: a space's table is freed, a file's table detached, an
    /// anonymous frame loses one reference.
    /// </summary>
    public void Release(Frame frame)
    {
        if (_many is null && _count < Few.Length)
        {
            _few[_count++] = frame.Number;
            return;
        }

        AddToMany(frame);
    }

    /// <summary>Flushes and gives up. The gather is empty afterwards, and closed.</summary>
    public void Finish()
    {
        FlushAndRelease();
        if (_many is not null)
        {
            ArrayPool<int>.Shared.Return(_many);
            _many = null;
        }

        _store.CountGather(-1);
    }

    private void AddToMany(Frame frame)
    {
        if (_many is null)
        {
            _many = ArrayPool<int>.Shared.Rent(1024);
            ((ReadOnlySpan<int>)_few)[.._count].CopyTo(_many);
        }
        else if (_count >= FlushAt)
        {
            // What has been gathered so far is already out of the tables, so that it may go at any moment.
            FlushAndRelease();
        }
        else if (_count == _many.Length)
        {
            int[] larger = ArrayPool<int>.Shared.Rent(_count * 2);
            _many.AsSpan(0, _count).CopyTo(larger);
            ArrayPool<int>.Shared.Return(_many);
            _many = larger;
        }

        _many[_count++] = frame.Number;
    }

    private void FlushAndRelease()
    {
        bool flushesLate = Schedule.LeavesOut(ProtocolPart.FlushFirst);
        if (!flushesLate)
        {
            Flush();
        }

        int detached = 0;
        var frames = _many is null ? ((ReadOnlySpan<int>)_few)[.._count] : _many.AsSpan(0, _count);
        foreach (int number in frames)
        {
            var frame = new Frame(number);
            var kind = _store.Memory.Record(frame).Kind;
            switch (kind)
            {
                case FrameKind.FileTable:
                    _store.Detach(frame);
                    detached++;
                    break;
                case FrameKind.SpaceTable:
                    _store.RetireTable(frame);
                    break;
                case FrameKind.Anonymous:
                    _store.ReleaseAnonymous(frame);
                    break;
                default:
                    throw new InvalidOperationException($"{frame} is {kind}; only tables and anonymous frames are given up by a space.");
            }
        }

        if (detached > 0)
        {
            _store.Count(TableEvent.Detached, detached);
        }

        _count = 0;
        if (flushesLate)
        {
            Flush();
        }
    }

    private void Flush()
    {
        if (!_range.IsEmpty)
        {
            _store.Shootdown.Flush(_space, _range, _tables);
            _range = default;
            _tables = false;
        }
    }

    [InlineArray(Length)]
    private struct Few
    {
        public const int Length = 8;

        private int _first;
    }
}
