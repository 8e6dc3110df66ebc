using Pando.Hardware;

namespace Pando.Tests.Formats;

/// <summary>
/// Tables of 64 KiB pages, as far as they differ from x86-64 in what the engine must not take for granted: 8,192 entries in a table, 64
/// in the root, leaves of 64 KiB and 512 MiB and no larger ones, user addresses that reach to the end of the root, which leads to no kernel.
/// (Arm64 with that granule and 48 bits, DDI 0487, D8; the bits are simpler.)
/// </summary>
internal sealed class ToyLargeGranule : EntryFormat
{
    private const ulong Valid = 1, Leaf = 2, NoAccess = 4, NoWrite = 8, NoExecute = 1UL << 63, Accessed = 16, DirtyBit = 32, Software = 64;
    private const ulong AddressMask = 0x000f_ffff_ffff_0000;

    private ToyLargeGranule()
        : base(new TableGeometry(16, 48, [Level.Pte, Level.Pmd], new VirtualAddress(1UL << 48), kernelInUserRoots: false))
    {
    }

    public static ToyLargeGranule Instance { get; } = new();

    public override int PhysicalAddressBits => 52;

    public override bool HasSlotRights => true;

    // No sign: there is another root for what lies above.
    public override bool IsCanonical(VirtualAddress address) => address.Value >> Geometry.AddressBits == 0;

    public override Rights Effective(Rights rights) => (rights & Rights.Write) != 0 ? rights | Rights.Read : rights == Rights.Execute ? Rights.Read | Rights.Execute : rights;

    public override Entry MakeLeaf(int level, PhysicalAddress address, Rights rights, bool dirty = false, MemoryType memoryType = MemoryType.WriteBack, int protectionKey = 0) =>
        new(Valid | Leaf | Accessed | (dirty ? DirtyBit : 0) | Bits(rights) | address.Value);

    public override Entry MakeSlot(int level, PhysicalAddress table, Rights rights) => new(Valid | Bits(rights) | table.Value);

    public override bool IsLeaf(Entry entry, int level) => (entry.Raw & (Valid | Leaf)) == (Valid | Leaf);

    public override bool IsSlot(Entry entry, int level) => (entry.Raw & (Valid | Leaf)) == Valid && level > Level.Pte;

    public override bool HasReservedBits(Entry entry, int level) =>
        IsLeaf(entry, level) && (!Geometry.IsLeafLevel(level) || (TargetOf(entry, level).Value & (ulong)(Geometry.EntrySpan(level) - 1)) != 0);

    public override PhysicalAddress TargetOf(Entry entry, int level) => new(entry.Raw & AddressMask);

    public override Rights RightsOf(Entry entry, int level) =>
        (entry.Raw & (Valid | NoAccess)) != Valid ? Rights.None
        : Rights.Read | ((entry.Raw & NoWrite) == 0 ? Rights.Write : 0) | ((entry.Raw & NoExecute) == 0 ? Rights.Execute : 0);

    public override Entry WithRights(Entry entry, int level, Rights rights) => new((entry.Raw & ~(NoAccess | NoWrite | NoExecute)) | Bits(rights));

    public override bool IsAccessed(Entry entry, int level) => (entry.Raw & Accessed) != 0;

    public override bool IsDirty(Entry entry, int level) => (entry.Raw & DirtyBit) != 0;

    public override Entry Touched(Entry entry, int level, bool dirty) => IsLeaf(entry, level) ? new(entry.Raw | Accessed | (dirty ? DirtyBit : 0)) : entry;

    public override Entry Cleaned(Entry entry, int level) => new(entry.Raw & ~DirtyBit);

    public override bool IsAnonymous(Entry entry, int level) => (entry.Raw & Software) != 0;

    public override Entry AsAnonymous(Entry entry, int level) => new(entry.Raw | Software);

    public override MemoryType MemoryTypeOf(Entry entry, int level) => MemoryType.WriteBack;

    public override string ToString() => $"a toy with {Geometry}";

    private static ulong Bits(Rights rights) =>
        rights == Rights.None ? NoAccess | NoWrite | NoExecute
        : ((rights & Rights.Write) == 0 ? NoWrite : 0) | ((rights & Rights.Execute) == 0 ? NoExecute : 0);
}
