using Pando.Exec.Native;
using Pando.Platforms;

namespace Pando.Exec.Memory;

/// <summary>
/// A file of the host's, as address spaces map it: its pages are the host's page cache, mapped into the machine's physical memory, so
/// that loads and stores of programs, and read(2) and write(2) of anybody, see the same bytes.
/// </summary>
/// <remarks>
/// <para>One object stands for an inode, whoever has it open; it has a descriptor of its own. The host maps it readable, and writable
/// from the first time that somebody who may write asks for a shared mapping (<see cref="AllowStores"/>): a file that is open for
/// writing cannot be executed at the host.</para>
/// <para>The file's size is the host's. Whoever shortens it through this process calls <see cref="WindowFile.FollowSize"/> afterwards;
/// where another process of the host's does, accesses to what is gone fail by the host's own answer.</para>
/// <para>Nothing is written back from here: the host knows which pages are dirty.</para>
/// </remarks>
internal sealed class HostFile : WindowFile
{
    private readonly HostWindow _window;
    private readonly HostFiles _files;
    private int _descriptor;
    private bool _storable;

    /// <summary>Makes the object.</summary>
    /// <param name="files">Where it stands among the host's files.</param>
    /// <param name="window">Where its pages will be.</param>
    /// <param name="descriptor">A descriptor of the host's that may read the file; the object's own from now on.</param>
    /// <param name="name">Its path, for reports.</param>
    /// <param name="stat">What fstat says of it.</param>
    internal HostFile(HostFiles files, HostWindow window, int descriptor, string name, in HostStat stat)
        : base(window.Memory, name, Math.Clamp(stat.Size, 0, MaxSize), ShiftFor(stat.Size))
    {
        _files = files;
        _window = window;
        _descriptor = descriptor;
        Identity = (stat.Device, stat.Inode);
    }

    /// <summary>The device and inode numbers.</summary>
    internal (ulong Device, ulong Inode) Identity { get; }

    /// <summary>From now on stores are possible: the host maps the file anew where it is mapped, by a descriptor that may write.</summary>
    /// <param name="descriptor">A descriptor of the host's for reading and writing; it stays the caller's.</param>
    /// <returns>0, or the host's negative error.</returns>
    internal long AllowStores(int descriptor)
    {
        long result = 0;
        WithPieces(() =>
        {
            if (_storable)
            {
                return;
            }

            result = Host.Duplicate(descriptor);
            if (result < 0)
            {
                return;
            }

            Host.Close(_descriptor);
            _descriptor = (int)result;
            _storable = true;
            result = 0;
            foreach (var (piece, place) in Pieces)
            {
                result = Math.Min(result, Map(piece, place));
            }
        });
        return result;
    }

    /// <summary>Has the host write a range back to its storage, and waits for it (msync, MS_SYNC).</summary>
    /// <returns>0, or the host's negative error.</returns>
    internal long WriteBackFromHost(long offset, long length)
    {
        const int Sync = 4;
        foreach (var (piece, place) in Pieces)
        {
            long first = piece << PieceShift;
            long start = Math.Max(offset, first);
            long end = Math.Min(offset + length, first + (1L << PieceShift));
            if (start < end)
            {
                long result = Host.Call(CallNumber.Msync, _window.HostAddress(place) + (nint)(start - first), end - start, Sync);
                if (result < 0)
                {
                    return result;
                }
            }
        }

        return 0;
    }

    /// <inheritdoc/>
    protected override long MakePiece(long piece)
    {
        long place = _window.Take(PieceShift);
        if (place >= 0 && Map(piece, place) < 0)
        {
            _window.Return(place, PieceShift);
            return -1;
        }

        return place;
    }

    /// <inheritdoc/>
    protected override long ReadSize() => Host.Stat(_descriptor, out var stat) == 0 ? stat.Size : Size;

    /// <inheritdoc/>
    protected override void ReleasePieces(bool withMachine)
    {
        if (!withMachine)
        {
            _files.Remove(this);
            foreach (var (_, place) in Pieces)
            {
                _window.Return(place, PieceShift);
            }
        }

        Host.Close(_descriptor);
    }

    // Small files in small pieces; a large one in as few mappings of the host as there are GiB.
    private static int ShiftFor(long size)
    {
        int shift = HostWindow.LeastShift;
        while (shift < HostWindow.MostShift && 1L << shift < size)
        {
            shift++;
        }

        return shift;
    }

    private long Map(long piece, long place)
    {
        long result = Host.Call(
            CallNumber.Mmap, _window.HostAddress(place), 1L << PieceShift,
            Host.ProtectRead | (_storable ? Host.ProtectWrite : 0), Host.MapShared | Host.MapFixed, _descriptor, piece << PieceShift);
        return Math.Min(result, 0);
    }
}
