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

    /// <summary>Makes a machine.</summary>
    public Machine(MachineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options;
        Memory = new PhysicalMemory(options.Ram);
        _memory = new VirtualMemory(new TableStore(Memory, options.Format), options.Sharing, options.LargePages);
    }

    /// <summary>What the machine was made of.</summary>
    public MachineOptions Options { get; }

    /// <summary>RAM and the regions of devices.</summary>
    public PhysicalMemory Memory { get; }

    /// <summary>The format of the page tables.</summary>
    public EntryFormat Format => Options.Format;

    /// <summary>The address spaces that exist at this moment.</summary>
    public IReadOnlyList<AddressSpace> Spaces => _memory.Spaces();

    /// <summary>Frames of RAM in use, tables and data together. Exact at rest.</summary>
    public int FramesInUse => Store.Frames.FramesInUse;

    internal TableStore Store => _memory.Store;

    internal VirtualMemory VirtualMemory => _memory;

    /// <summary>Adds a persistent-memory device.</summary>
    /// <param name="size">Bytes, a multiple of 4 KiB.</param>
    /// <param name="backing">Where its bytes are kept.</param>
    /// <param name="path">The file that keeps them, for <see cref="PmemBacking.File"/>; made if it does not exist.</param>
    /// <param name="start">Its first physical address; by default the first multiple of 1 GiB past all that is there.</param>
    public PmemDevice AddPmem(long size, PmemBacking backing = PmemBacking.Sparse, string? path = null, PhysicalAddress? start = null)
    {
        using (_lock.Hold())
        {
            var at = start ?? new PhysicalAddress(
                (Memory.Regions.Max(region => region.End.Value) + (1UL << 30) - 1) & ~((1UL << 30) - 1));
            var device = new PmemDevice(Store, size, at, backing, path, _memory.ZeroPage);
            _devices.Add(device);
            return device;
        }
    }

    /// <summary>Makes a file in RAM (memfd_create(2)).</summary>
    /// <param name="name">Its name, for reports.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="pageSize">4 KiB or 2 MiB.</param>
    public MemoryFile CreateMemoryFile(string name, long size, long pageSize = Level.PageSize) => new(Store, name, size, pageSize);

    /// <summary>
    /// Makes a file in RAM whose pages are 2 MiB and never smaller, as those of hugetlbfs are: mappings, sizes and holes
    /// of it go by 2 MiB.
    /// </summary>
    /// <param name="name">Its name, for reports.</param>
    /// <param name="size">Bytes; a multiple of 2 MiB.</param>
    public MemoryFile CreateHugeFile(string name, long size) => new(Store, name, size, Level.EntrySpan(Level.Pmd), fixedPages: true);

    /// <summary>Makes an empty address space.</summary>
    /// <exception cref="InsufficientMemoryException">No frame is free for its root table.</exception>
    public AddressSpace CreateSpace()
    {
        while (true)
        {
            try
            {
                return new AddressSpace(_memory);
            }
            catch (InsufficientMemoryException) when (_memory.Reclaim())
            {
                // Something came free; try again.
            }
        }
    }

    /// <summary>The most processors of a machine. (The vCPUs of a machine of another kind together count as one.)</summary>
    public const int MostProcessors = ProcessorSet.Capacity;

    /// <summary>Adds a processor whose page faults the address space resolves in which it runs.</summary>
    /// <exception cref="InvalidOperationException">The machine has <see cref="MostProcessors"/> already.</exception>
    public SoftwareProcessor AddProcessor() =>
        SoftwareProcessor.Create(Store, static (space, address, access) => ((AddressSpace)space).Fault(address, access));

    /// <summary>
    /// Gives back what can be had without harm: files' tables that nothing is attached to, and frames that only
    /// waited until nobody could see them.
    /// </summary>
    /// <returns>Whether any frame came free.</returns>
    public bool Reclaim() => _memory.Reclaim();

    /// <summary>How often something has happened since the machine was made. Exact at rest.</summary>
    public long Count(TableEvent what) => Store.Events.Sum((int)what);

    /// <summary>The page tables of all address spaces and files. Exact at rest.</summary>
    public TableTotals Tables()
    {
        long[] spaces = new long[Level.Pgd + 1];
        long[] files = new long[Level.Pgd + 1];
        foreach (var owner in Store.Owners.Snapshot())
        {
            long[] sums = owner is AddressSpace ? spaces : files;
            for (int level = Level.Pte; level <= Level.Pgd; level++)
            {
                sums[level] += owner.TablesAt(level);
            }
        }

        return new TableTotals(spaces, files);
    }

    /// <summary>Divides the memory of page tables among the spaces that use them. The machine stays at rest while it is used.</summary>
    public TableShares TableShares() => new(Store);

    /// <summary>Checks every invariant of the machine. No operation may be under way.</summary>
    public AuditReport Audit() => new Auditor(this).Run();

    /// <summary>Gives all memory back to the host. Nothing of the machine may be used afterwards.</summary>
    public void Dispose()
    {
        foreach (var device in _devices)
        {
            device.Dispose();
        }

        Memory.Dispose();
    }
}
