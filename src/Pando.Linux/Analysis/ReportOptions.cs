namespace Pando.Linux.Analysis;

/// <summary>What to report of a snapshot.</summary>
public sealed record ReportOptions
{
    /// <summary>Compute everything at this number of processes too.</summary>
    public int? At { get; init; }

    /// <summary>Only objects that this process maps.</summary>
    public int? Pid { get; init; }

    /// <summary>Only objects whose name contains this, or whose "device:inode" is this.</summary>
    public string? ObjectName { get; init; }

    /// <summary>Only processes of this cgroup and those below it.</summary>
    public string? Cgroup { get; init; }

    /// <summary>False once the time is over: what is not worked out by then is left out, the objects and processes with the fewest page tables first, and a note
    /// says so. Null: it takes the time it takes, and the same snapshot gives the same report.</summary>
    public Func<bool>? HasTime { get; init; }
}
