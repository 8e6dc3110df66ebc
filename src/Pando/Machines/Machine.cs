using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>
/// A machine: RAM, memory devices, files, address spaces and processors, in one world whose page tables are real
/// tables in the hardware's format.
/// </summary>
/// <remarks>All members but <see cref="Dispose"/> are safe for threads.</remarks>
public sealed class Machine : IDisposable
{
    private readonly VirtualMemory _memory;
    private readonly SleepLock _lock = new(LockRank.Devices);
    private readonly List<PmemDevice> _devices = [];
    private bool _disposed;

    /// <summary>Makes a machine.</summary>
    /// <exception cref="ArgumentException">There is no format.</exception>
    /// <exception cref="ArgumentOutOfRangeException">RAM or sharing levels are not what <see cref="MachineOptions"/> says.</exception>
    /// <exception cref="InsufficientMemoryException">The host does not give the address space for the RAM.</exception>
    public Machine(MachineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Format is null)
        {
            throw new ArgumentException("The options have no format of page tables.", nameof(options));
        }

        if ((options.Sharing & ~SharingLevels.All) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Sharing, "The levels at which tables are shared are those of SharingLevels.");
        }

        if (options.ExecuteOnlyByKey && options.Format.ProtectionKeys < 2)
        {
            throw new ArgumentException($"Memory is made execute-only by a protection key; the format {options.Format} has none.", nameof(options));
        }

        if (options.LargestPage is { } largest && !options.Format.Geometry.LeafLevels.Any(level => options.Format.Geometry.EntrySpan(level) == largest))
        {
            throw new ArgumentOutOfRangeException(
                nameof(options), largest, $"The format {options.Format} has leaves of {string.Join(", ", options.Format.Geometry.LeafLevels.Select(level => $"{options.Format.Geometry.EntrySpan(level):N0}"))} bytes.");
        }

        Options = options;
        Memory = new PhysicalMemory(options.Ram, options.Format.Geometry);
        try
        {
            _memory = new VirtualMemory(new TableStore(Memory, options.Format, options.MarksByFault, options.LargestLeafLevel), options.Sharing, options.ExecuteOnlyByKey);
        }
        catch
        {
            Memory.Release();
            throw;
        }
    }

    /// <summary>What the machine was made of.</summary>
    public MachineOptions Options { get; }

    /// <summary>RAM and the regions of devices.</summary>
    public PhysicalMemory Memory { get; }

    /// <summary>The format of the page tables.</summary>
    public EntryFormat Format => Options.Format;

    /// <summary>The address spaces that exist at this moment.</summary>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public IReadOnlyList<AddressSpace> Spaces => Alive._memory.Spaces();

    /// <summary>Frames of RAM in use, tables and data together. Exact at rest.</summary>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public int FramesInUse => Alive.Store.Frames.FramesInUse;

    internal TableStore Store => _memory.Store;

    internal VirtualMemory VirtualMemory => _memory;

    /// <summary>The machine itself, if it has not ended: what every member asks that needs its memory.</summary>
    private Machine Alive
    {
        get
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
            return this;
        }
    }

    internal void ThrowIfEnded() => _ = Alive;

    /// <summary>Adds a persistent-memory device.</summary>
    /// <param name="size">Bytes, a multiple of 4 KiB, more than zero.</param>
    /// <param name="backing">Where its bytes are kept.</param>
    /// <param name="path">The file that keeps them, for <see cref="PmemBacking.File"/>; made if it does not exist.</param>
    /// <param name="start">Its first physical address, a multiple of 4 KiB; by default the first multiple of 1 GiB past all that is there.</param>
    /// <exception cref="ArgumentException">It would overlap what is there, or there is no path for a file.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size, the address or the backing is none, or it ends past the physical addresses.</exception>
    /// <exception cref="InsufficientMemoryException">The host does not give the address space for its bytes.</exception>
    /// <exception cref="IOException">The file cannot be opened, or is too small.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read and written.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public PmemDevice AddPmem(long size, PmemBacking backing = PmemBacking.Sparse, string? path = null, PhysicalAddress? start = null)
    {
        using (_lock.Hold())
        {
            var device = new PmemDevice(Alive.Store, size, start ?? NextDeviceStart, backing, path, _memory.ZeroPage);
            _devices.Add(device);
            return device;
        }
    }

    /// <summary>Adds a device with storage of the caller's.</summary>
    internal PmemDevice AddPmem(long size, DeviceStorage storage)
    {
        using (_lock.Hold())
        {
            var device = new PmemDevice(Store, size, NextDeviceStart, () => storage, _memory.ZeroPage);
            _devices.Add(device);
            return device;
        }
    }

    /// <summary>The devices at this moment.</summary>
    internal IReadOnlyList<PmemDevice> Devices
    {
        get
        {
            using var held = _lock.Hold();
            return [.. _devices];
        }
    }

    // In line with leaves of every size, of the first three.
    private PhysicalAddress NextDeviceStart
    {
        get
        {
            var geometry = Alive.Store.Geometry;
            long alignment = geometry.EntrySpan(geometry.LeafLevelAtMost(Level.Pud));
            return new((ulong)(((long)Memory.Regions.Max(region => region.End.Value) + alignment - 1) & -alignment));
        }
    }

    /// <summary>Makes a file in RAM (memfd_create(2)).</summary>
    /// <param name="name">Its name, for reports; not empty.</param>
    /// <param name="size">Bytes; not negative, and no more than a file can have.</param>
    /// <param name="pageSize">That of the machine's pages or, where its format has such leaves, of the next larger ones: 4 KiB or 2 MiB with x86-64. 0 stands for the former.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size or the page size is none.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public MemoryFile CreateMemoryFile(string name, long size, long pageSize = 0) =>
        new(Alive.Store, name, size, pageSize == 0 ? Store.Geometry.PageSize : pageSize);

    /// <summary>
    /// Makes a file in RAM whose pages are 2 MiB and never smaller, as those of hugetlbfs are: mappings, sizes and holes
    /// of it go by 2 MiB.
    /// </summary>
    /// <param name="name">Its name, for reports; not empty.</param>
    /// <param name="size">Bytes; a multiple of 2 MiB, not negative, and no more than a file can have.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size is none.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public MemoryFile CreateHugeFile(string name, long size) => new(Alive.Store, name, size, Store.Geometry.EntrySpan(Level.Pmd), fixedPages: true);

    /// <summary>Makes an empty address space.</summary>
    /// <exception cref="InsufficientMemoryException">No frame is free for its root table.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public AddressSpace CreateSpace()
    {
        var memory = Alive._memory;
        var shortage = new MemoryShortage(memory);
        while (true)
        {
            try
            {
                return new AddressSpace(memory);
            }
            catch (InsufficientMemoryException) when (shortage.MakesRoom())
            {
                // Something came free; try again.
            }
        }
    }

    /// <summary>The most processors of a machine. (The vCPUs of a machine of another kind together count as one.)</summary>
    public const int MostProcessors = ProcessorSet.Capacity;

    /// <summary>Adds a processor whose page faults the address space resolves in which it runs.</summary>
    /// <exception cref="InvalidOperationException">The machine has <see cref="MostProcessors"/> already.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public SoftwareProcessor AddProcessor()
    {
        var processor = SoftwareProcessor.Create(Alive.Store, static (space, address, access, keys) => ((AddressSpace)space).Fault(address, access, keys));
        processor.ProtectionKeys = Options.ExecuteOnlyByKey ? ProtectionKeyRights.Initial : default;
        return processor;
    }

    /// <summary>
    /// Gives back what can be had without harm: files' tables that nothing is attached to, and frames that only
    /// waited until nobody could see them.
    /// </summary>
    /// <returns>Whether any frame came free.</returns>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public bool Reclaim() => Alive._memory.Reclaim();

    /// <summary>How often something has happened since the machine was made. Exact at rest.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such thing is counted.</exception>
    public long Count(TableEvent what)
    {
        ArgumentOutOfRangeException.ThrowIfNegative((int)what, nameof(what));
        return Store.Events.Sum((int)what);
    }

    /// <summary>The page tables of all address spaces and files. Exact at rest.</summary>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public TableTotals Tables()
    {
        long[] spaces = new long[Level.Pgd + 1];
        long[] files = new long[Level.Pgd + 1];
        foreach (var owner in Alive.Store.Owners.Snapshot())
        {
            long[] sums = owner is AddressSpace ? spaces : files;
            for (int level = Level.Pte; level <= Level.Pgd; level++)
            {
                sums[level] += owner.TablesAt(level);
            }
        }

        return new TableTotals(spaces, files, Store.Geometry.PageSize);
    }

    /// <summary>Divides the memory of page tables among the spaces that use them. The machine stays at rest while it is used.</summary>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public TableShares TableShares() => new(Alive.Store);

    /// <summary>Checks every invariant of the machine. No operation may be under way.</summary>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public AuditReport Audit() => new Auditor(Alive).Run();

    /// <summary>
    /// Ends the machine and gives all memory back to the host. No operation may be under way, no processor may run. Its
    /// spaces have exited then, its files have ended, its devices are closed and its processors have no space loaded, so that
    /// their members do what they do then.
    /// </summary>
    public void Dispose()
    {
        using var held = _lock.Hold();
        if (_disposed)
        {
            return;
        }

        Volatile.Write(ref _disposed, true);
        foreach (var space in _memory.Spaces())
        {
            space.Abandon();
        }

        foreach (var tables in Store.Owners.Snapshot().OfType<FileTables>())
        {
            tables.File.Abandon();
        }

        foreach (var device in _devices)
        {
            device.Abandon();
        }

        Memory.Release();
    }
}
