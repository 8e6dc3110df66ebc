using System.Runtime.InteropServices;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Native;

/// <summary>
/// Measures what fork costs for private memory, by forking this program a few times with more and with less of it. The child
/// ends at once: it takes no lock, allocates nothing and runs no code but the call that ends it.
/// </summary>
/// <remarks>
/// Pages are written anew before each fork that is timed, as a program's are between two of them: a page that was not written
/// since the last fork costs a third (it need not be write-protected, nor given up as the process's own).
/// Time is the thread's own on a processor, so that who else uses it does not count.
/// </remarks>
internal static unsafe partial class ForkMeter
{
    private const nuint Sparse = 256 << 20; // of which one page in each window is used: 1 MiB with its tables
    private const nuint Dense = 32 << 20;
    private const nuint Window = 2 << 20;
    private const nuint Page = 4096;
    private const int Runs = 3;
    private const int ReadWrite = 3; // PROT_READ | PROT_WRITE
    private const int PrivateMemory = 0x22; // MAP_PRIVATE | MAP_ANONYMOUS
    private const int NoHugePages = 15; // MADV_NOHUGEPAGE
    private const int Populate = 23; // MADV_POPULATE_WRITE (Linux 5.14)
    private const int ThreadTime = 3; // CLOCK_THREAD_CPUTIME_ID

    /// <summary>The rate, from the quickest of a few forks of each kind; null if memory or processes cannot be had.</summary>
    public static ForkRate? Measure()
    {
        var (none, tables, pages) = (double.MaxValue, double.MaxValue, double.MaxValue);
        for (var run = 0; run < Runs; run++)
        {
            if (!TryMeasure(ref none, ref tables, ref pages))
            {
                return null;
            }
        }

        // A window of the sparse part is a table and a page, one of the dense part a table and 512.
        var sparseWindow = Math.Max(0, tables - none) / (Sparse / Window);
        var denseWindow = Math.Max(0, pages - tables) / (Dense / Window);
        var perPage = Math.Max(0, (denseWindow - sparseWindow) / ((Window / Page) - 1));
        return new ForkRate(Math.Max(0, sparseWindow - perPage), perPage);
    }

    /// <summary>Forks without memory of its own, with tables alone, and with pages; keeps the quickest.</summary>
    private static bool TryMeasure(ref double none, ref double tables, ref double pages)
    {
        // One window more, so that both parts begin at a border: the tables counted are their own.
        var memory = (byte*)Map(null, Sparse + Dense + Window, ReadWrite, PrivateMemory, -1, 0);
        if (memory == (byte*)-1)
        {
            return false;
        }

        try
        {
            var sparse = (byte*)(((nuint)memory + Window - 1) & ~(Window - 1));
            var dense = sparse + Sparse;
            _ = Advise(memory, Sparse + Dense + Window, NoHugePages);
            _ = Fork(out _); // what the program itself has written since it began costs most at the first
            var isDone = Fork(out var nanoseconds);
            none = Math.Min(none, nanoseconds);
            Write(sparse, Sparse, Window);
            isDone &= Fork(out nanoseconds);
            tables = Math.Min(tables, nanoseconds);
            if (Advise(dense, Dense, Populate) != 0)
            {
                Write(dense, Dense, Page);
            }

            isDone &= Fork(out nanoseconds);
            pages = Math.Min(pages, nanoseconds);
            return isDone;
        }
        finally
        {
            _ = Unmap(memory, Sparse + Dense + Window);
        }
    }

    private static void Write(byte* start, nuint size, nuint every)
    {
        for (nuint at = 0; at < size; at += every)
        {
            Volatile.Write(ref start[at], 1);
        }
    }

    /// <summary>Forks once; the nanoseconds are those of the call.</summary>
    private static bool Fork(out long nanoseconds)
    {
        TimeSpec before, after;
        _ = GetTime(ThreadTime, &before);
        var child = Fork();
        if (child == 0)
        {
            Exit(0);
        }

        _ = GetTime(ThreadTime, &after);
        nanoseconds = ((after.Seconds - before.Seconds) * 1_000_000_000) + after.Nanoseconds - before.Nanoseconds;
        int status;
        return child > 0 && Wait(child, &status, 0) == child;
    }

    // Plain calls, without a transition of the garbage collector: in the child the threads that it may wait for do not exist.
    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "fork")]
    private static partial int Fork();

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void Exit(int code);

    [SuppressGCTransition]
    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, TimeSpec* time);

    [LibraryImport("libc", EntryPoint = "waitpid")]
    private static partial int Wait(int child, int* status, int options);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial void* Map(void* address, nuint size, int rights, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* address, nuint size);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* address, nuint size, int advice);
}
