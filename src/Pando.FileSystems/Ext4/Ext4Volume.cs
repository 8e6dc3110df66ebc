using Pando.FileSystems.Images;

namespace Pando.FileSystems.Ext4;

/// <summary>Reads blocks and groups of an ext4.</summary>
internal sealed class Ext4Volume(ImageSource image, Ext4Superblock super)
{
    private const uint MountProtectionMagic = 0x004D4D50; // "MMP"
    private const uint MountProtectionClean = 0xFF4D4D50;
    private Ext4OwnBlocks? _own;

    public ImageSource Image { get; } = image;

    public Ext4Superblock Super { get; } = super;

    public int GroupsPerBlock => Super.BlockSize / Super.DescriptorSize;

    /// <summary>What the file system keeps for itself, which no file may lie on. Read at the first question.</summary>
    public Ext4OwnBlocks OwnBlocks => _own ??= Ext4OwnBlocks.Read(this);

    /// <summary>Where blocks that a structure points at lie, in bytes: in the file system, and not on its own structures.</summary>
    public long Locate(ulong block, ulong count, string structure) =>
        !Super.Contains(block, count) ? throw FileSystemException.Damaged($"{structure} points at {count} blocks at block {block}, which the file system does not have.")
        : OwnBlocks.Touches(block, count) ? throw FileSystemException.Damaged($"{structure} points at {count} blocks at block {block}, where the file system's own structures are.")
        : (long)block << Super.BlockShift;

    /// <summary>Reads the descriptor of a group.</summary>
    public Ext4Group Group(long group)
    {
        int size = Super.DescriptorSize;
        var bytes = new byte[size];
        Image.Read(((long)DescriptorBlock(group / GroupsPerBlock) << Super.BlockShift) + (group % GroupsPerBlock * size), bytes);
        return Ext4Group.Read(Super, group, bytes);
    }

    /// <summary>Reads the descriptors of all groups.</summary>
    public IEnumerable<Ext4Group> Groups()
    {
        var block = new byte[Super.BlockSize];
        for (long group = 0; group < Super.Groups; group++)
        {
            int index = (int)(group % GroupsPerBlock);
            if (index == 0)
            {
                Image.Read((long)DescriptorBlock(group / GroupsPerBlock) << Super.BlockShift, block);
            }

            yield return Ext4Group.Read(Super, group, block.AsSpan(index * Super.DescriptorSize, Super.DescriptorSize));
        }
    }

    /// <summary>The block that holds so many groups' descriptors.</summary>
    public ulong DescriptorBlock(long index)
    {
        if (!Super.Has(Ext4Features.MetaGroups) || index < Super.FirstMetaGroup)
        {
            return Super.OwnBlock + 1 + (ulong)index;
        }

        // In the first group of those that it describes, behind that group's copy of the superblock.
        long first = index * (Super.BlockSize / Super.DescriptorSize);
        return GroupStart(first) + (HasSuperblock(first) ? 1UL : 0UL) + (first == 0 && Super.FirstBlock < Super.OwnBlock ? 1UL : 0UL);
    }

    private ulong GroupStart(long group) => Super.FirstBlock + ((ulong)group * Super.GroupBlocks);

    /// <summary>Whether a group has a copy of the superblock (ext4_bg_has_super).</summary>
    private bool HasSuperblock(long group) =>
        group == 0 ? true
        : Super.HasFewCopies ? group == Super.FirstCopy || group == Super.SecondCopy
        : group == 1 || (Super.ReadOnlyCompatible & Ext4Features.SparseSuperblocks) == 0
        || (group % 2 == 1 && (IsPower(group, 3) || IsPower(group, 5) || IsPower(group, 7)));

    /// <summary>Refuses a file system that another machine has mounted.</summary>
    public void ThrowIfMountedElsewhere()
    {
        if (!Super.Has(Ext4Features.MountProtection))
        {
            return;
        }

        var structure = $"{Image.Name}: the block of ext4 that says who has it mounted";
        if (!Super.Contains(Super.MountProtectionBlock, 1))
        {
            throw FileSystemException.Damaged($"{structure} lies outside of it.");
        }

        var all = new byte[Super.BlockSize];
        Image.Read((long)Super.MountProtectionBlock << Super.BlockShift, all);
        var bytes = new LittleEndianBytes(all, structure);
        if (bytes.U32(0) != MountProtectionMagic)
        {
            throw FileSystemException.Damaged($"{structure} is none.");
        }

        if (bytes.U32(4) != MountProtectionClean)
        {
            throw new FileSystemException(FileSystemRefusal.InUse, $"{Image.Name}: ext4 is mounted, perhaps on another machine, or checked (mmp).");
        }
    }

    private static bool IsPower(long number, long of)
    {
        long power = of;
        while (power < number)
        {
            power *= of;
        }

        return power == number;
    }
}
