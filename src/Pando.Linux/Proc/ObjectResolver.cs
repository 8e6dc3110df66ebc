using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// Finds out what mapped objects are, and which of them are one: the kernel is asked, the name in maps is for people. The file
/// system's type says hugetlb, tmpfs or a file; statx tells device nodes and DAX; a handle is the identity where
/// device and inode are not. In this process only file systems are asked that answer at once.
/// </summary>
internal sealed class ObjectResolver
{
    private const ulong SmallestDaxFile = 2UL << 20;

    // Below this an object has no table of its own, and no more is asked than its marks.
    private const ulong SmallestCompared = 2UL << 20;
    private const int MostSilentTold = 8;
    private const int MostAskedByPath = 4;

    private readonly ScanOptions _options;
    private readonly PatientReader _reader;
    private readonly IReadOnlyList<ObjectTable.Entry> _entries;
    private readonly ProcessFacts[] _processes;
    private readonly DeviceTypes _devices;
    private readonly FileAsker _asker;
    private readonly ConcurrentDictionary<(int Entry, string Place), Resolved> _resolved = new();
    private readonly Dictionary<(int Entry, int Pid), ObjectIdentity> _byFrames = [];
    private int _late;
    private readonly HashSet<int> _ambiguous = []; // entries of one device and inode under several names, where a server gives the inodes

    public ObjectResolver(ScanOptions options, PatientReader reader, FileAsker asker, ObjectTable table, ProcessFacts[] processes)
    {
        (_options, _reader, _asker, _processes, _entries) = (options, reader, asker, processes, table.Entries());
        _devices = new DeviceTypes(options, new FileContents());
    }

    /// <summary>Resolves all, and gives the mappings of the processes the numbers of what was found.</summary>
    public IReadOnlyList<ObjectFacts> Resolve(List<string> notes)
    {
        FindTypes();
        FindAmbiguous();
        Ask();
        CompareFrames();
        NoteSilent(notes);
        if (_late > 0)
        {
            notes.Add($"The time budget ran out before the files of {_late} processes were asked about: these are known by device and inode alone.");
        }

        NoteSegments(notes);
        return Number();
    }

    private static Resolved Plain(ObjectTable.Entry entry, ObjectKind kind, FileSystemType type) =>
        new(new ObjectIdentity(entry.Device, entry.Inode, ""), kind, type.PageSize, type.Name is FileSystemType.Memory ? "tmpfs" : type.Name);

    /// <summary>What a name tells of a file of the kernel's own tmpfs: there the kernel alone gives names, and a user's
    /// part of one comes after "memfd:" or "[anon_shmem:".</summary>
    private static ObjectKind KindOfMemory(string name) =>
        name.StartsWith("/memfd:", StringComparison.Ordinal) ? ObjectKind.Memfd
        : IsSystemV(name) ? ObjectKind.SystemV
        : name.StartsWith("/dev/zero", StringComparison.Ordinal) || name.StartsWith("[anon_shmem", StringComparison.Ordinal) ? ObjectKind.SharedAnonymous
        : ObjectKind.SharedMemory;

    private static bool IsSystemV(string name) => name.StartsWith("/SYSV", StringComparison.Ordinal);

    private string Link(ProcessFacts process, in MappingFacts mapping) =>
        string.Create(CultureInfo.InvariantCulture, $"{_options.Proc}/{process.Reader}/map_files/{mapping.Start:x}-{mapping.End:x}");

    /// <summary>Finds the type of every device: from this program's mounts, then from those of the processes that map
    /// what is not mounted here, then from the child.</summary>
    private void FindTypes()
    {
        bool IsMissing(in MappingFacts mapping) => _entries[mapping.ObjectNumber] is { HasFile: true } entry && _devices.IsUnknown(entry.Device);
        bool MissesSome(ProcessFacts process) => process.Mappings is { } mappings && mappings.Any(m => IsMissing(m));

        _reader.ForEach([.. _processes.Where(MissesSome)], 1, p => p.Pid, "its mounts", (process, file) =>
        {
            if (MissesSome(process))
            {
                _devices.LookFrom(process, file);
            }

            return true;
        }, (_, _) => { });

        var unknown = new Dictionary<uint, (ProcessFacts Process, MappingFacts Mapping)>();
        foreach (var process in _processes.Where(MissesSome))
        {
            foreach (var mapping in process.Mappings!)
            {
                if (IsMissing(mapping) && _entries[mapping.ObjectNumber].Name.StartsWith('/'))
                {
                    unknown.TryAdd(_entries[mapping.ObjectNumber].Device, (process, mapping));
                }
            }
        }

        foreach (var (device, (process, mapping)) in unknown)
        {
            if (_asker.Ask(device, Link(process, mapping)) is { } answer)
            {
                _devices.Learn(device, answer);
            }
        }

        LookAtPageSizes(unknown.Where(u => _devices.IsUnknown(u.Key)).Select(u => u.Value));
    }

    /// <summary>A server of files (FUSE, 9p, virtiofs, NFS) may give one inode to several: those of several disks that it
    /// shows as one, or all. One inode under two names may be that, or one file that has two.</summary>
    private void FindAmbiguous()
    {
        var served = Enumerable.Range(0, _entries.Count).Where(i => _entries[i] is { HasFile: true } entry && entry.Name.StartsWith('/')
            && _devices.Of(entry.Device) is var type && !type.AnswersAtOnce && !type.HasNoFiles && !type.IsStacked && type.PageSize == 0 && !_devices.IsKernelsOwn(entry.Device));
        foreach (var file in served.GroupBy(i => (_entries[i].Device, _entries[i].Inode)).Where(f => f.Count() > 1))
        {
            _ambiguous.UnionWith(file);
        }
    }

    /// <summary>The last resort, without a question to any file system: smaps of one process tells the page size.</summary>
    private void LookAtPageSizes(IEnumerable<(ProcessFacts Process, MappingFacts Mapping)> places) =>
        _reader.ForEach([.. places], 1, p => p.Process.Pid, "its page sizes", (place, file) =>
            SmapsParser.Read(file, string.Create(CultureInfo.InvariantCulture, $"{_options.Proc}/{place.Process.Reader}/smaps")).FirstOrDefault(e => e.Start == place.Mapping.Start).KernelPageSize,
            (place, pageSize) =>
            {
                if (pageSize > (ulong)Environment.SystemPageSize)
                {
                    _devices.LearnHugePages(_entries[place.Mapping.ObjectNumber].Device, pageSize);
                }
            });

    /// <summary>Asks about every object, once; about those whose identity hangs on the process, once for each process.</summary>
    private void Ask()
    {
        var others = new List<Question>();
        _late = _reader.ForEach([.. _processes.Where(p => p.Mappings is not null)], 1, p => p.Pid, "its files", AskHere, (_, found) =>
        {
            foreach (var (key, resolved) in found.Here)
            {
                _resolved.TryAdd(key, resolved);
            }

            others.AddRange(found.Elsewhere);
        });
        var asked = new Dictionary<int, int>();
        foreach (var (number, device, path, inode) in others)
        {
            // By a path the file may not be there any more, whoever asks.
            if (_resolved.ContainsKey((number, "")) || (inode is not null && (CollectionsMarshal.GetValueRefOrAddDefault(asked, number, out _) += 1) > MostAskedByPath))
            {
                continue;
            }

            if (_asker.Ask(device, path) is { } answer && (inode is null || inode == answer.Inode))
            {
                // A path is asked of one process; what others map under another name has no handle to be compared with.
                _resolved[(number, "")] = FromAnswer(_entries[number], _devices.Of(device), inode is null ? answer : answer with { Handle = "" }, path, withExtents: false);
            }
        }
    }

    /// <summary>What one process's mappings tell; what the child has to ask is handed over.</summary>
    private (List<((int, string), Resolved)> Here, List<Question> Elsewhere) AskHere(ProcessFacts process, FileContents file)
    {
        var here = new List<((int, string), Resolved)>();
        var elsewhere = new List<Question>();
        var done = new HashSet<int>();
        foreach (var mapping in process.Mappings!)
        {
            var number = mapping.ObjectNumber;
            var entry = _entries[number];
            if (!entry.HasFile || !done.Add(number))
            {
                continue;
            }

            var type = _devices.Of(entry.Device);
            var place = Place(process, entry, type);
            if (_resolved.ContainsKey((number, place)))
            {
                continue;
            }

            if (type.IsStacked || (type.MayHaveServedDax && mapping.Length >= SmallestDaxFile))
            {
                elsewhere.Add(new Question(number, entry.Device, Link(process, mapping), null));
            }
            else
            {
                if (Resolve(process, mapping, entry, type) is { } resolved)
                {
                    here.Add(((number, place), resolved));
                }
                else
                {
                    elsewhere.Add(new Question(number, entry.Device, PathOf(process, entry), entry.Inode));
                }

                file.Heart.Beat();
            }
        }

        return (here, elsewhere);
    }

    /// <summary>The place that an entry's identity hangs on: System V ids are a namespace's (and the segment may be mapped from before
    /// the process changed its namespace, so that each process is asked), names on file systems with subvolumes
    /// are a mount namespace's.</summary>
    private string Place(ProcessFacts process, ObjectTable.Entry entry, FileSystemType type) =>
        _devices.IsKernelsOwn(entry.Device) && IsSystemV(entry.Name) ? process.Pid.ToString(CultureInfo.InvariantCulture)
        : type.HasSubvolumes ? _devices.Namespace(process, "mnt")
        : "";

    /// <summary>What the mapping shows, as far as it can be asked here; null if another process has to ask.</summary>
    private Resolved? Resolve(ProcessFacts process, in MappingFacts mapping, ObjectTable.Entry entry, FileSystemType type)
    {
        if (_devices.IsKernelsOwn(entry.Device) && IsSystemV(entry.Name))
        {
            var space = _devices.Namespace(process, "ipc");
            var segment = Plain(entry, type.PageSize > 0 ? ObjectKind.Hugetlb : ObjectKind.SystemV, type);
            // Huge pages' files have no handle that tells them apart: there the namespace of now has to do.
            var handle = type.PageSize == 0 && FileFacts.TryAsk(Link(process, mapping), withFileSystem: false, withHandle: true, out var told) ? told.Handle : "";
            return segment with { Identity = segment.Identity with { More = handle.Length > 0 ? handle : space }, Scope = space };
        }

        if (type.Name is FileSystemType.Memory)
        {
            return Plain(entry, KindOfMemory(entry.Name), type);
        }

        if (type.Name == "hugetlbfs")
        {
            var size = type.PageSize > 0 ? type.PageSize : FileFacts.TryAsk(Link(process, mapping), withFileSystem: true, withHandle: false, out var told) ? (ulong)told.BlockSize : 0;
            return Plain(entry, ObjectKind.Hugetlb, type) with { HugePageSize = size };
        }

        if (type.HasNoFiles || !entry.Name.StartsWith('/'))
        {
            return Plain(entry, ObjectKind.Special, type);
        }

        if (!type.AnswersAtOnce)
        {
            return Unasked(entry, type);
        }

        var path = Link(process, mapping);
        if (!FileFacts.TryAsk(path, withFileSystem: false, type.HasSubvolumes, out var answer))
        {
            // An ordinary user may not follow map_files, and the path leads through whatever is mounted on the way when it is asked: whoever asks by a
            // path may have to be left behind.
            return type.HasSubvolumes ? Unasked(entry, type) : null;
        }

        return FromAnswer(entry, type, answer, path, withExtents: mapping.Length >= SmallestDaxFile);
    }

    /// <summary>What is taken for true where nobody was asked. A device of persistent memory must not be taken for anything else: reading its pages
    /// would split its leaves.</summary>
    private static Resolved Unasked(ObjectTable.Entry entry, FileSystemType type) =>
        Plain(entry, type.HasNoFiles ? ObjectKind.Special
            : type.PageSize > 0 ? ObjectKind.Hugetlb
            : entry.Name.StartsWith("/dev/dax", StringComparison.Ordinal) ? ObjectKind.DaxDevice
            : type.Name == "devtmpfs" ? ObjectKind.Special
            : type.Name == "tmpfs" ? ObjectKind.SharedMemory
            : ObjectKind.File, type);

    /// <summary>The path of a file as its process sees it.</summary>
    private string PathOf(ProcessFacts process, ObjectTable.Entry entry) =>
        string.Create(CultureInfo.InvariantCulture, $"{_options.Proc}/{process.Reader}/root{entry.Name.Replace("\\012", "\n", StringComparison.Ordinal)}");

    private Resolved FromAnswer(ObjectTable.Entry entry, FileSystemType type, in FileAnswer answer, string path, bool withExtents)
    {
        var node = DeviceNumber.Of(answer.NodeMajor, answer.NodeMinor);
        if (answer.IsCharacterDevice)
        {
            return DeviceNodes.IsZero(answer.NodeMajor, answer.NodeMinor) ? Plain(entry, ObjectKind.Anonymous, type) with { Identity = ObjectIdentity.Anonymous }
                : DeviceNodes.IsDax(_options.Sys, node) ? Plain(entry, ObjectKind.DaxDevice, type) with { Identity = ObjectIdentity.Node(isBlock: false, node) }
                : Plain(entry, ObjectKind.Special, type);
        }

        if (answer.IsBlockDevice)
        {
            return Plain(entry, ObjectKind.File, type) with { Identity = ObjectIdentity.Node(isBlock: true, node) };
        }

        var file = Plain(entry, type.Name is "tmpfs" or "devtmpfs" ? ObjectKind.SharedMemory : ObjectKind.File, type);
        if (answer.Handle.Length > 0)
        {
            file = file with { Handle = answer.Handle, Identity = type.IsStacked ? ObjectIdentity.Below(answer.Handle, answer.ChangedAt) : file.Identity with { More = answer.Handle } };
        }

        return !answer.IsDax ? file : file with
        {
            Kind = ObjectKind.DaxFile,
            Dax = new DaxFacts(DeviceNodes.StartOf(_options.Sys, entry.Device), answer.Size, type.Name, withExtents ? FileFacts.TryExtents(path) ?? [] : []),
        };
    }

    /// <summary>
    /// Marks say what may be one object, and frames what is, where marks can be wrong: a file of an overlay keeps its
    /// handle when it is copied up (and a process that has mapped it before still shows the file below), files of huge
    /// pages have no handle that would tell two System V segments apart.
    /// </summary>
    private void CompareFrames()
    {
        var groups = new Dictionary<string, FrameGroup>(StringComparer.Ordinal);
        var places = new Dictionary<(int Entry, int Process), (MappingFacts Mapping, string Group)>();
        for (var i = 0; i < _processes.Length; i++)
        {
            foreach (var mapping in _processes[i].Mappings ?? [])
            {
                if (_entries[mapping.ObjectNumber] is { HasFile: true } entry && GroupOf(_processes[i], mapping, entry) is { } group
                    && mapping.Length > places.GetValueOrDefault((mapping.ObjectNumber, i)).Mapping.Length)
                {
                    places[(mapping.ObjectNumber, i)] = (mapping, group);
                }
            }
        }

        // A group of one has nothing to be compared with.
        var sizes = places.Values.CountBy(p => p.Group).ToDictionary(StringComparer.Ordinal);
        foreach (var group in sizes.Where(s => s.Value > 1).Select(s => s.Key))
        {
            groups[group] = new FrameGroup(_options.Proc);
        }

        for (var left = places.Where(p => groups.ContainsKey(p.Value.Group)).ToList(); left.Count > 0;)
        {
            var again = new List<KeyValuePair<(int Entry, int Process), (MappingFacts Mapping, string Group)>>();
            _reader.ForEach(left, 1, p => _processes[p.Key.Process].Pid, "its frames",
                (p, file) => groups[p.Value.Group].Compare(_processes[p.Key.Process].Reader, p.Value.Mapping, Known(_processes[p.Key.Process], p.Key.Entry).Identity, file),
                (p, comparison) =>
                {
                    if (groups[p.Value.Group].TryAdd(comparison))
                    {
                        _byFrames[(p.Key.Entry, _processes[p.Key.Process].Pid)] = ObjectIdentity.OfFrames(p.Value.Group, comparison.Number);
                    }
                    else
                    {
                        again.Add(p);
                    }
                });
            left = again;
        }
    }

    /// <summary>The marks by which a mapping is to be compared with others; null if its identity is known without.</summary>
    private string? GroupOf(ProcessFacts process, in MappingFacts mapping, ObjectTable.Entry entry)
    {
        var type = _devices.Of(entry.Device);
        return type.PageSize > 0 && _devices.IsKernelsOwn(entry.Device) && IsSystemV(entry.Name) ? $"segment {entry.Device} {entry.Inode}"
            : _ambiguous.Contains(mapping.ObjectNumber) && mapping.Length >= SmallestCompared ? $"served {entry.Device} {entry.Inode}"
            : type.IsStacked && mapping.Length >= SmallestCompared ? Known(process, mapping.ObjectNumber).Handle is { Length: > 0 } handle ? handle : $"inode {entry.Inode}"
            : null;
    }

    /// <summary>What was found out about an entry as a process has it, or what it is taken for.</summary>
    private Resolved Known(ProcessFacts process, int first)
    {
        var entry = _entries[first];
        if (!entry.HasFile)
        {
            return new Resolved(ObjectIdentity.Named(entry.Name), ObjectKind.Special, 0, "");
        }

        var type = _devices.Of(entry.Device);
        return _resolved.TryGetValue((first, Place(process, entry, type)), out var found) ? found
            : Unasked(entry, type);
    }

    private void NoteSilent(List<string> notes)
    {
        var silent = _asker.SilentDevices.Select(d => $"{DeviceNumber.Text(d)}{(_devices.Of(d).Name is { Length: > 0 } type ? $" ({type})" : "")}").Order(StringComparer.Ordinal).ToList();
        if (silent.Count > 0)
        {
            notes.Add($"No answer from the file system of device {string.Join(", ", silent.Take(MostSilentTold))}{(silent.Count > MostSilentTold ? $" and {silent.Count - MostSilentTold} more" : "")}: its files are known by device and inode alone. The processes that map them are read all the same.");
        }
    }

    /// <summary>Where neither the segment nor the namespace may be asked about, ids are all there is.</summary>
    private void NoteSegments(List<string> notes)
    {
        var unknown = _resolved.Where(r => IsSystemV(_entries[r.Key.Entry].Name) && r.Key.Place.Length > 0 && r.Value.Identity.More.Length == 0).Select(r => r.Key.Place).Distinct().Count();
        if (unknown > 0)
        {
            notes.Add($"Whose System V segments {unknown} processes map may not be asked (map_files, ns/ipc): segments that have one id in several IPC namespaces count as one. Run as root with CAP_SYS_PTRACE and CAP_SYS_ADMIN to tell them apart.");
        }
    }

    /// <summary>Gives every identity one number, in the order of first sight, and the mappings these numbers.</summary>
    private List<ObjectFacts> Number()
    {
        var objects = new List<ObjectFacts> { new(ObjectFacts.Anonymous, ObjectKind.Anonymous, _entries[ObjectFacts.Anonymous].Name, "", 0) };
        var scopes = new List<string> { "" };
        var numbers = new Dictionary<ObjectIdentity, int> { [ObjectIdentity.Anonymous] = ObjectFacts.Anonymous };
        var fixedNumbers = new int[_entries.Count];
        Array.Fill(fixedNumbers, -1);
        fixedNumbers[ObjectFacts.Anonymous] = ObjectFacts.Anonymous;
        for (var i = 0; i < _processes.Length; i++)
        {
            if (_processes[i].Mappings is not { } mappings)
            {
                continue;
            }

            var numbered = new MappingFacts[mappings.Count];
            for (var m = 0; m < numbered.Length; m++)
            {
                var first = mappings[m].ObjectNumber;
                var number = fixedNumbers[first] >= 0 ? fixedNumbers[first] : NumberOf(_processes[i], first);
                numbered[m] = mappings[m] with { ObjectNumber = number };
            }

            _processes[i] = _processes[i] with { Mappings = numbered };
        }

        return ObjectNames.TellApart(objects, scopes);

        int NumberOf(ProcessFacts process, int first)
        {
            var entry = _entries[first];
            var type = _devices.Of(entry.Device);
            var resolved = Known(process, first);
            if (_byFrames.TryGetValue((first, process.Pid), out var identity))
            {
                resolved = resolved with { Identity = identity };
            }

            if (!numbers.TryGetValue(resolved.Identity, out var number))
            {
                number = objects.Count;
                numbers[resolved.Identity] = number;
                objects.Add(new ObjectFacts(number, resolved.Kind, entry.Name, entry.HasFile ? DeviceNumber.Text(entry.Device) : "", entry.Inode, resolved.HugePageSize, resolved.FileSystem, resolved.Dax));
                scopes.Add(resolved.Scope);
            }
            else if (number != ObjectFacts.Anonymous)
            {
                objects[number] = ObjectNames.Better(objects[number], entry.Name, resolved.Kind);
            }

            if (!entry.HasFile || (!type.IsStacked && !_ambiguous.Contains(first) && Place(process, entry, type).Length == 0))
            {
                fixedNumbers[first] = number; // the same in every process
            }

            return number;
        }
    }

    /// <summary>What another process is to ask: by a link to the file itself, or by a path, where the file must have the inode that is mapped.</summary>
    private readonly record struct Question(int Number, uint Device, string Path, ulong? Inode);

    /// <summary>What was found out about an entry of maps at one place.</summary>
    private sealed record Resolved(ObjectIdentity Identity, ObjectKind Kind, ulong HugePageSize, string FileSystem, DaxFacts? Dax = null, string Scope = "", string Handle = "");
}
