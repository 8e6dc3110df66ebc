using System.Buffers;
using System.Runtime.CompilerServices;
using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// What an operation on one space has taken out of its tables: the addresses that processors must forget, and the
/// frames and tables that may be given up only then. The flush comes when the gather's scope ends, however it is left;
/// a gather that is forgotten keeps its frames for ever and shows in <see cref="TableStore.OpenGathers"/>, which the
/// auditor checks.
/// </summary>
/// <remarks>
/// What is gathered stands in a <see cref="State"/> of the caller's, so that the gather itself can be both a value of
/// <c>using</c> and an argument.
/// </remarks>
internal readonly ref struct FlushGather
{
    private const int FlushAt = 64 * 1024;

    private readonly TableStore _store;
    private readonly SpaceTables _space;
    private readonly ref State _state;

    /// <summary>Begins to gather.</summary>
    /// <param name="store">The tables.</param>
    /// <param name="space">The space whose entries are taken out.</param>
    /// <param name="state">Where what is gathered is kept; an empty local of the caller, who has no other use for it.</param>
    public FlushGather(TableStore store, SpaceTables space, ref State state)
    {
        _store = store;
        _space = space;
        _state = ref state;
        store.CountGather(1);
    }

    /// <summary>Whether nothing has been taken out.</summary>
    public bool IsEmpty => _state.Range.IsEmpty && _state.Count == 0;

    /// <summary>Processors must forget what they hold of these addresses.</summary>
    /// <param name="range">The addresses.</param>
    /// <param name="tables">Whether an entry that points at a table has changed.</param>
    public void Drop(AddressRange range, bool tables)
    {
        _state.Tables |= tables;
        var known = _state.Range;
        _state.Range = known.IsEmpty
            ? range
            : new AddressRange(range.Start < known.Start ? range.Start : known.Start, range.End > known.End ? range.End : known.End);
    }

    /// <summary>
    /// After the flush, gives up what an entry showed: a space's table is freed, a file's table detached, an
    /// anonymous frame loses one reference.
    /// </summary>
    public void Release(Frame frame)
    {
        if (_state.Many is null && _state.Count < Few.Length)
        {
            _state.Few[_state.Count++] = frame.Number;
            return;
        }

        AddToMany(frame);
    }

    /// <summary>Flushes and gives up. Called once, by <c>using</c>.</summary>
    public void Dispose()
    {
        FlushAndRelease();
        if (_state.Many is { } many)
        {
            ArrayPool<int>.Shared.Return(many);
            _state.Many = null;
        }

        _store.CountGather(-1);
    }

    private void AddToMany(Frame frame)
    {
        if (_state.Many is not { } many)
        {
            many = ArrayPool<int>.Shared.Rent(1024);
            Gathered.CopyTo(many);
            _state.Many = many;
        }
        else if (_state.Count >= FlushAt)
        {
            // What has been gathered so far is already out of the tables, so that it may go at any moment.
            FlushAndRelease();
        }
        else if (_state.Count == many.Length)
        {
            int[] larger = ArrayPool<int>.Shared.Rent(many.Length * 2);
            many.CopyTo(larger, 0);
            ArrayPool<int>.Shared.Return(many);
            _state.Many = many = larger;
        }

        many[_state.Count++] = frame.Number;
    }

    private void FlushAndRelease()
    {
        bool flushesLate = Schedule.LeavesOut(ProtocolPart.FlushFirst);
        if (!flushesLate)
        {
            Flush();
        }

        int detached = 0;
        foreach (int number in Gathered)
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

        _state.Count = 0;
        if (flushesLate)
        {
            Flush();
        }
    }

    private void Flush()
    {
        if (!_state.Range.IsEmpty)
        {
            _store.Shootdown.Flush(_space, _state.Range, _state.Tables);
            _state.Range = default;
            _state.Tables = false;
        }
    }

    private ReadOnlySpan<int> Gathered =>
        _state.Many is { } many ? many.AsSpan(0, _state.Count) : ((ReadOnlySpan<int>)_state.Few)[.._state.Count];

    /// <summary>What has been gathered.</summary>
    public struct State
    {
        internal AddressRange Range;
        internal bool Tables;
        internal Few Few;
        internal int[]? Many;
        internal int Count;
    }

    [InlineArray(Length)]
    internal struct Few
    {
        public const int Length = 8;

        private int _first;
    }
}
