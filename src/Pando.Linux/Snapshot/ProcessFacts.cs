using System.Text.Json.Serialization;

namespace Pando.Linux.Snapshot;

/// <summary>What was read of one process.</summary>
/// <param name="Pid">Process id.</param>
/// <param name="Name">The kernel's name of it (comm).</param>
/// <param name="User">Effective user id.</param>
/// <param name="Cgroup">Its cgroup's path (v2, else v1 memory); empty if not readable.</param>
/// <param name="TableBytes">VmPTE of /proc/PID/status, in bytes: PTE, PMD and PUD tables, without the root.</param>
/// <param name="HugetlbBytes">HugetlbPages of status, in bytes.</param>
/// <param name="ResidentBytes">VmRSS of status, in bytes: what smaps would have to walk.</param>
/// <param name="Mappings">Its maps in order of address; null if not permitted, or if it is stuck.</param>
/// <param name="Populated">Which windows are populated; null if the process was not read to the page.</param>
/// <param name="Unread">Bytes of address space whose population could not be read (device memory).</param>
/// <param name="VmFlags">VmFlags of smaps by number of mapping, where they were needed.</param>
/// <param name="StuckState">Of a process that was given up because the kernel gave no answer about it: the letter of
/// its state (D as a rule). Null of all others.</param>
/// <param name="Thread">The thread through which its memory is read, where the first thread has ended and others run; 0 otherwise.</param>
/// <param name="SameSpace">Other processes that run in this one's address space (vfork, clone), which are not in the snapshot
/// themselves: an address space counts once.</param>
/// <param name="HugeRuns">Of a process that was not read to the page: addresses of its mappings of 2 MiB huge pages in which every GiB has
/// an entry; null if these were not looked at.</param>
/// <param name="OtherCgroups">Its cgroups in other hierarchies, where they differ from <paramref name="Cgroup"/>.</param>
/// <param name="Service">More about a well-known server; null for others.</param>
/// <param name="AnonymousBytes">RssAnon of status, in bytes: resident private memory.</param>
/// <param name="SampleRank">Of a process that was chosen at random among like ones to be read to the page: its place in the random order (without <paramref name="Populated"/>: it
/// could not be read). Null of all others: not chosen, or read whatever chance says.</param>
public sealed record ProcessFacts(
    int Pid,
    string Name,
    int User,
    string Cgroup,
    long TableBytes,
    long HugetlbBytes,
    long ResidentBytes,
    IReadOnlyList<MappingFacts>? Mappings,
    IReadOnlyList<PopulatedRun>? Populated = null,
    long Unread = 0,
    IReadOnlyDictionary<int, string>? VmFlags = null,
    string? StuckState = null,
    CgroupPaths? OtherCgroups = null,
    int Thread = 0,
    IReadOnlyList<int>? SameSpace = null,
    ServiceFacts? Service = null,
    long AnonymousBytes = 0,
    IReadOnlyList<PopulatedRun>? HugeRuns = null,
    int? SampleRank = null)
{
    /// <summary>The number below which /proc has its memory.</summary>
    [JsonIgnore]
    public int Reader => Thread == 0 ? Pid : Thread;

    /// <summary>True if this process, or one in its address space, has the number.</summary>
    public bool Has(int pid) => Pid == pid || SameSpace?.Contains(pid) == true;
}
