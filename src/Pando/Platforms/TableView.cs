using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Platforms;

/// <summary>
/// The page tables of a machine, to be read without a lock, inside an epoch: no table or frame that is seen here is used for
/// anything else before the scope ends. Entries change all the same; that a translation found here is still true when it is used is seen to by
/// <see cref="IPlatformProcessor.Flush"/>.
/// </summary>
/// <remarks>One thread's. Nobody waits inside: who would give memory back waits for it.</remarks>
public readonly ref struct TableView
{
    private readonly TableStore? _made;
    private readonly Epochs.Scope _epoch;

    internal TableView(TableStore store)
    {
        _made = store;
        _epoch = store.Epochs.Enter();
    }

    /// <summary>Ends the view. Called once, by <c>using</c>.</summary>
    public void Dispose()
    {
        if (_made is not null)
        {
            _epoch.Dispose();
        }
    }

    // The default value is a view of nothing.
    private TableStore Store => _made ?? throw new InvalidOperationException("A view of tables is made by ProcessorSeat.View.");

    /// <summary>Reads an entry.</summary>
    /// <param name="table">The physical address of the table: a root's, or where a slot that was read in this view leads.</param>
    /// <param name="index">The entry's index, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">No table can lie there, or it has no such entry.</exception>
    public Entry Read(PhysicalAddress table, int index)
    {
        if (!Store.Memory.IsRam(table) || !Store.Geometry.IsPageAligned(table.Value) || table.Value == 0)
        {
            throw new ArgumentOutOfRangeException(nameof(table), table, "Tables are whole frames of RAM.");
        }

        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Store.Geometry.EntriesBelowRoot);
        return Store.Read(Store.Memory.FrameAt(table), index);
    }

    /// <summary>Walks from the root to the leaf of an address. Changes nothing: no marks are set.</summary>
    /// <param name="space">The space; it is loaded (<see cref="ProcessorSeat.TryLoad"/>).</param>
    /// <param name="address">The address.</param>
    /// <param name="leaf">The leaf, where there is one.</param>
    /// <returns>False where nothing is present, the address is not one that the format knows, or an entry has reserved bits set.</returns>
    /// <exception cref="ArgumentException">The space is one of another machine.</exception>
    public bool TryWalk(SpaceTables space, VirtualAddress address, out WalkedLeaf leaf)
    {
        ArgumentNullException.ThrowIfNull(space);
        if (space.Store != Store)
        {
            throw new ArgumentException($"{space} is one of another machine.", nameof(space));
        }

        leaf = default;
        var format = Store.Format;
        var geometry = Store.Geometry;
        var table = space.Root;
        if (table.IsNone || !format.IsCanonical(address))
        {
            return false;
        }

        var rights = Rights.All;
        for (int level = geometry.Levels; ; level--)
        {
            int index = geometry.Index(address.Value, level);
            var entry = Store.Read(table, index);
            bool isLeaf = format.IsLeaf(entry, level);
            if ((!isLeaf && !format.IsSlot(entry, level)) || format.HasReservedBits(entry, level))
            {
                return false;
            }

            rights &= format.RightsOf(entry, level);
            if (isLeaf)
            {
                leaf = new WalkedLeaf(Store.Memory.AddressOf(table), index, level, entry, format.TargetOf(entry, level), geometry.EntrySpan(level), rights);
                return true;
            }

            var target = format.TargetOf(entry, level);
            if (!Store.Memory.IsRam(target))
            {
                // The platform's own tables, behind the kernel's entry, say.
                return false;
            }

            table = Store.Memory.FrameAt(target);
        }
    }

    /// <summary>
    /// Marks a leaf as accessed, and as dirty for a store, as a processor does before an access: where the machine does not leave that to
    /// the fault handler (<c>MachineOptions.MarksByFault</c>).
    /// </summary>
    /// <param name="leaf">The leaf, found in this view.</param>
    /// <param name="store">Whether a store follows; the leaf allows it.</param>
    /// <returns>False where the entry has changed meanwhile: walk again.</returns>
    /// <exception cref="ArgumentException">The leaf allows no store.</exception>
    public bool TryMark(in WalkedLeaf leaf, bool store)
    {
        if (store && (leaf.Rights & Rights.Write) == 0)
        {
            throw new ArgumentException("A leaf that allows no store is not marked for one.", nameof(leaf));
        }

        var marked = Store.Format.Touched(leaf.Entry, leaf.Level, store);
        return marked == leaf.Entry
            ? Read(leaf.Table, leaf.Index) == marked
            : Store.TryReplaceMarks(Store.Memory.FrameAt(leaf.Table), leaf.Index, leaf.Entry, marked);
    }
}
