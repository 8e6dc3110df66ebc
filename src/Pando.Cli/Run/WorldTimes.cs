namespace Pando.Cli.Run;

/// <summary>How long a world took to build.</summary>
/// <param name="First">The first process: map and fault in everything.</param>
/// <param name="Others">All other processes.</param>
/// <param name="Attaches">Slots that were pointed at the file's tables meanwhile, by the others.</param>
internal readonly record struct WorldTimes(TimeSpan First, TimeSpan Others, long Attaches)
{
    // Below so many attaches for each process its time says little of them: making the process takes the most of it.
    private const int TellingAttaches = 512;

    public TimeSpan Build => First + Others;

    /// <summary>Wall time for each of the other processes; null where there were none.</summary>
    public double? MicrosecondsPerProcess(int others) => others == 0 ? null : Others.TotalMicroseconds / others;

    /// <summary>Wall time of the others for each attach; null where they had few.</summary>
    public double? NanosecondsPerAttach(int others) => Attaches < (long)TellingAttaches * Math.Max(1, others) ? null : Others.TotalNanoseconds / Attaches;
}
