using System.Globalization;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// Asks how large objects of shared memory and of huge pages are, how much of them is allocated, and where the tmpfs is
/// mounted that a file lies on. Once for each object; those file systems answer at once, but a path may lead through others: who has to ask by one (an ordinary
/// user may not follow map_files) has a child ask.
/// </summary>
internal sealed class ObjectSizes(ScanOptions options, PatientReader reader, FileAsker asker)
{
    private readonly Dictionary<string, IReadOnlyList<MountPoint>> _mounts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _entrances = new(StringComparer.Ordinal);

    /// <summary>The objects with what was found.</summary>
    public IReadOnlyList<ObjectFacts> Read(IReadOnlyList<ObjectFacts> objects, IReadOnlyList<ProcessFacts> processes)
    {
        var found = objects.ToArray();
        var seen = new bool[found.Length];
        var own = Namespace("self");
        reader.ForEach([.. processes.Where(p => p.Mappings is not null)], 1, p => p.Pid, "its files", (process, file) =>
        {
            var sizes = new List<ObjectFacts>();
            var taken = new HashSet<int>();
            foreach (var mapping in process.Mappings!)
            {
                var number = mapping.ObjectNumber;
                if (!seen[number] && objects[number].Kind is ObjectKind.SharedMemory or ObjectKind.SystemV or ObjectKind.Memfd or ObjectKind.SharedAnonymous or ObjectKind.Hugetlb && taken.Add(number))
                {
                    sizes.Add(With(objects[number], process, MemoryFile.Ask(Link(process, mapping)), own, file));
                    file.Heart.Beat();
                }
            }

            return sizes;
        }, (_, sizes) =>
        {
            foreach (var facts in sizes)
            {
                // Asked again of the next process that maps it, where this one could not tell.
                found[facts.Number] = facts;
                seen[facts.Number] = facts.SizeBytes is not null;
            }
        });
        AskByPath(found, seen, processes, own);
        return found;
    }

    private void AskByPath(ObjectFacts[] found, bool[] seen, IReadOnlyList<ProcessFacts> processes, string own)
    {
        var file = new FileContents();
        var asked = new HashSet<int>();
        foreach (var process in processes.Where(p => p.Mappings is not null))
        {
            foreach (var mapping in process.Mappings!)
            {
                var number = mapping.ObjectNumber;
                var facts = found[number];
                if (!seen[number] && facts.SizeBytes is null && facts.Kind is ObjectKind.SharedMemory or ObjectKind.Hugetlb && facts.Name.StartsWith('/') && asked.Add(number)
                    && IsOwn(Space(process), own) && DeviceNumber.Parse(facts.Device) is { } device && asker.AskMemory(device, facts.Name) is { } answer && answer.Inode == facts.Inode)
                {
                    found[number] = With(facts, process, answer, own, file);
                }
            }
        }
    }

    private string Link(ProcessFacts process, in MappingFacts mapping) =>
        string.Create(CultureInfo.InvariantCulture, $"{options.Proc}/{process.Reader}/map_files/{mapping.Start:x}-{mapping.End:x}");

    private string Space(ProcessFacts process) => Namespace(process.Reader.ToString(CultureInfo.InvariantCulture));

    private static bool IsOwn(string space, string own) => space.Length == 0 || own.Length == 0 || space == own;

    private ObjectFacts With(ObjectFacts facts, ProcessFacts process, MemoryFile? answer, string own, FileContents file)
    {
        var space = Space(process);
        var isOwn = IsOwn(space, own);
        if (answer is not { } a)
        {
            return facts;
        }

        facts = facts with { SizeBytes = a.Size, AllocatedBytes = a.Allocated };
        if (facts.Kind != ObjectKind.SharedMemory)
        {
            return facts;
        }

        var device = DeviceNumber.Parse(facts.Device) is { } number ? DeviceNumber.SysText(number) : "";
        var point = Mounts(space, process.Reader, file)
            .Where(m => m.Type == "tmpfs" && m.Device == device && m.Shows(facts.Name))
            .MaxBy(m => m.Point.Length);
        return point is null ? facts : facts with
        {
            Mount = new MountFacts(point.Point, point.SuperOptions, isOwn ? null : EntranceTo(space, process.Pid), a.SystemSize, a.SystemFree, a.SystemFiles),
        };
    }

    /// <summary>"mnt:[4026531841]"; empty if it may not be read.</summary>
    private string Namespace(string pid)
    {
        try
        {
            return new FileInfo($"{options.Proc}/{pid}/ns/mnt").LinkTarget ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>The process by which a mount namespace is entered: the same one for all that lies in it.</summary>
    private int EntranceTo(string space, int pid)
    {
        lock (_mounts)
        {
            return _entrances.TryAdd(space, pid) ? pid : _entrances[space];
        }
    }

    private IReadOnlyList<MountPoint> Mounts(string space, int pid, FileContents file)
    {
        lock (_mounts)
        {
            if (!_mounts.TryGetValue(space, out var mounts))
            {
                _mounts[space] = mounts = MountPoint.Read(file, $"{options.Proc}/{(space.Length == 0 ? "self" : pid.ToString(CultureInfo.InvariantCulture))}/mountinfo", m => m.Type == "tmpfs");
            }

            return mounts;
        }
    }
}
