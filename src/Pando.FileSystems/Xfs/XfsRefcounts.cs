using Pando.Files;
using Pando.FileSystems.Images;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Xfs;

/// <summary>
/// Which blocks more than one file owns: the refcount B+tree of each allocation group. The inode's own mark says only that something
/// of the file was shared once. Safe for use by several threads.
/// </summary>
internal sealed class XfsRefcounts(XfsVolume volume)
{
    private const uint HeaderMagic = 0x58414746; // "XAGF"
    private const uint TreeMagic = 0x52334643; // "R3FC"
    private const int TreeHeader = 56;
    private const int RecordSize = 12;
    private const int PairSize = 8;
    private const int DeepestTree = 9;
    private const uint CopyMark = 1u << 31; // blocks set aside for copies, which no file owns yet
    private const int MostBlocksKept = 256;

    private readonly Dictionary<(ulong Group, uint Block), byte[]> _blocks = [];
    private readonly Dictionary<ulong, (uint Root, int Levels)> _roots = [];
    private readonly Lock _lock = new();

    /// <summary>Adds a written extent in as many pieces as it has changes between shared and not.</summary>
    /// <param name="extent">The extent.</param>
    /// <param name="block">The number of its first block.</param>
    /// <param name="found">Where the pieces go.</param>
    public void AddPieces(PlacedExtent extent, ulong block, ExtentCollector found)
    {
        int shift = volume.Super.BlockShift;
        ulong group = block >> volume.Super.GroupShift;
        uint first = (uint)(block & ((1UL << volume.Super.GroupShift) - 1));
        uint end = first + (uint)(extent.Length >> shift);
        PlacedExtent Piece(uint from, uint to, ExtentState state) => new(extent.FileOffset + ((long)(from - first) << shift), extent.DeviceOffset + ((long)(from - first) << shift), (long)(to - from) << shift, state);
        lock (_lock)
        {
            uint at = first;
            var (root, levels) = Root(group);
            Visit(group, root, levels - 1, first, end, (start, length) =>
            {
                uint from = Math.Max(start, at);
                uint to = Math.Min(start + length, end);
                if (from >= to)
                {
                    return;
                }

                if (from > at)
                {
                    found.Add(Piece(at, from, ExtentState.Written));
                }

                found.Add(Piece(from, to, ExtentState.Shared));
                at = to;
            });
            if (at < end)
            {
                found.Add(Piece(at, end, ExtentState.Written));
            }
        }
    }

    /// <summary>Calls back for every shared record of a range, in order.</summary>
    private void Visit(ulong group, uint block, int level, uint first, uint end, Action<uint, uint> shared)
    {
        var structure = $"Xfs tree of shared blocks, group {group}, block {block}";
        var bytes = new BigEndianBytes(Block(group, block, level, structure), structure);
        int count = bytes.U16(6);
        int room = (bytes.Length - TreeHeader) / (level == 0 ? RecordSize : PairSize);
        if (count > room || (level > 0 && count == 0))
        {
            throw FileSystemException.Damaged($"{structure} has {count} entries, of {room}.");
        }

        if (level == 0)
        {
            VisitRecords(bytes, structure, count, first, end, shared);
            return;
        }

        // Keys with the copy mark come last, and are larger than any block.
        for (int i = Math.Max(0, FirstPast(bytes, count, sizeof(uint), first) - 1); i < count && bytes.U32(TreeHeader + (i * sizeof(uint))) < end; i++)
        {
            Visit(group, bytes.U32(TreeHeader + (room * sizeof(uint)) + (i * sizeof(uint))), level - 1, first, end, shared);
        }
    }

    private static void VisitRecords(BigEndianBytes bytes, string structure, int count, uint first, uint end, Action<uint, uint> shared)
    {
        for (int i = Math.Max(0, FirstPast(bytes, count, RecordSize, first) - 1); i < count; i++)
        {
            int at = TreeHeader + (i * RecordSize);
            var (start, length, owners) = (bytes.U32(at), bytes.U32(at + 4), bytes.U32(at + 8));
            if (start >= end)
            {
                return; // behind the range, or with the copy mark
            }

            if (length == 0 || length > CopyMark - start)
            {
                throw FileSystemException.Damaged($"{structure}: {length} blocks at {start}.");
            }

            if (owners > 1)
            {
                shared(start, length);
            }
        }
    }

    /// <summary>The first entry whose key is above a block; entries before it may reach over it.</summary>
    private static int FirstPast(BigEndianBytes bytes, int count, int size, uint block)
    {
        int low = 0;
        for (int high = count; low < high;)
        {
            int middle = (low + high) / 2;
            if (bytes.U32(TreeHeader + (middle * size)) <= block)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    private (uint Root, int Levels) Root(ulong group)
    {
        if (_roots.TryGetValue(group, out var known))
        {
            return known;
        }

        var structure = $"Xfs free space header of group {group}";
        var all = new byte[volume.Super.SectorSize];
        volume.Image.Read(volume.Super.ByteOffset(group, 0) + volume.Super.SectorSize, all);
        var bytes = new BigEndianBytes(all, structure);
        if (bytes.U32(0) != HeaderMagic || bytes.U32(8) != group)
        {
            throw FileSystemException.Damaged($"{structure}: it is none.");
        }

        if (~Crc32C.Without(Crc32C.Start, all, 216) != bytes.LittleU32(216))
        {
            throw FileSystemException.BadChecksum(structure);
        }

        var (root, levels) = (bytes.U32(88), bytes.U32(92));
        if (new Guid(bytes.Slice(64, 16), bigEndian: true) != volume.Super.MetadataIdentity || levels is 0 or > DeepestTree)
        {
            throw FileSystemException.Damaged($"{structure}: it belongs to another file system, or its tree of shared blocks has {levels} levels.");
        }

        _roots[group] = (root, (int)levels);
        return (root, (int)levels);
    }

    private byte[] Block(ulong group, uint block, int level, string structure)
    {
        if (!_blocks.TryGetValue((group, block), out var all))
        {
            if (!volume.Super.IsInGroup(group, block, 1))
            {
                throw FileSystemException.Damaged($"{structure} lies outside of the file system.");
            }

            all = new byte[volume.Super.BlockSize];
            long at = volume.Super.ByteOffset(group, block);
            volume.Image.Read(at, all);
            var bytes = new BigEndianBytes(all, structure);
            if (bytes.U32(0) != TreeMagic || bytes.U32(48) != group)
            {
                throw FileSystemException.Damaged($"{structure} is none of such a tree.");
            }

            volume.Check(bytes, structure, checksumAt: 52, identityAt: 32, addressAt: 16, at);
            if (_blocks.Count >= MostBlocksKept)
            {
                _blocks.Clear();
            }

            _blocks[(group, block)] = all;
        }

        return new BigEndianBytes(all, structure).U16(4) == level ? all : throw FileSystemException.Damaged($"{structure} is not of level {level}.");
    }
}
