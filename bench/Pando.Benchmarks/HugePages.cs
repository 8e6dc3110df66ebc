using System.Globalization;

namespace Pando.Benchmarks;

/// <summary>Huge pages of 2 MiB, reserved while this lives and given back at its end, also where the command is interrupted.</summary>
internal sealed class HugePages : IDisposable
{
    private const string Setting = "/proc/sys/vm/nr_hugepages";

    private readonly long _before;
    private readonly ConsoleCancelEventHandler _interrupted;
    private readonly EventHandler _ended;
    private int _given;

    private HugePages(long before, int wanted)
    {
        _before = before;
        _interrupted = (_, _) => GiveBack();
        _ended = (_, _) => GiveBack();
        Console.CancelKeyPress += _interrupted;
        AppDomain.CurrentDomain.ProcessExit += _ended;
        _given = 1;
        Write(before + wanted);
        Given = Read() - before;
        AreThere = Given >= wanted;
    }

    internal long Given { get; }

    internal bool AreThere { get; }

    internal static HugePages Reserve(int pages) => new(Read(), pages);

    public void Dispose()
    {
        GiveBack();
        Console.CancelKeyPress -= _interrupted;
        AppDomain.CurrentDomain.ProcessExit -= _ended;
    }

    private static long Read() => long.Parse(File.ReadAllText(Setting), CultureInfo.InvariantCulture);

    private static void Write(long pages)
    {
        try
        {
            File.WriteAllText(Setting, pages.ToString(CultureInfo.InvariantCulture));
        }
        catch (UnauthorizedAccessException)
        {
            // Then none are there, which the caller reports.
        }
    }

    private void GiveBack()
    {
        if (Interlocked.Exchange(ref _given, 0) != 0)
        {
            Write(_before);
        }
    }
}
