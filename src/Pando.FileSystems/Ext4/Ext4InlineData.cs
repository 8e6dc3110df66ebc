using Pando.FileSystems.Images;

namespace Pando.FileSystems.Ext4;

/// <summary>Contents that stand in the inode: 60 bytes in the place of block numbers, the rest in the attribute "system.data".</summary>
internal static class Ext4InlineData
{
    private const uint AttributesMagic = 0xEA020000;
    private const byte SystemIndex = 7;
    private const int EntrySize = 16;

    /// <summary>The value of the attribute; empty if there is none.</summary>
    public static ReadOnlyMemory<byte> Rest(Ext4Inode inode, string name)
    {
        var attributes = inode.Attributes;
        var bytes = new LittleEndianBytes(attributes.Span, $"{name}: its attributes");
        if (bytes.Length < 8 || bytes.U32(0) != AttributesMagic)
        {
            return default;
        }

        // Offsets of values count from the first entry; four zeroes end the list.
        const int First = sizeof(uint);
        for (int at = First; at <= bytes.Length - sizeof(uint) && bytes.U32(at) != 0;)
        {
            int length = bytes.U8(at);
            var entryName = bytes.Slice(at + EntrySize, length);
            if (bytes.U8(at + 1) == SystemIndex && entryName.SequenceEqual("data"u8))
            {
                uint size = bytes.U32(at + 8);
                int value = First + bytes.U16(at + 2);
                if (size > (uint)bytes.Length || bytes.U32(at + 4) != 0)
                {
                    throw FileSystemException.Damaged($"{name}: the contents in its attributes have {size} bytes, or lie elsewhere.");
                }

                _ = bytes.Slice(value, (int)size); // checked
                return attributes.Slice(value, (int)size);
            }

            at += (EntrySize + length + 3) & ~3;
        }

        return default;
    }

    /// <summary>All contents.</summary>
    public static ReadOnlyMemory<byte> All(Ext4Inode inode, string name)
    {
        var rest = Rest(inode, name);
        long size = inode.Status.Size;
        if (size > inode.Block.Length + rest.Length)
        {
            throw FileSystemException.Damaged($"{name}: it says that it has {size} bytes, and {inode.Block.Length + rest.Length} stand in it.");
        }

        var all = new byte[inode.Block.Length + rest.Length];
        inode.Block.CopyTo(all);
        rest.CopyTo(all.AsMemory(inode.Block.Length));
        return all.AsMemory(0, (int)size);
    }
}
