using Pando.FileSystems.Images;

namespace Pando.FileSystems.Xfs;

/// <summary>
/// Whether the log is clean: the last record is one that unmounting writes (fs/xfs/xfs_log_recover.c, xlog_find_tail). What is not
/// proved to be clean is dirty.
/// </summary>
internal sealed class XfsLog
{
    private const int SectorSize = 512;
    private const uint RecordMagic = 0xFEEDBABE;
    private const int RecordHeaderWindow = 32 * 1024; // a header sector for so much of a record
    private const int LongestRecord = 256 * 1024;
    private const byte UnmountFlag = 0x20;
    private const int SearchBack = (2 * LongestRecord / SectorSize) + 2;

    private readonly XfsVolume _volume;
    private readonly long _start;
    private readonly long _sectors;

    private XfsLog(XfsVolume volume, long start, long sectors) => (_volume, _start, _sectors) = (volume, start, sectors);

    /// <exception cref="FileSystemException"><see cref="FileSystemRefusal.DirtyLog"/>, <see cref="FileSystemRefusal.ExternalLog"/>, or
    /// <see cref="FileSystemRefusal.Damaged"/> if there is no log.</exception>
    public static void ThrowIfDirty(XfsVolume volume)
    {
        var super = volume.Super;
        if (super.LogStart == 0)
        {
            throw new FileSystemException(FileSystemRefusal.ExternalLog, $"{volume.Image.Name}: XFS has its log on another device, so that nobody can tell here whether it is clean.");
        }

        long start = volume.Locate(super.LogStart, super.LogBlocks, "Xfs log");
        var log = new XfsLog(volume, start, ((long)super.LogBlocks << super.BlockShift) / SectorSize);
        if (!log.IsClean())
        {
            throw new FileSystemException(FileSystemRefusal.DirtyLog, $"{volume.Image.Name}: the log of XFS holds changes that are not in place yet, or it is mounted. Mount and unmount it once.");
        }
    }

    private bool IsClean()
    {
        if (_sectors < 2)
        {
            return false;
        }

        uint first = Cycle(0);
        uint last = Cycle(_sectors - 1);
        if (first == 0)
        {
            return false; // mkfs writes a record, and so does repair
        }

        // The log is a ring, and each of its sectors begins with the number of the round in which it was written.
        long head = first == last ? 0 : FirstOf(last, first);
        for (long back = 1; head >= 0 && back <= Math.Min(SearchBack, _sectors); back++)
        {
            long at = (head - back + _sectors) % _sectors;
            var header = Sector(at);
            if (IsRecord(header, at))
            {
                return IsUnmount(header, at, head);
            }
        }

        return false;
    }

    /// <summary>The first sector that is not of the present round: what is behind it is of the round before, or was never written. Negative if there is no such order.</summary>
    private long FirstOf(uint before, uint now)
    {
        long low = 0;
        for (long high = _sectors - 1; low < high;)
        {
            long middle = low + ((high - low) / 2);
            if (Cycle(middle) == now)
            {
                low = middle + 1;
            }
            else if (Cycle(middle) == before)
            {
                high = middle;
            }
            else
            {
                return -1; // neither: no unmounted log looks so
            }
        }

        return low;
    }

    private bool IsRecord(byte[] sector, long at)
    {
        // A record's second header sector has the magic number of the first of what it stands for; only the first says where it lies.
        var bytes = new BigEndianBytes(sector, "Xfs log record");
        return bytes.U32(0) == RecordMagic && (uint)bytes.U64(16) == at && new Guid(bytes.Slice(304, 16), bigEndian: true) == _volume.Super.Identity;
    }

    private bool IsUnmount(byte[] header, long at, long head)
    {
        var bytes = new BigEndianBytes(header, "Xfs log record");
        uint version = bytes.U32(8);
        uint length = bytes.U32(12);
        uint size = bytes.U32(320);
        if (version is not (1 or 2) || length is 0 or > LongestRecord || bytes.U32(40) != 1)
        {
            return false;
        }

        long headers = version == 2 && size > RecordHeaderWindow ? (Math.Min(size, LongestRecord) + RecordHeaderWindow - 1) / RecordHeaderWindow : 1;
        long data = (at + headers) % _sectors;
        long end = (data + ((length + SectorSize - 1) / SectorSize)) % _sectors;
        return end == head && (Sector(data)[9] & UnmountFlag) != 0;
    }

    private uint Cycle(long sector)
    {
        var bytes = new BigEndianBytes(Sector(sector), "Xfs log");
        return bytes.U32(0) == RecordMagic ? bytes.U32(4) : bytes.U32(0);
    }

    private byte[] Sector(long sector)
    {
        var bytes = new byte[SectorSize];
        _volume.Image.Read(_start + (sector * SectorSize), bytes);
        return bytes;
    }
}
