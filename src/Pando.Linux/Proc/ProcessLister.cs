using System.Globalization;
using System.Text;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// Finds the address spaces of the machine, and reads status, cgroup and maps of each. An address space counts once,
/// whoever is in it: of a process whose first thread has ended, another thread shows it; of processes that share one, the first stands
/// for all.
/// </summary>
internal sealed class ProcessLister(ScanOptions options, PatientReader reader, ObjectTable objects)
{
    // Parts of the time budget at whose end no more is read.
    private const double StatusPart = 0.2;
    private const double MapsPart = 0.36;

    // Whatever the budget: a report without any process helps nobody.
    private static readonly TimeSpan LeastStatusTime = TimeSpan.FromSeconds(0.2);

    private readonly FileContents _file = new();
    private int _ofKernel;

    /// <summary>How many processes were not looked at for want of time.</summary>
    public int LeftUnseen { get; private set; }

    /// <summary>Processes whose maps were not read for want of time.</summary>
    public IReadOnlySet<int> Late { get; private set; } = new HashSet<int>();

    /// <summary>Why there are processes that this procfs does not show; null if it shows all.</summary>
    public string? Unseen { get; private set; }

    /// <summary>Reads all, in order of their numbers, and notes what cannot be seen.</summary>
    public ProcessFacts[] Read(List<string> notes)
    {
        if (!Directory.Exists(options.Proc))
        {
            throw new SnapshotException($"{options.Proc} does not exist: pando scan needs procfs mounted there.");
        }

        var numbers = Numbers(options.Proc);
        var found = new List<ProcessFacts>();
        reader.Time.Until(StatusPart, LeastStatusTime);
        // Status needs no lock: also that of a process which holds a thread of this program is read.
        LeftUnseen = reader.ForEach(numbers, Environment.ProcessorCount, pid => -pid, "its status", (pid, file) => Read(pid, file), (_, seen) =>
        {
            _ofKernel += seen.IsOfKernel ? 1 : 0;
            if (seen.Process is { } process)
            {
                found.Add(process);
            }
        });

        // Those with the most page tables first: if time runs out, little is left.
        ProcessFacts[] all = [.. found.OrderByDescending(p => options.Pid == p.Pid).ThenByDescending(p => p.TableBytes).ThenBy(p => p.Pid)];
        var ended = new HashSet<int>();
        reader.Time.Until(MapsPart);
        var late = new HashSet<int>(all.Select(p => p.Pid));
        reader.ForEach([.. Enumerable.Range(0, all.Length)], Environment.ProcessorCount, i => all[i].Pid, "its memory map", (i, file) => Maps(all[i], file), (i, read) =>
        {
            late.Remove(all[i].Pid);
            all[i] = all[i] with { Mappings = read.Mappings };
            if (read.HasEnded)
            {
                ended.Add(all[i].Pid);
            }
        });
        late.ExceptWith(reader.Stuck.Keys);
        Late = late;
        all = [.. all.Where(p => !ended.Contains(p.Pid)).Select(p => reader.Stuck.ContainsKey(p.Pid) ? p with { StuckState = StateOf(p) } : p).OrderBy(p => p.Pid)];
        NoteUnseen(all.Length, notes);
        NoteLate(LeftUnseen, numbers.Length, notes);
        if (IsOwnNamespace())
        {
            // One question for all, under a number that no process has.
            reader.ForEach([all], 1, _ => 0, "its address space", (processes, file) => AddressSpaces.Join(processes, file.Heart), (_, joined) => all = joined);
        }

        return all;
    }

    private string StateOf(ProcessFacts process) => StatusParser.Parse(_file.Read(string.Create(CultureInfo.InvariantCulture, $"{options.Proc}/{process.Pid}/status"), out _)).State;

    private void NoteLate(int unseen, int all, List<string> notes)
    {
        if (unseen > 0)
        {
            Unseen = Unseen is null ? "time budget" : $"{Unseen}, time budget";
            notes.Add($"The time budget ran out before {unseen} of {all} processes were looked at: sums are of the others. Give more by --budget.");
        }

        if (Late.Count > 0)
        {
            notes.Add($"The time budget ran out before the maps of {Late.Count} processes were read, those with the fewest page tables: their VmPTE counts, but not whose tables they are.");
        }
    }

    /// <summary>Names of a directory that are numbers of processes.</summary>
    private static int[] Numbers(string directory) =>
        [.. Directory.EnumerateDirectories(directory)
            .Select(d => int.TryParse(Path.GetFileName(d.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
            .Where(pid => pid > 0)];

    /// <summary>Status and cgroup, which need no lock of the process's.</summary>
    private (ProcessFacts? Process, bool IsOfKernel) Read(int pid, FileContents file)
    {
        var directory = string.Create(CultureInfo.InvariantCulture, $"{options.Proc}/{pid}");
        var status = StatusParser.Parse(file.Read(directory + "/status", out var error));
        if (error != 0)
        {
            return (null, false); // ended
        }

        var thread = 0;
        if (status.MayHaveLeftThreads && TryFindThread(directory, pid, file, out thread, out var left))
        {
            status = left with { Name = status.Name };
        }

        if (status.TableBytes is not { } tables)
        {
            return (null, status.IsOfKernel); // or a zombie
        }

        var (cgroup, others) = CgroupReader.PathsOf(file.Read(directory + "/cgroup", out _));
        var process = new ProcessFacts(pid, status.Name, status.User, cgroup, tables, status.HugetlbBytes, status.ResidentBytes, null, OtherCgroups: others, Thread: thread, AnonymousBytes: status.AnonymousBytes);
        return (process, false);
    }

    private (IReadOnlyList<MappingFacts>? Mappings, bool HasEnded) Maps(ProcessFacts process, FileContents file)
    {
        var mappings = MapsParser.Read(file, string.Create(CultureInfo.InvariantCulture, $"{options.Proc}/{process.Reader}/maps"), objects, out var lines, out var error);
        return error is LibC.NoSuchFile or LibC.NoSuchProcess || (error == 0 && lines == 0) ? (null, true) : (mappings, false);
    }

    /// <summary>A thread that has the address space which the first one has left.</summary>
    private static bool TryFindThread(string directory, int pid, FileContents file, out int thread, out ProcessStatus status)
    {
        try
        {
            foreach (var number in Numbers(directory + "/task"))
            {
                status = StatusParser.Parse(file.Read(string.Create(CultureInfo.InvariantCulture, $"{directory}/task/{number}/status"), out _));
                if (number != pid && status.TableBytes is not null)
                {
                    thread = number;
                    return true;
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended.
        }

        (thread, status) = (0, default);
        return false;
    }

    /// <summary>True if numbers of processes mean the same to the kernel as in this procfs.</summary>
    private bool IsOwnNamespace()
    {
        try
        {
            return new FileInfo(Path.Combine(options.Proc, "self")).LinkTarget == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private void NoteUnseen(int visible, List<string> notes)
    {
        // Members of the mount's gid= group see all, and so does root: process 1 is somebody else's for everyone else.
        var mayReadFirst = !_file.Read(Path.Combine(options.Proc, "1/status"), out _).IsEmpty;
        if (HidingOption() is { } hiding && !mayReadFirst)
        {
            Unseen = hiding;
            notes.Add($"{options.Proc} is mounted with {hiding}: other users' processes cannot be seen at all, so sums are of {visible} visible processes. Run as root, or as a member of the gid= group of the mount.");
        }
        else if (mayReadFirst && _ofKernel == 0)
        {
            // The kernel's threads are in the first PID namespace, and in no other.
            Unseen = "PID namespace";
            notes.Add($"{options.Proc} shows one PID namespace (a container's): processes of the machine outside it cannot be seen at all, so sums are of {visible} visible processes, while PageTables is the whole machine's. Run on the host, or in its PID namespace (docker run --pid=host, hostPID: true).");
        }
    }

    private string? HidingOption()
    {
        var mounts = Encoding.UTF8.GetString(_file.Read(Path.Combine(options.Proc, "self/mounts"), out _));
        return mounts.Split('\n').Select(l => l.Split(' '))
            .Where(w => w.Length > 3 && w[2] == "proc" && w[1] == options.Proc)
            .Select(w => w[3].Split(',').FirstOrDefault(o => o.StartsWith("hidepid=", StringComparison.Ordinal)))
            .LastOrDefault(o => o is not (null or "hidepid=0" or "hidepid=off"));
    }
}
