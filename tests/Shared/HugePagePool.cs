using System.Globalization;
using System.Runtime.InteropServices;

namespace Pando.Tests.Shared;

/// <summary>
/// Huge pages of 2 MiB, added to the machine's pool while this lives and taken out of it at its end, also where the program is
/// interrupted. One program at a time: others of this repository wait.
/// </summary>
internal sealed class HugePagePool : IDisposable
{
    private const string Setting = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
    private const string Surplus = "/sys/kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly FileStream _turn;
    private readonly PosixSignalRegistration[] _signals;
    private long _added;

    private HugePagePool(FileStream turn, long added)
    {
        _turn = turn;
        _added = added;

        // Since .NET 10 the runtime ends at SIGTERM without telling anybody.
        _signals = Array.ConvertAll(
            (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP],
            signal => PosixSignalRegistration.Create(signal, _ => GiveBack()));
    }

    /// <summary>Adds pages to the pool; null where that cannot be, with the reason.</summary>
    public static HugePagePool? TryAdd(int pages, out string whyNot)
    {
        if (!File.Exists(Setting))
        {
            whyNot = $"Skipped for want of {pages} huge pages of 2 MiB: the kernel has no pool of them.";
            return null;
        }

        // Before the turn: who cannot add has none to wait for.
        if (WhyNotWritable() is { } refused)
        {
            whyNot = $"Skipped for want of {pages} huge pages of 2 MiB: only root may add them to the machine's pool ({refused})";
            return null;
        }

        FileStream? turn = null;
        try
        {
            turn = WaitForTurn();
            // Pages that the one before has given back and that are still in use are surplus; a larger pool takes them in.
            long late = Read(Surplus);
            long before = Lasting();
            Write(before + late + pages);
            long got = Lasting() - before;
            if (got >= late + pages)
            {
                whyNot = "";
                return new HugePagePool(turn, got);
            }

            Write(before);
            whyNot = $"Skipped for want of {pages} huge pages of 2 MiB: the machine gave {Math.Max(0, got - late)}.";
        }
        catch (TimeoutException exception)
        {
            whyNot = $"Skipped for want of {pages} huge pages of 2 MiB: {exception.Message}";
        }

        turn?.Dispose();
        return null;
    }

    public void Dispose()
    {
        GiveBack();
        Array.ForEach(_signals, static signal => signal.Dispose());
        _turn.Dispose();
    }

    private static string? WhyNotWritable()
    {
        try
        {
            using var setting = new FileStream(Setting, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            return null;
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or IOException)
        {
            // IOException: in a container the file may stand in a file system that is mounted to be read only.
            return exception.Message;
        }
    }

    // The pool is the machine's: two who add at once would each take away what the other has added.
    private static FileStream WaitForTurn()
    {
        string path = Path.Combine(Path.GetTempPath(), "pando-huge-pages.lock");
        for (var until = DateTime.UtcNow + Patience; ; Thread.Sleep(50))
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (DateTime.UtcNow < until)
            {
                // Somebody else has it.
            }
            catch (UnauthorizedAccessException)
            {
                throw new TimeoutException($"{path} belongs to another user, so that turns cannot be taken; remove it.");
            }
            catch (IOException)
            {
                throw new TimeoutException($"Another program of this repository has had the huge pages for {Patience.TotalMinutes} minutes.");
            }
        }
    }

    // The kernel shows all pages in the place where it is told how many are to last (mm/hugetlb.c, nr_hugepages_show_common).
    private static long Lasting() => Read(Setting) - Read(Surplus);

    private static long Read(string file) => long.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture);

    private static void Write(long pages) => File.WriteAllText(Setting, pages.ToString(CultureInfo.InvariantCulture));

    private void GiveBack()
    {
        long added = Interlocked.Exchange(ref _added, 0);
        if (added != 0)
        {
            Write(Math.Max(0, Lasting() - added));
        }
    }
}
