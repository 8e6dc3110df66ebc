using System.Collections.Concurrent;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Proc;

/// <summary>
/// Gives what processes map its first numbers, by device, inode and name as maps has them; number 0 is anonymous
/// memory. These three do not yet say what is one object: <see cref="ObjectResolver"/> asks the kernel, and joins or
/// parts them. Safe for use by several threads.
/// </summary>
public sealed class ObjectTable
{
    // Names may be as long as directories are nested. When this much is kept, the rest is cut short.
    private const long MostNameBytes = 256L << 20;
    private const int ShortName = 128;

    private readonly ConcurrentDictionary<Key, int> _numbers = new();
    private readonly List<Entry> _objects = [];
    private readonly Lock _lock = new();
    private long _nameBytes;

    /// <summary>Starts with anonymous memory alone.</summary>
    public ObjectTable() => _ = Add(default, "[anonymous]"u8);

    /// <summary>The number of what a line of maps shows.</summary>
    public int NumberOf(uint device, ulong inode, ReadOnlySpan<byte> path)
    {
        if (device == 0 && inode == 0 && (path.IsEmpty || IsPlainMemory(path)))
        {
            return ObjectFacts.Anonymous;
        }

        var hash = new HashCode();
        hash.AddBytes(path);
        var key = new Key(device, inode, hash.ToHashCode(), path.Length);
        return _numbers.TryGetValue(key, out var number) ? number : Add(key, path);
    }

    /// <summary>What the lines of maps say of each number.</summary>
    internal IReadOnlyList<Entry> Entries()
    {
        lock (_lock)
        {
            return [.. _objects];
        }
    }

    /// <summary>The objects as maps names them, before anything was asked.</summary>
    public IReadOnlyList<ObjectFacts> ToFacts()
    {
        var entries = Entries();
        return [.. entries.Select((e, i) => new ObjectFacts(i, i == ObjectFacts.Anonymous ? ObjectKind.Anonymous : e.HasFile ? ObjectKind.File : ObjectKind.Special, e.Name, e.HasFile ? DeviceNumber.Text(e.Device) : "", e.Inode))];
    }

    private static bool IsPlainMemory(ReadOnlySpan<byte> path) =>
        path.SequenceEqual("[heap]"u8) || path.StartsWith("[stack"u8) || path.StartsWith("[anon"u8);

    private int Add(Key key, ReadOnlySpan<byte> path)
    {
        lock (_lock)
        {
            if (_numbers.TryGetValue(key, out var known))
            {
                return known;
            }

            // The marks are what tells objects apart; a name is for people.
            var name = _nameBytes < MostNameBytes || path.Length <= ShortName ? path : path[..ShortName];
            _nameBytes += name.Length;
            _objects.Add(new Entry(key.Device, key.Inode, Printable.Decode(name)));
            _numbers[key] = _objects.Count - 1;
            return _objects.Count - 1;
        }
    }

    /// <summary>Device, inode and name of a line of maps. A mapping without a file (vdso) has neither device nor inode;
    /// a System V segment's inode is its id, and the first id is 0.</summary>
    internal readonly record struct Entry(uint Device, ulong Inode, string Name)
    {
        public bool HasFile => Device != 0 || Inode != 0;
    }

    private readonly record struct Key(uint Device, ulong Inode, int Hash, int Length);
}
