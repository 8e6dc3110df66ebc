namespace Pando.Hardware;

/// <summary>
/// x86-64 paging with 4 levels, or with 5 (LA57). Intel SDM vol. 3A, 4.5 (4-level and 5-level paging), tables 4-15
/// to 4-20; AMD APM vol. 2, 5.3.
/// </summary>
public sealed class X64Format : EntryFormat
{
    // Bits common to all entries (SDM table 4-20).
    private const ulong Present = 1UL << 0;
    private const ulong Writable = 1UL << 1;
    private const ulong User = 1UL << 2;
    private const ulong WriteThroughBit = 1UL << 3;
    private const ulong CacheDisable = 1UL << 4;
    private const ulong Accessed = 1UL << 5;
    private const ulong NoExecute = 1UL << 63;

    // Bits of leaves.
    private const ulong Dirty = 1UL << 6;

    // Bit 7 of an entry at levels 2 and 3 says that it is a leaf; in a PTE the same bit is PAT, in a PML4E reserved.
    private const ulong PageSizeBit = 1UL << 7;

    // Bits 9 to 11 are left to software (SDM table 4-20).
    private const ulong SoftwareAnonymous = 1UL << 9;

    // Bits 59 to 62 of a leaf hold the protection key, where CR4.PKE is set (SDM vol. 3A, 4.6.2).
    private const int KeyShift = 59;
    private const ulong KeyMask = 15UL << KeyShift;

    // PAT in a large leaf, where bit 7 is taken.
    private const ulong LargePat = 1UL << 12;

    private const ulong AddressMask = 0x000f_ffff_ffff_f000;

    private const int PageShift = 12;
    private const int IndexBits = 9;

    private X64Format(int levels)
        : base(ShapeOf(levels))
    {
    }

    /// <summary>4-level paging: 48-bit addresses, of which user code has the lower 128 TiB.</summary>
    public static X64Format FourLevels { get; } = new(4);

    /// <summary>5-level paging (LA57): 57-bit addresses, of which user code has the lower 64 PiB.</summary>
    public static X64Format FiveLevels { get; } = new(5);

    /// <inheritdoc/>
    public override int PhysicalAddressBits => 52;

    /// <inheritdoc/>
    public override bool HasSlotRights => true;

    /// <inheritdoc/>
    public override bool IsCanonical(VirtualAddress address)
    {
        int unused = 64 - Geometry.AddressBits;
        return (ulong)((long)(address.Value << unused) >> unused) == address.Value;
    }

    /// <inheritdoc/>
    public override Rights Effective(Rights rights) => rights == Rights.None ? Rights.None : rights | Rights.Read;

    /// <inheritdoc/>
    public override Entry MakeLeaf(int level, PhysicalAddress address, Rights rights, bool dirty = false, MemoryType memoryType = MemoryType.WriteBack, int protectionKey = 0) =>
        new(Present
            | Accessed
            | (dirty ? Dirty : 0)
            | (level > Level.Pte ? PageSizeBit : 0)
            | CachingBits(memoryType)
            | RightsBits(rights)
            | KeyBits(protectionKey)
            | (address.Value & AddressMask));

    /// <inheritdoc/>
    public override Entry MakeSlot(int level, PhysicalAddress table, Rights rights) =>
        new(Present | RightsBits(rights) | (table.Value & AddressMask));

    /// <inheritdoc/>
    public override bool IsLeaf(Entry entry, int level) =>
        (entry.Raw & Present) != 0 && (level == Level.Pte || (entry.Raw & PageSizeBit) != 0);

    /// <inheritdoc/>
    public override bool IsSlot(Entry entry, int level) =>
        (entry.Raw & Present) != 0 && level > Level.Pte && (entry.Raw & PageSizeBit) == 0;

    /// <summary>
    /// Above the level of 1 GiB pages, bit 7 must be zero; in a large leaf, the bits of the address below its size,
    /// but for PAT in bit 12 (SDM vol. 3A, tables 4-15 to 4-19). The address may use all 52 bits
    /// (<see cref="PhysicalAddressBits"/>), so that none is reserved at its upper end; a real processor's
    /// MAXPHYADDR may be less.
    /// </summary>
    public override bool HasReservedBits(Entry entry, int level)
    {
        if (level == Level.Pte || !IsLeaf(entry, level))
        {
            return false;
        }

        ulong belowPage = (ulong)(Geometry.EntrySpan(level) - 1) & AddressMask & ~LargePat;
        return !Geometry.IsLeafLevel(level) || (entry.Raw & belowPage) != 0;
    }

    /// <inheritdoc/>
    public override PhysicalAddress TargetOf(Entry entry, int level) =>
        new(entry.Raw & (level > Level.Pte && IsLeaf(entry, level) ? AddressMask & ~LargePat : AddressMask));

    /// <inheritdoc/>
    public override Rights RightsOf(Entry entry, int level)
    {
        if ((entry.Raw & (Present | User)) != (Present | User))
        {
            return Rights.None;
        }

        return Rights.Read
            | ((entry.Raw & Writable) != 0 ? Rights.Write : Rights.None)
            | ((entry.Raw & NoExecute) == 0 ? Rights.Execute : Rights.None);
    }

    /// <inheritdoc/>
    public override Entry WithRights(Entry entry, int level, Rights rights) =>
        new((entry.Raw & ~(Writable | User | NoExecute)) | RightsBits(rights));

    /// <inheritdoc/>
    public override bool IsAccessed(Entry entry, int level) => (entry.Raw & Accessed) != 0;

    /// <inheritdoc/>
    public override bool IsDirty(Entry entry, int level) => IsLeaf(entry, level) && (entry.Raw & Dirty) != 0;

    /// <inheritdoc/>
    public override Entry Touched(Entry entry, int level, bool dirty) =>
        new(entry.Raw | Accessed | (dirty && IsLeaf(entry, level) ? Dirty : 0));

    /// <inheritdoc/>
    public override Entry Cleaned(Entry entry, int level) => new(entry.Raw & ~Dirty);

    /// <inheritdoc/>
    public override MemoryType MemoryTypeOf(Entry entry, int level) => (entry.Raw & (WriteThroughBit | CacheDisable)) switch
    {
        0 => MemoryType.WriteBack,
        WriteThroughBit => MemoryType.WriteThrough,
        _ => MemoryType.Uncached,
    };

    /// <inheritdoc/>
    public override int ProtectionKeys => 16;

    /// <inheritdoc/>
    public override int ProtectionKeyOf(Entry entry, int level) => (int)((entry.Raw & KeyMask) >> KeyShift);

    /// <inheritdoc/>
    public override Entry WithProtectionKey(Entry entry, int level, int protectionKey) =>
        new((entry.Raw & ~KeyMask) | KeyBits(protectionKey));

    /// <inheritdoc/>
    public override bool IsAnonymous(Entry entry, int level) => (entry.Raw & SoftwareAnonymous) != 0;

    /// <inheritdoc/>
    public override Entry AsAnonymous(Entry entry, int level) => new(entry.Raw | SoftwareAnonymous);

    /// <inheritdoc/>
    public override string ToString() => $"x86-64, {Geometry.Levels} levels";

    // The user has the lower half, less one page (Linux: TASK_SIZE_MAX).
    private static TableGeometry ShapeOf(int levels)
    {
        int addressBits = PageShift + (levels * IndexBits);
        return new(PageShift, addressBits, [Level.Pte, Level.Pmd, Level.Pud], new VirtualAddress((1UL << (addressBits - 1)) - (1UL << PageShift)), kernelInUserRoots: true);
    }

    // Without any right the user bit is clear: present to the hardware, but every access of user code faults with
    // the protection bit set. Write without read does not exist on x86; a write right implies reading.
    private static ulong RightsBits(Rights rights)
    {
        if (rights == Rights.None)
        {
            return NoExecute;
        }

        return User
            | ((rights & Rights.Write) != 0 ? Writable : 0)
            | ((rights & Rights.Execute) == 0 ? NoExecute : 0);
    }

    private static ulong KeyBits(int protectionKey) =>
        (uint)protectionKey <= 15
            ? (ulong)protectionKey << KeyShift
            : throw new ArgumentOutOfRangeException(nameof(protectionKey), protectionKey, "Protection keys are 0 to 15.");

    // With the power-up PAT, PWT and PCD select WB, WT, UC-, UC (SDM vol. 3A, 11.12.4).
    private static ulong CachingBits(MemoryType memoryType) => memoryType switch
    {
        MemoryType.WriteBack => 0,
        MemoryType.WriteThrough => WriteThroughBit,
        MemoryType.Uncached => WriteThroughBit | CacheDisable,
        _ => throw new ArgumentOutOfRangeException(nameof(memoryType), memoryType, null),
    };
}
