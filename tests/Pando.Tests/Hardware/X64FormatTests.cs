using Pando.Hardware;

namespace Pando.Tests.Hardware;

/// <summary>Bits as in the Intel SDM vol. 3A, tables 4-14 to 4-20, written down once more, by number.</summary>
public class X64FormatTests
{
    private const ulong P = 1, Rw = 1 << 1, Us = 1 << 2, Pwt = 1 << 3, Pcd = 1 << 4, A = 1 << 5, D = 1 << 6, Ps = 1 << 7, Xd = 1UL << 63;

    public static TheoryData<int> Formats => [4, 5];

    public static TheoryData<int, Rights, ulong> RightsBits
    {
        get
        {
            var data = new TheoryData<int, Rights, ulong>();
            foreach (int levels in (int[])[4, 5])
            {
                data.Add(levels, Rights.None, Xd);
                data.Add(levels, Rights.Read, Us | Xd);
                data.Add(levels, Rights.Write, Us | Rw | Xd);
                data.Add(levels, Rights.ReadWrite, Us | Rw | Xd);
                data.Add(levels, Rights.Execute, Us);
                data.Add(levels, Rights.Read | Rights.Execute, Us);
                data.Add(levels, Rights.Write | Rights.Execute, Us | Rw);
                data.Add(levels, Rights.All, Us | Rw);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(RightsBits))]
    public void Every_entry_has_the_bits_of_the_manual(int levels, Rights rights, ulong bits)
    {
        var format = Format(levels);
        for (int level = Level.Pte; level <= levels; level++)
        {
            ulong size = level == Level.Pte ? 0UL : Ps;
            var address = new PhysicalAddress(0x000f_fff0_4000_0000UL & ~(ulong)(X64.EntrySpan(Math.Min(level, 3)) - 1));
            if (level <= format.Geometry.HighestLeafLevel)
            {
                Assert.Equal(P | A | size | bits | address.Value, format.MakeLeaf(level, address, rights).Raw);
                Assert.Equal(P | A | D | size | bits | address.Value, format.MakeLeaf(level, address, rights, dirty: true).Raw);
                Assert.Equal(P | A | size | Pwt | bits | address.Value, format.MakeLeaf(level, address, rights, memoryType: MemoryType.WriteThrough).Raw);
                Assert.Equal(P | A | size | Pwt | Pcd | bits | address.Value, format.MakeLeaf(level, address, rights, memoryType: MemoryType.Uncached).Raw);
            }

            if (level > Level.Pte)
            {
                Assert.Equal(P | bits | address.Value, format.MakeSlot(level, address, rights).Raw);
            }
        }
    }

    [Theory]
    [MemberData(nameof(RightsBits))]
    public void What_is_made_is_read_back(int levels, Rights rights, ulong bits)
    {
        Assert.NotEqual(P, bits & P);
        var format = Format(levels);
        for (int level = Level.Pte; level <= levels; level++)
        {
            var address = new PhysicalAddress(0x0003_4567_8000_0000UL & ~(ulong)(X64.EntrySpan(Math.Min(level, 3)) - 1));
            foreach (bool dirty in (bool[])[false, true])
            {
                foreach (var type in Enum.GetValues<MemoryType>())
                {
                    if (level > format.Geometry.HighestLeafLevel)
                    {
                        continue;
                    }

                    var leaf = format.MakeLeaf(level, address, rights, dirty, type);
                    Assert.True(format.IsLeaf(leaf, level));
                    Assert.False(format.IsSlot(leaf, level));
                    Assert.Equal(address, format.TargetOf(leaf, level));
                    Assert.Equal(format.Effective(rights), format.RightsOf(leaf, level));
                    Assert.Equal(type, format.MemoryTypeOf(leaf, level));
                    Assert.Equal(dirty, format.IsDirty(leaf, level));
                    Assert.True(format.IsAccessed(leaf, level));
                    Assert.False(format.IsDirty(format.Cleaned(leaf, level), level));
                    Assert.True(format.IsDirty(format.Touched(leaf, level, dirty: true), level));
                    foreach (Rights other in Enumerable.Range(0, 8))
                    {
                        Assert.Equal(format.MakeLeaf(level, address, other, dirty, type), format.WithRights(leaf, level, other));
                    }

                    var anonymous = format.AsAnonymous(leaf, level);
                    Assert.False(format.IsAnonymous(leaf, level));
                    Assert.Equal(leaf.Raw | 0x200, anonymous.Raw);
                    Assert.All(
                        [anonymous, format.Cleaned(anonymous, level), format.Touched(anonymous, level, dirty: true), format.WithRights(anonymous, level, Rights.Read), format.WithProtectionKey(anonymous, level, 5)],
                        kept => Assert.True(format.IsAnonymous(kept, level)));

                    if (level > Level.Pte)
                    {
                        for (int index = 0; index < X64.Entries; index += 73)
                        {
                            var small = format.SplitLeaf(leaf, level, index);
                            Assert.Equal(format.MakeLeaf(level - 1, address + (index * X64.EntrySpan(level - 1)), rights, dirty, type), small);
                            Assert.Equal(format.AsAnonymous(small, level - 1), format.SplitLeaf(anonymous, level, index));
                        }
                    }
                }
            }

            if (level > Level.Pte)
            {
                var slot = format.MakeSlot(level, address, rights);
                Assert.True(format.IsSlot(slot, level));
                Assert.False(format.IsLeaf(slot, level));
                Assert.Equal(address, format.TargetOf(slot, level));
                Assert.Equal(format.Effective(rights), format.RightsOf(slot, level));
                Assert.False(format.IsAccessed(slot, level));
                Assert.True(format.IsAccessed(format.Touched(slot, level, dirty: false), level));

                // Bit 6 of an entry that points at a table is ignored by the processor; it never becomes a dirty bit.
                Assert.False(format.IsDirty(format.Touched(slot, level, dirty: true), level));
                Assert.Equal(slot.Raw | A, format.Touched(slot, level, dirty: true).Raw);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Nothing_is_neither_leaf_nor_slot(int levels)
    {
        for (int level = Level.Pte; level <= levels; level++)
        {
            Assert.False(Format(levels).IsLeaf(Entry.None, level));
            Assert.False(Format(levels).IsSlot(Entry.None, level));
            Assert.Equal(Rights.None, Format(levels).RightsOf(Entry.None, level));
        }
    }

    [Theory]
    [InlineData(4, 48, 0x7fff_ffff_f000UL)]
    [InlineData(5, 57, 0xff_ffff_ffff_f000UL)]
    public void Addresses_have_48_or_57_bits_of_which_user_code_has_the_lower_half(int levels, int bits, ulong end)
    {
        var format = Format(levels);
        Assert.Equal(levels, format.Geometry.Levels);
        Assert.Equal(bits, format.Geometry.AddressBits);
        Assert.Equal(52, format.PhysicalAddressBits);
        Assert.Equal(end, format.Geometry.UserEnd.Value);
        Assert.True(format.IsCanonical(new VirtualAddress((1UL << (bits - 1)) - 1)));
        Assert.False(format.IsCanonical(new VirtualAddress(1UL << (bits - 1))));
        Assert.False(format.IsCanonical(new VirtualAddress(~0UL << bits)));
        Assert.True(format.IsCanonical(new VirtualAddress(~0UL << (bits - 1))));
        Assert.True(format.HasSlotRights);
        Assert.Equal(Level.Pud, format.Geometry.HighestLeafLevel);
    }

    private static X64Format Format(int levels) => levels == 4 ? X64Format.FourLevels : X64Format.FiveLevels;
}
