using Pando.Files;
using Pando.FileSystems.Images;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Xfs;

/// <summary>Reads the extents of an inode: from the inode, or from the B+tree whose root stands there.</summary>
internal sealed class XfsExtents
{
    private const uint TreeMagic = 0x424d4133; // "BMA3"
    private const int TreeHeader = 72;
    private const int RootHeader = 4;
    private const int RecordSize = 16;
    private const int PairSize = 16; // a key and a pointer, which stand apart
    private const int DeepestTree = 12; // more than any file can need (XFS_BM_MAXLEVELS is 9)
    private const ulong NoBlock = ulong.MaxValue;
    private const int LengthBits = 21;
    private const int OffsetShift = 9;

    private readonly XfsVolume _volume;
    private readonly XfsInode _inode;
    private readonly XfsRefcounts? _refcounts;
    private readonly ExtentCollector _found;
    private readonly string _name;
    private ulong _records;
    private ulong _lastLeaf = NoBlock;
    private ulong _next;

    private XfsExtents(XfsVolume volume, XfsInode inode, XfsRefcounts? refcounts)
    {
        (_volume, _inode, _refcounts) = (volume, inode, refcounts);
        _name = $"Xfs inode {inode.Status.Number}";
        _found = new ExtentCollector(_name);
    }

    /// <summary>Reads all extents; <paramref name="refcounts"/> tell which are shared, null where nothing can be.</summary>
    public static IReadOnlyList<PlacedExtent> Read(XfsVolume volume, XfsInode inode, XfsRefcounts? refcounts)
    {
        var reader = new XfsExtents(volume, inode, refcounts);
        switch (inode.Form)
        {
            case XfsForm.Extents:
                reader.ReadInline();
                break;
            case XfsForm.Tree:
                reader.ReadRoot();
                break;
            default:
                return [];
        }

        if (reader._records != inode.ExtentCount)
        {
            throw FileSystemException.Damaged($"{reader._name}: it says that it has {inode.ExtentCount} extents, and {reader._records} are there.");
        }

        reader._found.ThrowIfCrossed();
        return reader._found.Extents;
    }

    private void ReadInline()
    {
        if (_inode.ExtentCount > (ulong)(_inode.Fork.Length / RecordSize))
        {
            throw FileSystemException.Damaged($"{_name}: {_inode.ExtentCount} extents do not fit into it.");
        }

        var bytes = new BigEndianBytes(_inode.Fork.Span, _name);
        for (int i = 0; i < (int)_inode.ExtentCount; i++)
        {
            Take(bytes, i * RecordSize);
        }
    }

    private void ReadRoot()
    {
        var bytes = new BigEndianBytes(_inode.Fork.Span, _name);
        int level = bytes.U16(0);
        if (level is 0 or > DeepestTree)
        {
            throw FileSystemException.Damaged($"{_name}: a tree of extents with {level} levels.");
        }

        ReadChildren(bytes, RootHeader, bytes.U16(2), level);
        if (_next != NoBlock)
        {
            throw FileSystemException.Damaged($"{_name}: the last block of extents says that {_next} follows.");
        }
    }

    private void ReadChildren(BigEndianBytes bytes, int header, int count, int level)
    {
        int room = (bytes.Length - header) / PairSize;
        if (count == 0 || count > room)
        {
            throw FileSystemException.Damaged($"{_name}: a block of its tree of extents has {count} entries, of {room}.");
        }

        for (int i = 0; i < count; i++)
        {
            ReadBlock(bytes.U64(header + (room * sizeof(ulong)) + (i * sizeof(ulong))), bytes.U64(header + (i * sizeof(ulong))), level - 1);
        }
    }

    private void ReadBlock(ulong block, ulong key, int level)
    {
        var structure = $"{_name}: its tree of extents, block {block}";
        long at = _volume.Locate(block, 1, structure);
        var all = new byte[_volume.Super.BlockSize];
        _volume.Image.Read(at, all);
        var bytes = new BigEndianBytes(all, structure);
        if (bytes.U32(0) != TreeMagic)
        {
            throw FileSystemException.Damaged($"{structure} is none of such a tree.");
        }

        _volume.Check(bytes, structure, checksumAt: 64, identityAt: 40, addressAt: 24, at);
        if (bytes.U64(56) != _inode.Status.Number || bytes.U16(4) != level)
        {
            throw FileSystemException.Damaged($"{structure} is of inode {bytes.U64(56)}, level {bytes.U16(4)}; level {level} of this inode was looked for.");
        }

        int count = bytes.U16(6);
        if (level > 0)
        {
            ReadChildren(bytes, TreeHeader, count, level);
            return;
        }

        // Leaves are a chain too: that finds a block that is in the tree twice, and one that was left out.
        if (bytes.U64(8) != _lastLeaf || (_lastLeaf != NoBlock && _next != block) || count == 0 || count > (bytes.Length - TreeHeader) / RecordSize)
        {
            throw FileSystemException.Damaged($"{structure} has {count} extents and comes after block {bytes.U64(8)}; it was found after {_lastLeaf}.");
        }

        (_lastLeaf, _next) = (block, bytes.U64(16));
        if (FileOffset(bytes, TreeHeader) != key)
        {
            throw FileSystemException.Damaged($"{structure} begins at another extent than the block above it says.");
        }

        for (int i = 0; i < count; i++)
        {
            Take(bytes, TreeHeader + (i * RecordSize));
        }
    }

    private static ulong FileOffset(BigEndianBytes bytes, int at) => (bytes.U64(at) & (ulong)long.MaxValue) >> OffsetShift;

    /// <summary>Takes one record: a flag, 54 bits of offset, 52 of place, 21 of length.</summary>
    private void Take(BigEndianBytes bytes, int at)
    {
        var (high, low) = (bytes.U64(at), bytes.U64(at + sizeof(ulong)));
        ulong offset = FileOffset(bytes, at);
        ulong block = ((high & ((1 << OffsetShift) - 1)) << (64 - LengthBits)) | (low >> LengthBits);
        ulong count = low & ((1 << LengthBits) - 1);
        int shift = _volume.Super.BlockShift;
        if (count == 0 || offset + count > (ulong)(long.MaxValue >> shift))
        {
            throw FileSystemException.Damaged($"{_name}: an extent of {count} blocks at block {offset} of the file.");
        }

        _records++;
        long place = _volume.Locate(block, count, _name);
        bool isUnwritten = high >> 63 != 0;
        var extent = new PlacedExtent((long)offset << shift, place, (long)count << shift, isUnwritten ? ExtentState.Unwritten : ExtentState.Written);
        if (_refcounts is null || isUnwritten)
        {
            _found.Add(extent);
        }
        else
        {
            _refcounts.AddPieces(extent, block, _found);
        }
    }
}
