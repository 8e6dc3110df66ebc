using System.Text.Json.Serialization;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Report;

/// <summary>
/// The page tables of one mapped object. All sizes in bytes; <c>TableBytes</c> = <c>NeededOnce</c> + <c>Duplicate</c>
/// + <c>Empty</c>.
/// </summary>
/// <param name="Number">Number in the snapshot.</param>
/// <param name="Name">Path, or what stands for it.</param>
/// <param name="Kind">Kind of object.</param>
/// <param name="Device">Device, "major:minor" in hexadecimal.</param>
/// <param name="Inode">Inode; for System V segments the id.</param>
/// <param name="Processes">Processes that map it.</param>
/// <param name="MappedBytes">Bytes of the object that some process maps.</param>
/// <param name="PageSizes">Page sizes in use: size to bytes of address space in populated windows, over all processes.</param>
/// <param name="TableBytes">Page tables charged to it; a table that several processes share counts once.</param>
/// <param name="Live">Tables with entries, by level.</param>
/// <param name="NeededOnce">What one set of tables would take.</param>
/// <param name="Duplicate">Further tables for the same parts of the object, in other processes.</param>
/// <param name="Empty">Tables without entries: the best guess where they are.</param>
/// <param name="EmptyLow">The least that it can be.</param>
/// <param name="EmptyHigh">The most that it can be.</param>
/// <param name="SharedSaved">Bytes that the kernel saves already by sharing tables (VmPTE counts them all the same).</param>
/// <param name="ErrorBytes">By how much <paramref name="TableBytes"/>, <paramref name="NeededOnce"/> and <paramref name="Duplicate"/> may be wrong because not every process was read to the page, with the
/// machine's confidence.</param>
/// <param name="Sharing">For hugetlb: are PMD tables shared.</param>
/// <param name="Dax">For DAX: page sizes and why.</param>
/// <param name="Cures">What would help.</param>
public sealed record ObjectReport(
    int Number,
    string Name,
    ObjectKind Kind,
    string Device,
    ulong Inode,
    int Processes,
    long MappedBytes,
    IReadOnlyDictionary<string, long> PageSizes,
    long TableBytes,
    TablesByLevel Live,
    long NeededOnce,
    long Duplicate,
    long Empty,
    long EmptyLow,
    long EmptyHigh,
    long SharedSaved,
    long ErrorBytes,
    HugetlbSharing? Sharing,
    DaxPages? Dax,
    IReadOnlyList<Cure> Cures)
{
    /// <summary>The name for people: without the kernel's "(deleted)" where that only says that there never was a path,
    /// and with device and inode where several objects have the same name.</summary>
    public string Label { get; init; } = Name;

    /// <summary>What tells objects of the same device and inode apart: an IPC namespace; empty as a rule.</summary>
    public string Scope { get; init; } = "";

    /// <summary>"DEVICE:INODE", and "@SCOPE" where there is one: what <c>--object</c> takes.</summary>
    [JsonIgnore]
    public string Place => Scope.Length > 0 ? $"{Device}:{Inode}@{Scope}" : $"{Device}:{Inode}";

    /// <summary>Bytes of memory (or swap) that are allocated to it: for shared memory and huge pages what the file has, for
    /// private memory what its processes have. Null where it is not known: files in the page cache, DAX.</summary>
    public long? ResidentBytes { get; init; }

    /// <summary>Bytes of its pieces of 2 MiB in which somebody has an entry: what it would take in huge pages where only these
    /// are backed. Of processes that were read to the page.</summary>
    public long TouchedBytes { get; init; }

    /// <summary>Huge pages of 2 MiB that all that is mapped of it takes: what hugetlb reserves.</summary>
    public long HugePages { get; init; }
}
