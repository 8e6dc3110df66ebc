using System.Diagnostics;
using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <summary>
/// A process's address space: what is mapped where, and the page tables that a processor is given.
/// </summary>
/// <remarks>
/// <para>
/// All members are safe for threads: faults, maps, unmaps and forks may run at once, in one space or in many. An
/// operation that fails changes nothing.
/// </para>
/// <para>The space's lock protects its areas: faults take it for reading, everything else for writing.</para>
/// </remarks>
public sealed partial class AddressSpace : SpaceTables
{
    /// <summary>The lowest address that may be mapped (Linux: vm.mmap_min_addr).</summary>
    public const ulong LowestAddress = 0x10000;

    private readonly VirtualMemory _memory;
    private readonly AreaSet _areas = new();
    private readonly ReadWriteLock _lock = new(LockRank.Space);
    private bool _exited;

    private readonly ShownFiles _files = new();

    internal AddressSpace(VirtualMemory memory)
    {
        _memory = memory;
        _protectedPages = new ProtectedPages(Store);
        Store.Owners.Reserve(this);
        if (!Store.TryCreate(this, Store.Format.Levels, 0, out var root))
        {
            Store.Owners.Remove(this);
            throw new InsufficientMemoryException("No frame is free for the root table of another address space; give the machine more RAM.");
        }

        if (memory.KernelEntry is { } kernel)
        {
            Store.Prepare(root, kernel.Index, kernel.Entry);
        }

        Root = root;

        // Complete: from here on others see it.
        Store.Owners.Publish(this);
        memory.Add(this);
    }

    /// <summary>Whether <see cref="Exit"/> has been called.</summary>
    public bool HasExited => Volatile.Read(ref _exited);

    /// <summary>The areas at this moment, in order of address.</summary>
    public IReadOnlyList<AreaInfo> Areas
    {
        get
        {
            using var held = _lock.Read();
            var areas = new List<AreaInfo>(_areas.Count);
            foreach (var area in _areas.All)
            {
                areas.Add(area.Info);
            }

            return areas;
        }
    }

    /// <summary>The first address past what can be mapped.</summary>
    public VirtualAddress UserEnd => Store.Format.UserEnd;

    internal override TableStore Store => _memory.Store;

    internal VirtualMemory Memory => _memory;

    internal AreaSet AreaSet => _areas;

    internal override bool MayShow(SharedTableOwner owner) => _files.Contains(owner);

    /// <summary>
    /// Ends the space: everything is unmapped, every table given back. No processor may be running it; those that
    /// still know it forget it.
    /// </summary>
    public void Exit()
    {
        using var held = _lock.Write();
        if (_exited)
        {
            return;
        }

        Volatile.Write(ref _exited, true);
        BeginEnding();
        Store.Shootdown.Forget(this);
        var everything = new AddressRange(new VirtualAddress(0), new VirtualAddress(1UL << (Store.Format.VirtualAddressBits - 1)));
        var clear = new ClearVisitor();
        FlushGather.State state = default;
        using (var gather = new FlushGather(Store, this, ref state))
        {
            _memory.Walker.Change(this, everything, everything, everything, ref clear, in gather);
        }

        // As in munmap: a file finds this space until nothing of it can be reached here any more, since what a file no
        // longer finds it frees; and the root stays as long as a file may come by it.
        foreach (var area in _areas.All)
        {
            Unindex(area);
        }

        Store.RetireTable(Root);
        Root = Frame.None;
        _protectedPages.Clear();
        var areas = _areas.All.ToArray();
        _areas.Clear();
        _files.Clear();
        foreach (var area in areas)
        {
            area.File?.RemoveUser();
        }

        _memory.Remove(this);
        Debug.Assert(TableCount == 0, "A space that has ended has no tables.");
        Store.Owners.Remove(this);
    }

    /// <summary>
    /// Ends the space with its machine: as <see cref="Exit"/>, but that nothing is given back, since all memory goes. The
    /// machine is at rest.
    /// </summary>
    internal void Abandon()
    {
        Volatile.Write(ref _exited, true);
        BeginEnding();
        Store.Shootdown.Forget(this);
        Root = Frame.None;
        _areas.Clear();
        _files.Clear();
        _memory.Remove(this);
    }

    private void ThrowIfExited() => ObjectDisposedException.ThrowIf(_exited, this);

    /// <summary>Counts an area of a file, so that <see cref="MayShow"/> says so before the first attach.</summary>
    private void AddFile(MappedFile file)
    {
        file.AddUser();
        _files.Add(file.Tables);
    }

    /// <summary>Counts an area of a file less. After the flush.</summary>
    private void RemoveFile(MappedFile file)
    {
        _files.Remove(file.Tables);
        file.RemoveUser();
    }

    private static void Index(Area area)
    {
        if (area.File is not { } file || area.IsIndexed)
        {
            return;
        }

        using var index = file.PrivateMappings.Hold();
        if (!area.IsIndexed)
        {
            area.IsIndexed = true;
            file.PrivateMappings.Add(area);
        }
    }

    private static void Unindex(Area area)
    {
        if (area.IsIndexed)
        {
            using var index = area.File!.PrivateMappings.Hold();
            area.File.PrivateMappings.Remove(area);
        }
    }

    private void IndexOverlapping(AddressRange range)
    {
        foreach (var area in _areas.Overlapping(range))
        {
            Index(area);
        }
    }

    /// <summary>
    /// Puts areas in the place of others. Where an old one stood in its file's index, the new ones that continue it
    /// do at the same moment, so that no change of the file slips between.
    /// </summary>
    private void ReplaceAreas(ReadOnlySpan<Area> removed, ReadOnlySpan<Area> added)
    {
        foreach (var old in removed)
        {
            if (!old.IsIndexed)
            {
                continue;
            }

            using var held = old.File!.PrivateMappings.Hold();
            old.File.PrivateMappings.Remove(old);
            foreach (var piece in added)
            {
                if (piece.File == old.File && piece.Delta == old.Delta && piece.Range.Overlaps(old.Range) && !piece.IsIndexed)
                {
                    piece.IsIndexed = true;
                    old.File.PrivateMappings.Add(piece);
                }
            }
        }

        _areas.Replace(removed, added);
    }

    /// <summary>See <see cref="IPrivateMapping.Apply"/>. Called with the file's index held, not the space's lock.</summary>
    internal void Apply(FileChange change, Area area, long start, long end)
    {
        var range = new AddressRange(
            new VirtualAddress((ulong)(Math.Max(start, area.FileStart) - area.Delta)),
            new VirtualAddress((ulong)(Math.Min(end, area.FileEnd) - area.Delta)));
        Apply(change, Root, Store.Format.Levels, new VirtualAddress(0), range, area.Delta);
    }

    private void Apply(FileChange change, Frame table, int level, VirtualAddress tableStart, AddressRange range, long delta)
    {
        long origin = (long)tableStart.Value + delta;
        change.ApplyTo(table, level, origin, (long)range.Start.Value + delta, (long)range.End.Value + delta);
        if (level == Level.Pte)
        {
            return;
        }

        long entrySpan = Level.EntrySpan(level);
        for (int index = Level.Index(range.Start.Value, level); index <= Level.Index(range.End.Value - 1, level); index++)
        {
            // Under the lock, so that a slot that is being replaced by a private copy is seen before or after, never between.
            Entry slot;
            bool own;
            using (Store.Lock(table, level))
            {
                slot = Store.Read(table, index);
                own = Store.Format.IsSlot(slot, level) && !Store.IsAttached(slot, level);
            }

            if (own)
            {
                var start = tableStart + (index * entrySpan);
                Apply(change, Store.TableOf(slot, level), level - 1, start, range.Intersect(AddressRange.FromLength(start, entrySpan)), delta);
            }
        }
    }

    /// <summary>Takes out whatever it meets.</summary>
    private readonly struct ClearVisitor : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather) => entry.Clear(in gather);
    }

    /// <inheritdoc/>
    public override string ToString() => $"address space {Id}";
}
