using Pando.Hardware;

namespace Pando.Tests.Formats;

/// <summary>
/// RISC-V's Sv39 or Sv48, as far as they differ from x86-64 in what the engine must not take for granted: three levels, no rights in
/// entries that point at a table, execute without read. (RISC-V privileged manual, "Sv39".)
/// </summary>
internal sealed class ToyRiscV : EntryFormat
{
    private const ulong V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128, Software = 256;
    private const int PpnShift = 10;

    /// <summary>Sv39: three levels.</summary>
    public static ToyRiscV Sv39 { get; } = new(3);

    /// <summary>Sv48: four.</summary>
    public static ToyRiscV Sv48 { get; } = new(4);

    private const int PageShift = 12;

    private ToyRiscV(int levels)
        : base(ShapeOf(levels))
    {
    }

    public override int PhysicalAddressBits => 56;

    public override bool HasSlotRights => false;

    public override bool IsCanonical(VirtualAddress address)
    {
        int unused = 64 - Geometry.AddressBits;
        return (ulong)((long)(address.Value << unused) >> unused) == address.Value;
    }

    // A store right without a load right is reserved.
    public override Rights Effective(Rights rights) => (rights & Rights.Write) != 0 ? rights | Rights.Read : rights;

    public override Entry MakeLeaf(int level, PhysicalAddress address, Rights rights, bool dirty = false, MemoryType memoryType = MemoryType.WriteBack, int protectionKey = 0) =>
        new(V | A | (dirty ? D : 0) | Bits(rights) | (address.Value >> PageShift << PpnShift));

    public override Entry MakeSlot(int level, PhysicalAddress table, Rights rights) => new(V | (table.Value >> PageShift << PpnShift));

    public override bool IsLeaf(Entry entry, int level) => (entry.Raw & V) != 0 && (entry.Raw & (R | W | X)) != 0;

    public override bool IsSlot(Entry entry, int level) => (entry.Raw & V) != 0 && (entry.Raw & (R | W | X)) == 0 && level > Level.Pte;

    public override bool HasReservedBits(Entry entry, int level) =>
        IsLeaf(entry, level)
            ? (entry.Raw & (R | W)) == W || (TargetOf(entry, level).Value & (ulong)(Geometry.EntrySpan(level) - 1)) != 0
            : (entry.Raw & (U | A | D)) != 0;

    public override PhysicalAddress TargetOf(Entry entry, int level) => new(entry.Raw >> PpnShift << PageShift);

    public override Rights RightsOf(Entry entry, int level) =>
        !IsLeaf(entry, level) ? Rights.All
        : (entry.Raw & U) == 0 ? Rights.None
        : ((entry.Raw & R) != 0 ? Rights.Read : 0) | ((entry.Raw & W) != 0 ? Rights.Write : 0) | ((entry.Raw & X) != 0 ? Rights.Execute : 0);

    public override Entry WithRights(Entry entry, int level, Rights rights) =>
        IsLeaf(entry, level) ? new((entry.Raw & ~(R | W | X | U)) | Bits(rights)) : entry;

    public override bool IsAccessed(Entry entry, int level) => (entry.Raw & A) != 0;

    public override bool IsDirty(Entry entry, int level) => (entry.Raw & D) != 0;

    public override Entry Touched(Entry entry, int level, bool dirty) => IsLeaf(entry, level) ? new(entry.Raw | A | (dirty ? D : 0)) : entry;

    public override Entry Cleaned(Entry entry, int level) => new(entry.Raw & ~D);

    public override bool IsAnonymous(Entry entry, int level) => (entry.Raw & Software) != 0;

    public override Entry AsAnonymous(Entry entry, int level) => new(entry.Raw | Software);

    public override MemoryType MemoryTypeOf(Entry entry, int level) => MemoryType.WriteBack;

    public override string ToString() => $"a toy Sv{Geometry.AddressBits}";

    // The lower half is the user's; leaves may stand at every level.
    private static TableGeometry ShapeOf(int levels)
    {
        int addressBits = PageShift + (9 * levels);
        return new(PageShift, addressBits, [.. Enumerable.Range(1, levels)], new VirtualAddress((1UL << (addressBits - 1)) - (1UL << PageShift)), kernelInUserRoots: true);
    }

    // Without any right it is the supervisor's, so that it is still a leaf and not a slot.
    private static ulong Bits(Rights rights) =>
        rights == Rights.None ? R
        : U | ((rights & Rights.Read) != 0 ? R : 0) | ((rights & Rights.Write) != 0 ? W : 0) | ((rights & Rights.Execute) != 0 ? X : 0);
}
