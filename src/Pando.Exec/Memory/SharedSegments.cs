using Pando.Exec.Native;
using Pando.Machines;

namespace Pando.Exec.Memory;

/// <summary>The System V shared memory of all programs. Safe for threads.</summary>
/// <param name="machine">The machine.</param>
internal sealed class SharedSegments(Machine machine)
{
    private const int MostSegments = 4096;

    private readonly Lock _lock = new();
    private readonly Dictionary<int, SharedSegment> _segments = [];
    private int _lastId;

    /// <summary>shmget(2).</summary>
    internal long Get(int key, long size, int flags, int process)
    {
        const int Create = 0x200;
        const int Exclusive = 0x400;
        const int HugePages = 0x800;
        lock (_lock)
        {
            if (key != 0 && _segments.Values.FirstOrDefault(one => one.Key == key) is { } known)
            {
                return (flags & (Create | Exclusive)) == (Create | Exclusive) ? -Error.EEXIST : size > known.Size ? -Error.EINVAL : known.Id;
            }

            if (key != 0 && (flags & Create) == 0)
            {
                return -Error.ENOENT;
            }

            if (size <= 0 || size > Pando.Files.MappedFile.MaxSize || (flags & HugePages) != 0)
            {
                return (flags & HugePages) != 0 ? -Error.ENOMEM : -Error.EINVAL;
            }

            if (_segments.Count == MostSegments)
            {
                return -Error.ENOSPC;
            }

            int id = ++_lastId;
            _segments[id] = new SharedSegment(id, key, machine.CreateMemoryFile($"/SYSV{key:x8}", size))
            {
                Mode = flags & 0x1FF,
                Size = size,
                Maker = process,
                Times = (0, 0, DateTimeOffset.UtcNow.ToUnixTimeSeconds()),
            };
            return id;
        }
    }

    /// <summary>A segment, by its number; those that were removed and are attached nowhere are gone.</summary>
    internal SharedSegment? Find(int id)
    {
        lock (_lock)
        {
            if (_segments.TryGetValue(id, out var segment) && segment.File.HasEnded)
            {
                _segments.Remove(id);
                return null;
            }

            return segment;
        }
    }

    /// <summary>IPC_RMID: it goes with its last mapping.</summary>
    internal void Remove(SharedSegment segment)
    {
        const int Destroyed = 0x200; // SHM_DEST
        lock (_lock)
        {
            if ((segment.Mode & Destroyed) == 0)
            {
                segment.Mode |= Destroyed;
                segment.Key = 0;
                segment.File.Dispose();
            }
        }
    }
}
