namespace Pando.Cli.Run;

/// <summary>How long a world took to build.</summary>
/// <param name="First">The first process: map and fault in everything.</param>
/// <param name="Others">All other processes.</param>
/// <param name="Attaches">Slots that were pointed at the file's tables meanwhile, by the others.</param>
internal readonly record struct WorldTimes(TimeSpan First, TimeSpan Others, long Attaches)
{
    public TimeSpan Build => First + Others;

    /// <summary>Wall time of the others for each attach; null where there were none.</summary>
    public double? NanosecondsPerAttach => Attaches == 0 ? null : Others.TotalNanoseconds / Attaches;
}
