using System.Globalization;
using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Proc;

/// <summary>
/// Reads a live machine into a snapshot. Tiered: status and maps of all processes; page-level reading of one
/// representative for each class of like processes, largest classes first, then of a sample for the spread.
/// Processes may end at any moment, or be stuck and never answer: what was read of them by then is dropped or kept,
/// never half of it.
/// </summary>
public sealed class MachineScanner
{
    // Walking smaps costs about 11 ns for each resident 4 KiB page; this much of it is spent on the flags of
    // hugetlb mappings unless everything is asked for.
    private const long MostSmapsBytes = 64L << 30;
    private const double SmapsBytesPerBudgetSecond = 32L << 30;

    // Parts of the time budget at whose end no more of a kind is read. The rest is for the cgroups, the analysis and the report.
    private const double ObjectsPart = 0.42;
    private const double PagesPart = 0.54;
    private const double HugePagesPart = 0.58;

    private const int MostStuckTold = 8;
    private const long SmallestService = 1L << 20;
    private const int MostServices = 64;

    // GiBs of huge pages of processes that are not read to the page, at about a microsecond each.
    private const long MostHugeGiBs = 1 << 20;

    private readonly ScanOptions _options;
    private readonly ObjectTable _objects = new();
    private readonly List<string> _notes = [];
    private readonly FileContents _file = new();

    private readonly PatientReader _reader;

    private MachineScanner(ScanOptions options) => (_options, _reader) = (options, new PatientReader(options));

    /// <summary>Reads the machine.</summary>
    public static MachineSnapshot Scan(ScanOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new MachineScanner(options).Scan();
    }

    private MachineSnapshot Scan()
    {
        var takenAt = DateTimeOffset.UtcNow;
        var machine = new MachineReader(_options).Read(_notes);
        _reader.Time.Begin();
        var list = new ProcessLister(_options, _reader, _objects);
        var processes = list.Read(_notes);
        _reader.Time.Until(ObjectsPart);
        using var asker = new FileAsker(_options.FileAsker, _reader.Patience, _reader.Time);
        var objects = new ObjectResolver(_options, _reader, asker, _objects, processes).Resolve(_notes);
        objects = new ObjectSizes(_options, _reader, asker).Read(objects, processes);
        new ServiceReader(_options, _reader, asker).Read(processes, _notes);
        _reader.Time.Until(PagesPart);
        ReadPages(processes, objects, machine);
        processes = [.. processes.Where(IsThere)];
        _reader.Time.Until(HugePagesPart);
        ReadHugePages(processes, objects);
        ReadFlags(processes, objects);
        var probes = new HugetlbProber(_options, _reader).Probe(objects, processes, _notes);
        MarkStuck(processes);
        NoteMissing(processes, objects, probes, list.Late);
        var cgroups = new CgroupReader(_options, [.. machine.Pools.Select(p => p.PageSize)]).Read(processes, _options.Budget, _notes);
        var exact = list.Late.Count == 0 && list.LeftUnseen == 0 && processes.All(p => p.Mappings is null || p.Populated is not null);
        return new MachineSnapshot(takenAt, _reader.Time.Elapsed.TotalSeconds, exact, machine, objects, processes, cgroups, probes, _notes, list.Unseen);
    }

    /// <summary>Reads processes to the page: those that are asked about or advised one by one, then some of each class at random.</summary>
    private void ReadPages(ProcessFacts[] processes, IReadOnlyList<ObjectFacts> objects, MachineFacts machine)
    {
        var useScan = !_options.PlainPagemap && KernelHasScan();
        var index = processes.Select((p, i) => (p.Pid, i)).ToDictionary(p => p.Pid, p => p.i);
        int chosen = 0, skipped = 0;
        var tried = new HashSet<int>();
        void Read(IEnumerable<(int Pid, int? Rank)> some)
        {
            var order = some.Select((o, place) => (o.Pid, o.Rank, Place: place)).ToList();
            var begun = 0;
            chosen += order.Count;
            skipped += _reader.ForEach(order, Environment.ProcessorCount, o => o.Pid, "its pages", (o, file) =>
            {
                Raise(ref begun, o.Place + 1);
                return ReadPages(processes[index[o.Pid]], objects, useScan, file);
            }, (o, read) =>
            {
                tried.Add(index[o.Pid]);
                processes[index[o.Pid]] = read is null ? processes[index[o.Pid]] : read with { SampleRank = o.Rank };
            });

            // Who was drawn and could not be read may differ from the others for just that reason: the bound counts with it.
            foreach (var (pid, rank, _) in order.Take(Volatile.Read(ref begun)).Where(o => processes[index[o.Pid]].Populated is null))
            {
                processes[index[pid]] = processes[index[pid]] with { SampleRank = rank };
            }
        }

        var readable = processes.Where(p => p.Mappings is not null).ToList();
        var isWhole = _options.Exact && _options.Budget is null;
        List<ProcessFacts> always = isWhole ? [.. readable.OrderByDescending(p => p.TableBytes)] : ReadAlways(processes);
        Read(always.Select(p => (p.Pid, (int?)null)));
        if (!isWhole)
        {
            ReadSample(new SamplePlan(readable, always.Select(p => p.Pid).ToHashSet(), new Random()), Read, () => new TableEstimate(
                new MachineSnapshot(default, 0, false, machine, objects, processes, [], [], []), () => !_reader.Time.IsOver));
        }

        if (skipped > 0)
        {
            _notes.Add(_options.Budget is null
                ? $"{skipped} of {chosen} chosen processes were not read to the page within {_options.MostSampleTime.TotalSeconds:0.#} s, so that the split is less sure than it could be: --budget SECONDS gives more time, --exact reads all."
                : $"The time budget ran out before {skipped} of {chosen} chosen processes were read to the page.");
        }

        var refused = tried.Count(i => processes[i].Populated is null && IsThere(processes[i]));
        if (refused > 0)
        {
            _notes.Add($"{refused} processes refused to be read to the page.");
        }

        if (!useScan)
        {
            _notes.Add("The kernel has no PAGEMAP_SCAN (Linux 6.7): pagemap was read entry by entry, which is slower; big inaccessible reserves were passed over. 2 MiB leaves of ordinary memory are known by their sum (smaps), those of DAX files by the kernel's rules and VmPTE.");
        }
    }

    private void ReadSample(SamplePlan plan, Action<IEnumerable<(int Pid, int? Rank)>> read, Func<TableEstimate> estimate)
    {
        void Read(IReadOnlyList<(int Pid, int Rank)> some) => read(some.Select(s => (s.Pid, (int?)s.Rank)));

        Read(plan.First());
        if (_options.IsLeastSample)
        {
            return;
        }

        if (_options.Budget is null)
        {
            _reader.Time.UntilAtMost(PagesPart, _options.MostSampleTime);
        }

        // With a budget the time is there to be used.
        Read(plan.More(all: _options.Budget is not null));
        if (plan.IsPartial && !_reader.Time.IsOver && estimate() is { Left: 0 } known)
        {
            Read(plan.Again(known.Bound)); // SampleBound.Looks counts this
        }
    }

    /// <summary>False for a process that has ended since its status was read: its tables are nobody's any more. One that is stuck is there.</summary>
    private bool IsThere(ProcessFacts process)
    {
        if (process.Populated is not null || process.StuckState is not null || _reader.Stuck.ContainsKey(process.Pid))
        {
            return true;
        }

        var status = string.Create(CultureInfo.InvariantCulture, $"{_options.Proc}/{process.Reader}/status");
        return process.SampleRank is null ? File.Exists(status) : StatusParser.Parse(_file.Read(status, out _)).TableBytes is not null;
    }

    private static void Raise(ref int place, int least)
    {
        for (var seen = Volatile.Read(ref place); seen < least; seen = Volatile.Read(ref place))
        {
            _ = Interlocked.CompareExchange(ref place, least, seen);
        }
    }

    /// <summary>Who is read whatever chance says.</summary>
    private List<ProcessFacts> ReadAlways(ProcessFacts[] processes)
    {
        var asked = processes.Where(p => _options.Pid is { } pid && p.Has(pid) && p.Mappings is not null);

        // Servers whose memory is their own are advised one by one: what a like process has tells nothing of them.
        var single = processes.Where(p => p.Mappings is not null && p.Service is { } s && p.TableBytes >= SmallestService && ServiceFinder.KindOf(p.Name, s.Executable) is ServiceKind.MySql or ServiceKind.Jvm or ServiceKind.Qemu)
            .OrderByDescending(p => p.TableBytes).Take(MostServices);
        return [.. asked.Concat(single).DistinctBy(p => p.Pid)];
    }

    private bool KernelHasScan()
    {
        using var own = PageMap.Open($"{_options.Proc}/self/pagemap", _file.Heart, out _);
        return own?.HasScan() ?? false;
    }

    private ProcessFacts? ReadPages(ProcessFacts process, IReadOnlyList<ObjectFacts> objects, bool useScan, FileContents file)
    {
        using var pageMap = PageMap.Open($"{_options.Proc}/{process.Reader}/pagemap", file.Heart, out _);
        if (pageMap is null)
        {
            return null;
        }

        var runs = new List<PopulatedRun>();
        var unread = 0L;
        for (var i = 0; i < process.Mappings!.Count; i++)
        {
            var mapping = process.Mappings[i];
            var facts = objects[mapping.ObjectNumber];

            // Reading the pagemap of a DAX device would split its 1 GiB leaves (the kernel's walk splits what it
            // looks below); the vsyscall page lies outside user space.
            if (facts.Kind == ObjectKind.DaxDevice || mapping.Start >= 1UL << 63 || (!useScan && PageMap.IsTooLongToRead(mapping)))
            {
                unread += (long)mapping.Length;
                continue;
            }

            var hugeLeaf = facts.HugePageSize >= 1UL << 30 ? 2 : facts.HugePageSize >= 2UL << 20 ? 1 : facts.Kind == ObjectKind.Hugetlb || !useScan ? 0 : 1;
            if (!pageMap.TryAddRuns(runs, i, mapping, hugeLeaf, useScan))
            {
                return null;
            }
        }

        var read = process with { Populated = runs, Unread = unread };
        return useScan ? read : new PlainLeaves(_options, objects, file).Of(read);
    }

    /// <summary>Finds for processes that were not read to the page in which GiBs they have huge pages: what is said of sharing is then counted for all. Chosen
    /// at random if there are too many GiBs for all.</summary>
    private void ReadHugePages(ProcessFacts[] processes, IReadOnlyList<ObjectFacts> objects)
    {
        if (_options.PlainPagemap || !KernelHasScan())
        {
            return;
        }

        bool IsHuge(in MappingFacts mapping) => objects[mapping.ObjectNumber] is { Kind: ObjectKind.Hugetlb, HugePageSize: 2 << 20 };
        var left = MostHugeGiBs;
        var chosen = new List<int>();
        var unread = Enumerable.Range(0, processes.Length).Where(i => processes[i] is { Populated: null, Mappings: { } mappings } && mappings.Any(m => IsHuge(m))).ToArray();
        new Random(unread.Length).Shuffle(unread);
        foreach (var i in unread)
        {
            left -= processes[i].Mappings!.Where(m => IsHuge(m)).Sum(m => (long)(m.Length >> 30) + 1);
            if (left >= 0)
            {
                chosen.Add(i);
            }
        }

        _reader.ForEach(chosen, Environment.ProcessorCount, i => processes[i].Pid, "its huge pages", (i, file) =>
        {
            using var pageMap = PageMap.Open($"{_options.Proc}/{processes[i].Reader}/pagemap", file.Heart, out _);
            var runs = new List<PopulatedRun>();
            for (var m = 0; m < processes[i].Mappings!.Count; m++)
            {
                var mapping = processes[i].Mappings![m];
                if (pageMap is null || (IsHuge(mapping) && !pageMap.TryAddGiBs(runs, m, mapping)))
                {
                    return null;
                }
            }

            return runs;
        }, (i, runs) => processes[i] = processes[i] with { HugeRuns = runs });
    }

    /// <summary>Reads the flags of hugetlb mappings: sharing of their tables hangs on them, and only smaps has them.</summary>
    private void ReadFlags(ProcessFacts[] processes, IReadOnlyList<ObjectFacts> objects)
    {
        // One call may walk a whole mapping, and no budget ends it: what a budget has time for is chosen before.
        var most = _options.Budget is { } budget ? (long)Math.Min(MostSmapsBytes, budget.TotalSeconds * SmapsBytesPerBudgetSecond) : MostSmapsBytes;
        var left = _options.Exact && _options.Budget is null ? long.MaxValue : most;
        var passed = 0;
        var chosen = new List<int>();
        for (var i = 0; i < processes.Length; i++)
        {
            var mappings = processes[i].Mappings;
            if (mappings is null || !mappings.Any(m => objects[m.ObjectNumber].Kind == ObjectKind.Hugetlb))
            {
                continue;
            }

            if (mappings.Any(m => objects[m.ObjectNumber].Kind == ObjectKind.DaxDevice))
            {
                continue; // writing smaps, too, splits a DAX device's 1 GiB leaves
            }

            left -= processes[i].ResidentBytes;
            if (left < 0)
            {
                passed++;
            }
            else
            {
                chosen.Add(i);
            }
        }

        passed += _reader.ForEach(chosen, 1, i => processes[i].Pid, "its flags", (i, file) => Flags(processes[i], objects, file), (i, flags) => processes[i] = processes[i] with { VmFlags = flags });

        if (passed > 0)
        {
            _notes.Add($"The flags of hugetlb mappings (smaps) of {passed} processes were not read; for these only the rights in maps count. --exact reads them.");
        }
    }

    private Dictionary<int, string> Flags(ProcessFacts process, IReadOnlyList<ObjectFacts> objects, FileContents file)
    {
        var entries = SmapsParser.ByStart(file, $"{_options.Proc}/{process.Reader}/smaps");
        var flags = new Dictionary<int, string>();
        for (var m = 0; m < process.Mappings!.Count; m++)
        {
            if (objects[process.Mappings[m].ObjectNumber].Kind == ObjectKind.Hugetlb && entries.TryGetValue(process.Mappings[m].Start, out var entry))
            {
                flags[m] = entry.VmFlags;
            }
        }

        return flags;
    }

    /// <summary>A process that was given up at any step is marked, and said once.</summary>
    private void MarkStuck(ProcessFacts[] processes)
    {
        var told = 0;
        var slow = 0;
        for (var i = 0; i < processes.Length; i++)
        {
            var process = processes[i];
            if (!_reader.Stuck.TryGetValue(process.Pid, out var what))
            {
                continue;
            }

            if (!_reader.IsBlockedAt(process.Pid))
            {
                // It has answered since: its memory map was being changed for long, or the machine was busy.
                slow++;
                processes[i] = process with { StuckState = null };
                continue;
            }

            var state = process.StuckState ?? StatusParser.Parse(_file.Read($"{_options.Proc}/{process.Pid}/status", out _)).State;
            if (state.Length == 0)
            {
                continue; // it ended, which takes long where there is much to free
            }

            process = process with { StuckState = state };
            processes[i] = process;
            told++;
            if (told <= MostStuckTold)
            {
                var tables = process.Mappings is null ? "not placed" : process.Populated is null ? "carried over from like processes, or not placed" : "placed";
                _notes.Add(string.Create(CultureInfo.InvariantCulture, $"stuck: {process.Pid} {process.Name} in state {process.StuckState}, {what} cannot be read (no answer from the kernel in {_reader.Patience.TotalSeconds:0.##} s): its VmPTE of {ByteText.Size(process.TableBytes)} counts, and is {tables}."));
            }
        }

        if (told > MostStuckTold)
        {
            _notes.Add($"{told - MostStuckTold} more processes are stuck like these.");
        }

        if (slow > 0)
        {
            _notes.Add(string.Create(CultureInfo.InvariantCulture, $"{slow} processes answered after more than {_reader.Patience.TotalSeconds:0.##} s, when nobody waited any more (they were changing their memory map): their VmPTE counts, but not all of it is placed."));
        }
    }

    private void NoteMissing(ProcessFacts[] processes, IReadOnlyList<ObjectFacts> objects, IReadOnlyList<HugetlbProbe> probes, IReadOnlySet<int> late)
    {
        var closed = processes.Count(p => p.Mappings is null && p.StuckState is null && !late.Contains(p.Pid) && !_reader.Stuck.ContainsKey(p.Pid));
        if (closed > 0)
        {
            _notes.Add($"The maps of {closed} of {processes.Length} processes may not be read by this user: their VmPTE counts, but not whose tables they are. {(LibC.EffectiveUser() == 0 ? "This root has no CAP_SYS_PTRACE over them." : "Run as root (or with CAP_SYS_PTRACE) to see all.")}");
        }

        if (objects.Any(o => o.Kind == ObjectKind.Hugetlb) && probes.Count > 0 && probes.All(p => p.Tables is null))
        {
            _notes.Add(!File.Exists(Path.Combine(_options.Proc, "kpagecount"))
                ? $"{_options.Proc}/kpagecount is not there (container, or kernel without CONFIG_PROC_PAGE_MONITOR): sharing of hugetlb tables is judged by the kernel's rules, not counted. Run on the host to count it."
                : "Frame numbers or kpagecount may not be read: sharing of hugetlb tables is judged by the kernel's rules, not counted. Run as root in the initial user namespace to count it.");
        }
    }
}
