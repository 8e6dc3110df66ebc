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
/// <param name="Outsiders">Processes with tables of their own.</param>
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
    /// <summary>Process and GiB of the object, for each part that the process has in a shared table; for the picture.</summary>
    [JsonIgnore]
    public IReadOnlySet<(int Pid, long Cell)> SharedCells { get; init; } = new HashSet<(int, long)>();
}
