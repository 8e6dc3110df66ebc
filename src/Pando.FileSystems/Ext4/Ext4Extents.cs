using Pando.Files;
using Pando.FileSystems.Images;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Ext4;

/// <summary>Reads the extents of an inode: the tree whose root stands there, or, of older files, block numbers by up to three steps.</summary>
internal sealed class Ext4Extents
{
    private const ushort TreeMagic = 0xF30A;
    private const int RecordSize = 12; // header, extents and indexes alike
    private const int DeepestTree = 5;
    private const int LongestWritten = 32768; // a length above says that nothing was written
    private const int DirectBlocks = 12;
    private const int Steps = 3;

    private readonly Ext4Volume _volume;
    private readonly Ext4Inode _inode;
    private readonly ExtentCollector _found;
    private readonly string _name;
    private readonly HashSet<uint> _seen = [];

    private Ext4Extents(Ext4Volume volume, Ext4Inode inode)
    {
        (_volume, _inode) = (volume, inode);
        _name = $"Ext4 inode {inode.Status.Number}";
        _found = new ExtentCollector(_name);
    }

    private int BlockShift => _volume.Super.BlockShift;

    public static IReadOnlyList<PlacedExtent> Read(Ext4Volume volume, Ext4Inode inode)
    {
        var reader = new Ext4Extents(volume, inode);
        if (inode.Flags.HasFlag(Ext4InodeFlags.Extents))
        {
            var root = new LittleEndianBytes(inode.Block.Span, reader._name);
            reader.ReadTree(root, root.U16(6), 0, 1L << 32, isRoot: true);
        }
        else
        {
            reader.ReadBlocks();
        }

        reader._found.ThrowIfCrossed();
        return reader._found.Extents;
    }

    /// <summary>Reads a block of the tree, which stands for a range of the file's blocks and must lie in it: that also ends every loop.</summary>
    private void ReadTree(LittleEndianBytes bytes, int depth, long first, long end, bool isRoot)
    {
        int count = bytes.U16(2);
        int room = (bytes.Length - RecordSize) / RecordSize;
        if (bytes.U16(0) != TreeMagic || count > room || bytes.U16(4) > room || bytes.U16(6) != depth || depth > DeepestTree || (count == 0 && !(isRoot && depth == 0)))
        {
            throw FileSystemException.Damaged($"{_name}: a block of its tree of extents, which should be of level {depth}, says level {bytes.U16(6)} and has {count} entries, of {room}.");
        }

        for (int i = 0; i < count; i++)
        {
            int at = RecordSize + (i * RecordSize);
            long block = bytes.U32(at);
            long next = i + 1 < count ? bytes.U32(at + RecordSize) : end;
            // The first index of a level may begin before what it stands for, where holes were punched.
            if (block < first || next <= block || next > end || (i == 0 && !isRoot && depth == 0 && block != first && block < first))
            {
                throw FileSystemException.Damaged($"{_name}: its tree of extents has block {block} before {next}, in a part from {first} to {end}.");
            }

            if (depth == 0)
            {
                TakeExtent(bytes, at, block, next);
            }
            else
            {
                ReadTreeBlock(bytes.U32(at + 4) | ((ulong)bytes.U16(at + 8) << 32), depth - 1, block, next);
            }
        }
    }

    private void ReadTreeBlock(ulong block, int depth, long first, long end)
    {
        var structure = $"{_name}: its tree of extents, block {block}";
        var all = new byte[_volume.Super.BlockSize];
        _volume.Image.Read(_volume.Locate(block, 1, structure), all);
        var bytes = new LittleEndianBytes(all, structure);
        int tail = RecordSize + (bytes.U16(4) * RecordSize);
        if (_volume.Super.HasChecksums && (tail > all.Length - sizeof(uint) || Crc32C.Update(_inode.Seed, all.AsSpan(0, tail)) != bytes.U32(tail)))
        {
            throw FileSystemException.BadChecksum(structure);
        }

        ReadTree(bytes, depth, first, end, isRoot: false);
    }

    private void TakeExtent(LittleEndianBytes bytes, int at, long first, long end)
    {
        int length = bytes.U16(at + 4);
        bool isUnwritten = length > LongestWritten;
        length -= isUnwritten ? LongestWritten : 0;
        if (length == 0 || length > end - first)
        {
            throw FileSystemException.Damaged($"{_name}: an extent of {length} blocks at block {first} of the file, and another begins at {end}.");
        }

        Take(first, bytes.U32(at + 8) | ((ulong)bytes.U16(at + 6) << 32), length, isUnwritten ? ExtentState.Unwritten : ExtentState.Written);
    }

    private void Take(long first, ulong block, long count, ExtentState state)
    {
        _found.Add(new PlacedExtent(first << BlockShift, _volume.Locate(block, (ulong)count, _name), count << BlockShift, state));
        if (_found.Total > _volume.Super.Length)
        {
            throw FileSystemException.Damaged($"{_name}: it has more blocks than the file system.");
        }
    }

    private void ReadBlocks()
    {
        var bytes = new LittleEndianBytes(_inode.Block.Span, _name);
        long next = 0;
        for (int i = 0; i < DirectBlocks; i++, next++)
        {
            TakeBlock(bytes.U32(i * sizeof(uint)), next);
        }

        long covered = _volume.Super.BlockSize / sizeof(uint);
        for (int step = 1; step <= Steps; step++, covered *= _volume.Super.BlockSize / sizeof(uint))
        {
            ReadSteps(bytes.U32((DirectBlocks + step - 1) * sizeof(uint)), step, next, covered);
            next += covered;
        }
    }

    /// <summary>Reads a block of block numbers; <paramref name="covered"/> is how many blocks of the file it stands for.</summary>
    private void ReadSteps(uint block, int step, long first, long covered)
    {
        if (block == 0)
        {
            return;
        }

        var structure = $"{_name}: its block of numbers, {block}";
        if (!_seen.Add(block))
        {
            throw FileSystemException.Damaged($"{structure}, stands in it twice.");
        }

        var all = new byte[_volume.Super.BlockSize];
        _volume.Image.Read(_volume.Locate(block, 1, structure), all);
        var bytes = new LittleEndianBytes(all, structure);
        long each = covered / (all.Length / sizeof(uint));
        for (int at = 0; at < all.Length; at += sizeof(uint), first += each)
        {
            if (step == 1)
            {
                TakeBlock(bytes.U32(at), first);
            }
            else
            {
                ReadSteps(bytes.U32(at), step - 1, first, each);
            }
        }
    }

    private void TakeBlock(uint block, long first)
    {
        if (block != 0)
        {
            Take(first, block, 1, ExtentState.Written);
        }
    }
}
