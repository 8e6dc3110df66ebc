using System.Text.Json.Serialization;

namespace Pando.Linux.Report;

/// <summary>
/// Whether PMD tables of a hugetlb object are shared.
/// </summary>
/// <param name="Measured">True if kpagecount was read; false if the kernel's rules alone were applied.</param>
/// <param name="Processes">Processes that map the object.</param>
/// <param name="TablesIfPrivate">PMD tables as VmPTE counts them: once for each process.</param>
/// <param name="Tables">PMD tables that exist.</param>
/// <param name="SharingProcesses">Processes that share at least one table.</param>
/// <param name="Outsiders">Processes with tables of their own, or with some that fewer share than could.</param>
/// <param name="Remarks">Where rules and measurement differ.</param>
public sealed record HugetlbSharing(
    bool Measured,
    int Processes,
    long TablesIfPrivate,
    long Tables,
    int SharingProcesses,
    IReadOnlyList<Outsider> Outsiders,
    IReadOnlyList<string> Remarks)
{
    /// <summary>Processes whose own tables were looked at. Where these are fewer than all, the rest are taken to be as the like processes
    /// that were: the figures are of a sample.</summary>
    public int ProcessesCounted { get; init; }

    /// <summary>Tells whether a process has a GiB of the object in a table that it shares; for the picture.</summary>
    [JsonIgnore]
    public Func<int, long, bool> IsShared { get; init; } = (_, _) => false;
}
