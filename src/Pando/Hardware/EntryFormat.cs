namespace Pando.Hardware;

/// <summary>
/// The format of page-table entries of one architecture: the one place that knows bits. Everything else speaks of
/// leaves, tables, rights and levels.
/// </summary>
/// <remarks>
/// The seam is drawn so that other formats fit: the level is told to every member (Arm64 descriptors differ by
/// level), rights are told in the positive and the format turns them round (no-execute, Arm's AP[2] read-only),
/// <see cref="HasSlotRights"/> is false where upper entries carry no rights (RISC-V; there a table's class includes
/// them). Who sets accessed and dirty marks, the processor or the fault handler, is the machine's affair: the format says
/// only what they are.
/// Implementations are immutable and safe for threads. What they are asked on the way of every fault they answer without a
/// look at the level or the address: for a level that the format does not have, the answer means nothing.
/// </remarks>
public abstract class EntryFormat
{
    /// <summary>Makes a format for trees of one shape.</summary>
    /// <param name="geometry">The shape.</param>
    protected EntryFormat(TableGeometry geometry)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        Geometry = geometry;
    }

    /// <summary>The shape of the tree: page size, levels, entries, the user's addresses.</summary>
    public TableGeometry Geometry { get; }

    /// <summary>Bits of a physical address that an entry can hold.</summary>
    public abstract int PhysicalAddressBits { get; }

    /// <summary>Whether an entry that points at a table carries rights that are combined with those below it.</summary>
    public abstract bool HasSlotRights { get; }

    /// <summary>Whether an address has the form that the architecture demands (x86-64: canonical).</summary>
    public abstract bool IsCanonical(VirtualAddress address);

    /// <summary>The rights that the hardware really gives when asked for <paramref name="rights"/> (x86: write implies read).</summary>
    public abstract Rights Effective(Rights rights);

    /// <summary>Makes a leaf.</summary>
    /// <param name="level">The level of the table that holds it.</param>
    /// <param name="address">Where its page lies; a multiple of the leaf's size.</param>
    /// <param name="rights">What user code may do.</param>
    /// <param name="dirty">Whether to make it dirty at once (a store is about to follow).</param>
    /// <param name="memoryType">How it may be cached.</param>
    /// <param name="protectionKey">The protection key, where <see cref="ProtectionKeys"/> is more than one; 0 elsewhere.</param>
    /// <returns>An entry that is already marked accessed.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The memory type is none, or the protection key is not one of the format's.</exception>
    public abstract Entry MakeLeaf(int level, PhysicalAddress address, Rights rights, bool dirty = false, MemoryType memoryType = MemoryType.WriteBack, int protectionKey = 0);

    /// <summary>Makes an entry that points at a table: a slot.</summary>
    /// <param name="level">The level of the table that holds the slot.</param>
    /// <param name="table">Where the table lies.</param>
    /// <param name="rights">The most that may be done below it, where <see cref="HasSlotRights"/>; ignored elsewhere.</param>
    public abstract Entry MakeSlot(int level, PhysicalAddress table, Rights rights);

    /// <summary>Whether the entry is a leaf.</summary>
    public abstract bool IsLeaf(Entry entry, int level);

    /// <summary>Whether the entry points at a table.</summary>
    public abstract bool IsSlot(Entry entry, int level);

    /// <summary>
    /// Whether a leaf or slot has a bit set that the architecture reserves, or a form that it does not know at that
    /// level, so that a processor that comes upon it faults (x86-64: RSVD; Arm64: an address size fault or a reserved
    /// encoding; RISC-V: a misaligned superpage or a reserved bit).
    /// </summary>
    public abstract bool HasReservedBits(Entry entry, int level);

    /// <summary>Where the leaf's page or the slot's table lies.</summary>
    public abstract PhysicalAddress TargetOf(Entry entry, int level);

    /// <summary>
    /// The rights that this entry by itself grants to user code: all of them for a slot where <see cref="HasSlotRights"/> is false.
    /// </summary>
    public abstract Rights RightsOf(Entry entry, int level);

    /// <summary>The same entry with other rights; a slot as it is where <see cref="HasSlotRights"/> is false.</summary>
    public abstract Entry WithRights(Entry entry, int level, Rights rights);

    /// <summary>Whether a processor has used the entry since it was made or cleared of the mark.</summary>
    public abstract bool IsAccessed(Entry entry, int level);

    /// <summary>Whether a processor has stored through the leaf.</summary>
    public abstract bool IsDirty(Entry entry, int level);

    /// <summary>
    /// The same entry, marked as a processor that used it would mark it; a slot as it is where the architecture has no marks there
    /// (RISC-V, Arm64).
    /// </summary>
    /// <param name="entry">A leaf or a slot.</param>
    /// <param name="level">The level of the table that holds it.</param>
    /// <param name="dirty">Whether it was a store through a leaf.</param>
    public abstract Entry Touched(Entry entry, int level, bool dirty);

    /// <summary>The same leaf, no longer dirty.</summary>
    public abstract Entry Cleaned(Entry entry, int level);

    /// <summary>
    /// The same page's leaf one level down: for entry <paramref name="index"/> of the table that takes the place of
    /// a large leaf. It says all that the large one says.
    /// </summary>
    public Entry SplitLeaf(Entry entry, int level, int index)
    {
        var small = MakeLeaf(
            level - 1,
            TargetOf(entry, level) + (index * Geometry.EntrySpan(level - 1)),
            RightsOf(entry, level),
            IsDirty(entry, level),
            MemoryTypeOf(entry, level),
            ProtectionKeyOf(entry, level));
        return IsAnonymous(entry, level) ? AsAnonymous(small, level - 1) : small;
    }

    /// <summary>How many protection keys the format knows; 1 where it has none.</summary>
    public virtual int ProtectionKeys => 1;

    /// <summary>The leaf's protection key.</summary>
    public virtual int ProtectionKeyOf(Entry entry, int level) => 0;

    /// <summary>The same leaf with another protection key.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The key is not one of the format's.</exception>
    public virtual Entry WithProtectionKey(Entry entry, int level, int protectionKey) => entry;

    /// <summary>
    /// Whether software has marked the leaf as one that shows private memory, to which it holds a reference: said by the
    /// leaf itself, since what its page was when the leaf was made need not be what it is now. The hardware ignores the mark.
    /// </summary>
    public abstract bool IsAnonymous(Entry entry, int level);

    /// <summary>The same leaf, marked as one that shows private memory.</summary>
    public abstract Entry AsAnonymous(Entry entry, int level);

    /// <summary>How the leaf may be cached.</summary>
    public abstract MemoryType MemoryTypeOf(Entry entry, int level);
}
