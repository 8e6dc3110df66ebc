namespace Pando.FileSystems.Ext4;

/// <summary>
/// The blocks that the file system keeps for itself: superblock and descriptors, bitmaps, inodes (Linux: fs/ext4/block_validity.c). A
/// file that lies on one of them would destroy it at its first store.
/// </summary>
internal sealed class Ext4OwnBlocks
{
    private readonly List<(ulong Start, ulong End)> _ranges;

    private Ext4OwnBlocks(List<(ulong Start, ulong End)> ranges) => _ranges = ranges;

    public static Ext4OwnBlocks Read(Ext4Volume volume)
    {
        var super = volume.Super;
        ulong table = Ext4Group.TableBlocks(super);
        long descriptors = (super.Groups + volume.GroupsPerBlock - 1) / volume.GroupsPerBlock;
        if (super.Has(Ext4Features.MetaGroups))
        {
            descriptors = Math.Min(descriptors, super.FirstMetaGroup);
        }

        // The first copy is the one in use; the others are only copies, and with sparse_super2 not where they would be otherwise.
        var ranges = new List<(ulong Start, ulong End)> { (0, super.OwnBlock + 1 + (ulong)descriptors + (ulong)super.ReservedTableBlocks) };
        foreach (var found in volume.Groups())
        {
            Add(ranges, found.BlockBitmap, 1);
            Add(ranges, found.InodeBitmap, 1);
            Add(ranges, found.InodeTable, table);
        }

        if (super.Has(Ext4Features.MetaGroups))
        {
            for (long index = super.FirstMetaGroup; index * volume.GroupsPerBlock < super.Groups; index++)
            {
                Add(ranges, volume.DescriptorBlock(index), 1);
            }
        }

        return new Ext4OwnBlocks(Joined(ranges));
    }

    public bool Touches(ulong block, ulong count)
    {
        int low = 0;
        for (int high = _ranges.Count; low < high;)
        {
            int middle = (low + high) / 2;
            if (_ranges[middle].End <= block)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low < _ranges.Count && _ranges[low].Start < block + count;
    }

    private static void Add(List<(ulong Start, ulong End)> ranges, ulong block, ulong count)
    {
        // With flex_bg the groups' bitmaps and inodes follow each other: most ranges go on where the last of their kind ended.
        for (int back = ranges.Count - 1; back >= Math.Max(0, ranges.Count - 3); back--)
        {
            if (ranges[back].End == block)
            {
                ranges[back] = (ranges[back].Start, block + count);
                return;
            }
        }

        ranges.Add((block, block + count));
    }

    private static List<(ulong Start, ulong End)> Joined(List<(ulong Start, ulong End)> ranges)
    {
        ranges.Sort();
        var joined = new List<(ulong Start, ulong End)>();
        foreach (var range in ranges)
        {
            if (joined.Count > 0 && range.Start <= joined[^1].End)
            {
                joined[^1] = (joined[^1].Start, Math.Max(joined[^1].End, range.End));
            }
            else
            {
                joined.Add(range);
            }
        }

        return joined;
    }
}
