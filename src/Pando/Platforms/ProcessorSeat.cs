using Pando.Concurrency;
using Pando.Hardware;
using Pando.Machines;
using Pando.Tables;

namespace Pando.Platforms;

/// <summary>
/// The place of a platform's processor, or of several that are asked as one, among the processors of a machine: its number, the spaces
/// that it has loaded, and its view of the tables. Safe for threads.
/// </summary>
/// <remarks>
/// There are <see cref="Machine.MostProcessors"/> places; a place that was given up is given again. It is given up before the machine
/// is disposed of.
/// </remarks>
public sealed class ProcessorSeat : IDisposable
{
    private readonly Machine _machine;
    private readonly TableStore _store;
    private readonly Occupant _occupant;

    private ProcessorSeat(Machine machine, int number)
    {
        _machine = machine;
        _store = machine.Store;
        _occupant = new Occupant(this);
        Number = number;
    }

    /// <summary>The processor's number in its machine, from 0.</summary>
    public int Number { get; }

    /// <summary>Makes a processor and gives it a place, from which on flushes reach it.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="make">
    /// Makes the processor with its seat, complete: it may be asked before this method returns. It takes no other seat and makes no
    /// space. Where it fails, the machine is as it was.
    /// </param>
    /// <param name="kernelEntry">What every root holds for the platform's own code. The machine has no space yet, and is given one once.</param>
    /// <param name="shadow">Told which tables change from now on. A machine is given one once, at rest.</param>
    /// <returns>The seat.</returns>
    /// <exception cref="ArgumentException">No processor was made.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The kernel's entry stands where user addresses lead, or outside the root, or is none.</exception>
    /// <exception cref="InvalidOperationException">
    /// The machine has no place left; or it has spaces or a kernel's entry already and is to be given one; or a second shadow. It is as it was.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public static ProcessorSeat Take(
        Machine machine, Func<ProcessorSeat, IPlatformProcessor> make, KernelEntry? kernelEntry = null, IShadowTables? shadow = null)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(make);
        machine.ThrowIfEnded();
        return machine.Store.Shootdown.Make(number =>
        {
            var seat = new ProcessorSeat(machine, number);
            seat._occupant.Complete(make(seat) ?? throw new ArgumentException("No processor was made.", nameof(make)), shadow);
            seat.Join(kernelEntry, shadow is not null);
            return seat._occupant;
        }).Seat;
    }

    /// <summary>Whether a space is one of this machine.</summary>
    /// <exception cref="ArgumentNullException">There is no space.</exception>
    public bool Serves(SpaceTables space)
    {
        ArgumentNullException.ThrowIfNull(space);
        return space.Store == _store;
    }

    /// <summary>
    /// Says that the processor is about to walk a space's tables. From here on until <see cref="Unload"/>, it is asked to forget what changes
    /// there. May be called again for a space that is loaded.
    /// </summary>
    /// <returns>False where the space is ending or has ended: it must not be walked.</returns>
    /// <exception cref="ArgumentException">The space is one of another machine.</exception>
    /// <exception cref="ObjectDisposedException">The seat was given up.</exception>
    public bool TryLoad(SpaceTables space)
    {
        if (!Serves(space))
        {
            throw new ArgumentException($"{space} is one of another machine; its tables are not in the memory of this one's processors.", nameof(space));
        }

        ObjectDisposedException.ThrowIf(_occupant.HasLeft, this);

        // The mark first: an end that begins later finds it and makes the processor forget.
        space.MarkLoadedOn(Number);
        return !space.IsEnding;
    }

    /// <summary>
    /// Says that the processor keeps nothing of a space any more: it is not asked about it until it loads it again. Called under
    /// the lock that <see cref="IPlatformProcessor.Flush"/> takes as well, where several threads load by the same seat: who has loaded the space
    /// meanwhile would not be asked either.
    /// </summary>
    /// <exception cref="ArgumentException">The space is one of another machine.</exception>
    /// <exception cref="ArgumentNullException">There is no space.</exception>
    public void Unload(SpaceTables space)
    {
        if (!Serves(space))
        {
            throw new ArgumentException($"{space} is one of another machine.", nameof(space));
        }

        space.MarkDroppedFrom(Number);
    }

    /// <summary>
    /// Looks at tables until the scope ends. It is short: what was given up meanwhile, by anybody, is not used again before.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public TableView View()
    {
        _machine.ThrowIfEnded();
        return new TableView(_store);
    }

    /// <summary>
    /// Gives the place up. Nobody asks the processor any more, and it loads no space by this seat. Once; again does nothing.
    /// </summary>
    public void Dispose()
    {
        if (_occupant.TryLeave())
        {
            _store.Shootdown.Remove(_occupant, _machine.VirtualMemory.Spaces());
        }
    }

    // The last that can fail; then it has changed nothing.
    private void Join(KernelEntry? kernelEntry, bool shadows)
    {
        var memory = _machine.VirtualMemory;
        if (kernelEntry is { } kernel)
        {
            memory.KernelEntry = (kernel.Index, kernel.Entry);
        }

        if (!shadows)
        {
            return;
        }

        try
        {
            _store.Watch(_occupant);
        }
        catch when (kernelEntry is not null)
        {
            memory.KernelEntry = null;
            throw;
        }
    }

    /// <summary>Who sits there, as the tables see it.</summary>
    private sealed class Occupant(ProcessorSeat seat) : ITranslationCache, ITableWatcher
    {
        private IPlatformProcessor? _processor;
        private IShadowTables? _shadow;
        private int _hasLeft;

        public ProcessorSeat Seat => seat;

        public bool HasLeft => Volatile.Read(ref _hasLeft) != 0;

        public IEnumerable<CachedTranslation> Kept => _processor!.Kept;

        public void Complete(IPlatformProcessor processor, IShadowTables? shadow)
        {
            _processor = processor;
            _shadow = shadow;
        }

        public bool TryLeave() => Interlocked.Exchange(ref _hasLeft, 1) == 0;

        public bool Drop(SpaceTables space, AddressRange range, bool tables) => Ask(new FlushRequest(this, FlushKind.Range, space, range, tables));

        public bool Forget(SpaceTables space) => Ask(new FlushRequest(this, FlushKind.End, space, space.Store.Geometry.UserRange, upperEntries: true));

        public bool DropShared(SharedTableOwner owner) => Ask(new FlushRequest(this, owner, seat._store.Geometry.UserRange));

        public void Changed(Frame table)
        {
            if (HasLeft)
            {
                return;
            }

            // A space's own table that no walk of this processor has begun in leaves no trace. The mark stands before the first walk.
            ref var record = ref seat._store.Memory.Record(table);
            if (record.Kind == FrameKind.SpaceTable
                && seat._store.Owners[record.Owner] is SpaceTables space
                && !space.LoadedOn.Contains(seat.Number))
            {
                return;
            }

            using var call = new PlatformCall();
            _shadow!.Changed(seat._store.Memory.AddressOf(table));
        }

        public void BeforeReuse()
        {
            if (!HasLeft)
            {
                using var call = new PlatformCall();
                _shadow!.BeforeReuse();
            }
        }

        private bool Ask(in FlushRequest request)
        {
            using var call = new PlatformCall();
            var answer = _processor!.Flush(in request);
            return ReferenceEquals(answer.Asker, this) ? answer.Kept : throw new InvalidOperationException(
                $"Processor {seat.Number}, {_processor}, left a flush ({request.Kind}) without an answer; what was taken away is not used again. Return what FlushRequest.Answer gives.");
        }
    }

    /// <summary>A call of the platform, in which nothing is called that takes a lock of the library.</summary>
    private readonly ref struct PlatformCall
    {
        private readonly LockRank _rank;

        public PlatformCall()
        {
            _rank = LockRank.Platform;
            LockOrder.Taking(_rank);
        }

        public void Dispose() => LockOrder.Released(_rank);
    }
}
