using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Pando.Hardware;

/// <summary>
/// A reserved region of native memory that the operating system commits page by page as it is touched, or a mapped
/// file. Untouched pages read as zero and cost nothing.
/// </summary>
internal sealed unsafe partial class NativeRegion : IDisposable
{
    private const int ProtReadWrite = 3;
    private const int MapShared = 0x01;
    private const int MapPrivate = 0x02;
    private const int MapAnonymous = 0x20;
    private const int MapNoReserve = 0x4000;

    private const int DontNeed = 4;
    private const int Remove = 9;

    // Below, filling with zeroes costs less than giving the pages back and having them again.
    private const long LeastToGiveBack = 64 << 10;

    private readonly bool _isFile;
    private byte* _base;

    private NativeRegion(byte* address, long length, bool isFile)
    {
        _base = address;
        Length = length;
        _isFile = isFile;
    }

    /// <summary>The first byte.</summary>
    public byte* Base => _base;

    /// <summary>Bytes reserved.</summary>
    public long Length { get; }

    /// <summary>Reserves <paramref name="length"/> bytes, committed as they are touched.</summary>
    /// <exception cref="InsufficientMemoryException">The system does not give that much address space.</exception>
    public static NativeRegion Reserve(long length) =>
        Map(length, MapPrivate | MapAnonymous | MapNoReserve, -1, $"{length:N0} bytes of address space");

    /// <summary>Maps the first <paramref name="length"/> bytes of an open file, shared: stores reach the file.</summary>
    public static NativeRegion MapFile(SafeFileHandle file, long length, string name) =>
        Map(length, MapShared | MapNoReserve, (int)file.DangerousGetHandle(), $"{length:N0} bytes of '{name}'");

    /// <summary>Asks the system to write a mapped file's range to storage, and waits for it (msync, MS_SYNC).</summary>
    public void Sync(long offset, long length)
    {
        long start = offset & -(long)Environment.SystemPageSize;
        if (MSync(_base + start, (nuint)(length + (offset - start)), 4) != 0)
        {
            throw new IOException($"msync failed: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    /// <summary>Gives the pages of a range back to the system; an anonymous region reads as zero there afterwards.</summary>
    public void Discard(long offset, long length) => _ = MAdvise(_base + offset, (nuint)length, DontNeed);

    /// <summary>
    /// Fills whole pages with zeroes. Where there are many, they are given back to the system instead, or punched out of the
    /// file; so the time goes by the pages that are there, and those that were never touched stay so.
    /// </summary>
    public void Clear(long offset, long length)
    {
        if (length < LeastToGiveBack || MAdvise(_base + offset, (nuint)length, _isFile ? Remove : DontNeed) != 0)
        {
            NativeMemory.Clear(_base + offset, (nuint)length);
        }
    }

    public void Dispose()
    {
        if (_base != null)
        {
            _ = MUnmap(_base, (nuint)Length);
            _base = null;
        }

        GC.SuppressFinalize(this);
    }

    ~NativeRegion() => Dispose();

    private static NativeRegion Map(long length, int flags, int descriptor, string what)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        void* address = MMap(null, (nuint)length, ProtReadWrite, flags, descriptor, 0);
        if ((nint)address == -1)
        {
            throw new InsufficientMemoryException($"Cannot map {what}: {Marshal.GetLastPInvokeErrorMessage()}.");
        }

        return new NativeRegion((byte*)address, length, descriptor >= 0);
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial void* MMap(void* address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int MUnmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "msync", SetLastError = true)]
    private static partial int MSync(void* address, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int MAdvise(void* address, nuint length, int advice);
}
