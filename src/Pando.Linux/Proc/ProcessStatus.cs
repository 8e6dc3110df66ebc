namespace Pando.Linux.Proc;

/// <summary>The lines of /proc/PID/status that matter here; sizes in bytes. <c>TableBytes</c> (VmPTE) is null for
/// kernel threads and zombies, which have no page tables of their own; <c>State</c> is the letter of the first thread's
/// state (D: waits in the kernel and cannot be killed);
/// <c>Threads</c> counts the first one until it is waited for, ended or not.</summary>
public readonly record struct ProcessStatus(string Name, int User, long? TableBytes, long HugetlbBytes, long ResidentBytes, string State, int Threads)
{
    /// <summary>True where threads may go on in an address space that the first one has left: pthread_exit of main.</summary>
    public bool MayHaveLeftThreads => TableBytes is null && Threads > 1;

    /// <summary>True for a thread of the kernel: it has no address space, and no end either (Z and X are ended).</summary>
    public bool IsOfKernel => TableBytes is null && Threads == 1 && State is not ("Z" or "X" or "");

    /// <summary>RssAnon: resident private memory.</summary>
    public long AnonymousBytes { get; init; }

    /// <summary>PPid; 0 if it is not told.</summary>
    public int ParentPid { get; init; }

    /// <summary>CapEff: capabilities that hold now, a bit each.</summary>
    public ulong Capabilities { get; init; }

    /// <summary>True if THP_enabled says 0.</summary>
    public bool RefusesHugePages { get; init; }
}
