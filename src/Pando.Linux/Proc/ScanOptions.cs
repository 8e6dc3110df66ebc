namespace Pando.Linux.Proc;

/// <summary>How to read a machine.</summary>
public sealed record ScanOptions
{
    /// <summary>Read every process to the page, instead of representatives and samples of like processes.</summary>
    public bool Exact { get; init; }

    /// <summary>Stop reading at about half of this time, whatever is left unread (<see cref="Analysis.ReportOptions.HasTime"/> bounds the rest); null = no bound.</summary>
    public TimeSpan? Budget { get; init; }

    /// <summary>A process that is read to the page whatever its class.</summary>
    public int? Pid { get; init; }

    /// <summary>Read of like processes no more than the least sample: for questions about one process, to which the bound of sums is nothing.</summary>
    internal bool IsLeastSample { get; init; }

    /// <summary>Without a budget: for what is read beyond the least sample, to narrow the bound.</summary>
    internal TimeSpan MostSampleTime { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Where procfs is mounted.</summary>
    public string Proc { get; init; } = "/proc";

    /// <summary>Where sysfs is mounted.</summary>
    public string Sys { get; init; } = "/sys";

    /// <summary>The root of the file system in which Docker, podman and the kubelet keep the names of containers.</summary>
    public string Root { get; init; } = "/";

    /// <summary>
    /// A command (program and arguments) that calls <see cref="Proc.FileAsker.Serve"/> on its standard input and output: it is started
    /// when files must be asked about whose file system may not answer. Empty: nobody is asked about these.
    /// </summary>
    public IReadOnlyList<string> FileAsker { get; init; } = [];

    /// <summary>Measure what fork costs here, by forking this program a few times (some 20 ms).</summary>
    public bool MeasuresFork { get; init; }

    /// <summary>Read pagemap entry by entry although the kernel knows PAGEMAP_SCAN: the way of kernels before 6.7.</summary>
    public bool PlainPagemap { get; init; }
}
