using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <summary>What all address spaces of a machine have in common.</summary>
internal sealed class VirtualMemory
{
    private readonly SleepLock _lock = new(LockRank.Spaces);
    private readonly HashSet<AddressSpace> _spaces = [];
    private (int Index, Entry Entry)? _kernelEntry;

    public VirtualMemory(TableStore store, SharingLevels sharing, bool executeOnlyByKey)
    {
        Store = store;
        Walker = new TableWalker(store, (int)sharing);
        Sharing = sharing;
        ExecuteOnlyByKey = executeOnlyByKey;
        if (!store.Frames.TryAllocate(FrameKind.Zero, out var zero))
        {
            throw new InsufficientMemoryException("RAM is too small even for the page of zeroes; give the machine at least 2 MiB.");
        }

        ZeroPage = zero;
    }

    public TableStore Store { get; }

    public TableWalker Walker { get; }

    public SharingLevels Sharing { get; }

    /// <summary>Whether a protection key keeps loads from what may only be executed.</summary>
    public bool ExecuteOnlyByKey { get; }

    /// <summary>The page of zeroes that stands in for memory never written.</summary>
    public Frame ZeroPage { get; }

    /// <summary>Where the page of zeroes lies.</summary>
    public PhysicalAddress ZeroPageAddress => Store.Memory.AddressOf(ZeroPage);

    /// <summary>
    /// The one entry that every root table holds for code above the user's addresses, and its index; null where there
    /// is none. It belongs to no space: operations on spaces neither see nor change it.
    /// </summary>
    public (int Index, Entry Entry)? KernelEntry
    {
        get => _kernelEntry;
        set
        {
            if (value is not null && !Store.Geometry.HasKernelInUserRoots)
            {
                throw new InvalidOperationException($"With {Store.Format} what lies above the user's addresses has a root of its own; those of spaces lead to no kernel.");
            }

            if (value is { } kernel)
            {
                int last = Store.Geometry.Index((Store.Geometry.UserEnd - 1).Value, Store.Geometry.Levels);
                if (kernel.Index <= last || kernel.Index >= Store.Geometry.Entries(Store.Geometry.Levels))
                {
                    throw new ArgumentOutOfRangeException(
                        nameof(value), kernel.Index, $"The kernel's entry lies above those that user addresses use, which end with {last} of {Store.Geometry.Entries(Store.Geometry.Levels)}.");
                }

                if (kernel.Entry.IsNone)
                {
                    throw new ArgumentOutOfRangeException(nameof(value), kernel.Entry, "The kernel's entry leads somewhere.");
                }
            }

            using (_lock.Hold())
            {
                if (value is not null && _kernelEntry is not null)
                {
                    throw new InvalidOperationException("The roots of this machine lead to a kernel already; a machine is given one, once.");
                }

                if (_spaces.Count > 0)
                {
                    throw new InvalidOperationException($"{_spaces.Count} address spaces exist; the kernel's entry is set before the first is made.");
                }

                _kernelEntry = value;
            }
        }
    }

    public bool MayShare(int level) => ((int)Sharing & (1 << level)) != 0;

    public void Add(AddressSpace space)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            _spaces.Add(space);
        }
    }

    public void Remove(AddressSpace space)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            _spaces.Remove(space);
        }
    }

    /// <summary>Makes the file behind shared anonymous memory. The caller closes it when it is mapped.</summary>
    public MemoryFile CreateUnnamedFile(long size) => new(Store, "shared anonymous memory", size, Store.Geometry.PageSize);

    /// <summary>The spaces that exist at this moment.</summary>
    public List<AddressSpace> Spaces()
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            return [.. _spaces];
        }
    }

    /// <summary>
    /// Gives back what can be had without harm: frames that only wait for an epoch, and files' tables that no slot
    /// points at; where that is nothing, files' tables that show nothing. The caller holds no lock and is in no epoch.
    /// </summary>
    /// <returns>Whether any frame came free.</returns>
    public bool Reclaim()
    {
        int freed = Store.Retired.Collect();
        var owners = Store.Owners.Snapshot();
        foreach (var owner in owners)
        {
            freed += owner is FileTables tables ? tables.Reclaim() : 0;
        }

        for (int i = 0; freed == 0 && i < owners.Count; i++)
        {
            freed += owners[i] is FileTables tables ? tables.ReclaimEmpty() : 0;
        }

        return freed + Store.Retired.Collect() > 0;
    }
}
