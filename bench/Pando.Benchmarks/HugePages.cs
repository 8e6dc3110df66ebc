using System.Globalization;
using System.Runtime.InteropServices;

namespace Pando.Benchmarks;

/// <summary>Huge pages of 2 MiB, reserved while this lives and given back at its end, also where the command is interrupted.</summary>
internal sealed class HugePages : IDisposable
{
    private const string Setting = "/proc/sys/vm/nr_hugepages";

    private readonly long _before;
    private readonly PosixSignalRegistration[] _signals;
    private int _given;

    private HugePages(long before, int wanted)
    {
        _before = before;
        _given = 1;

        // Since .NET 10 the runtime ends at SIGTERM without telling anybody.
        _signals = Array.ConvertAll(
            (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP],
            signal => PosixSignalRegistration.Create(signal, _ => GiveBack()));
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
        Array.ForEach(_signals, static signal => signal.Dispose());
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
