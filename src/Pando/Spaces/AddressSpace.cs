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
    private readonly TableGeometry _geometry;

    // The highest level at which a fault looks whether a leaf belongs there.
    private readonly int _highestLeafLevel;
    private readonly AreaSet _areas = new();
    private readonly OwnTables _tables;
    private readonly ReadWriteLock _lock = new(LockRank.Space);
    private bool _exited;

    private readonly ShownFiles _files = new();

    internal AddressSpace(VirtualMemory memory)
    {
        _memory = memory;
        _geometry = memory.Store.Geometry;
        _highestLeafLevel = Math.Max(Level.Pmd, memory.Store.LargestLeafLevel);
        _tables = new OwnTables(this, memory, _areas);
        _protectedPages = new ProtectedPages(Store);
        Store.Owners.Reserve(this);
        if (!Store.TryCreate(this, _geometry.Levels, 0, out var root))
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

    /// <summary>The area that holds an address at this moment; null where nothing is mapped.</summary>
    public AreaInfo? AreaAt(VirtualAddress address)
    {
        using var held = _lock.Read();
        return _areas.Find(address)?.Info;
    }

    /// <summary>The first address past what can be mapped.</summary>
    public VirtualAddress UserEnd => _geometry.UserEnd;

    internal override TableStore Store => _memory.Store;

    internal VirtualMemory Memory => _memory;

    internal AreaSet AreaSet => _areas;

    /// <summary>See <see cref="OwnTables.FindLeaf"/>.</summary>
    internal Entry FindOwnLeaf(VirtualAddress address) => _tables.FindLeaf(address);

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
        var everything = _geometry.UserRange;
        var clear = new ClearVisitor();
        FlushGather.State state = default;
        using (var gather = new FlushGather(Store, this, ref state))
        {
            _memory.Walker.Change(this, everything, everything, everything, ref clear, in gather);
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

    /// <summary>Takes out whatever it meets.</summary>
    private readonly struct ClearVisitor : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather) => entry.Clear(in gather);
    }

    /// <inheritdoc/>
    public override string ToString() => $"address space {Id}";
}
