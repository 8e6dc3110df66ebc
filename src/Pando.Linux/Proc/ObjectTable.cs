using System.Collections.Concurrent;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// Gives mapped objects their numbers. An object is known by device and inode (and by name where the kernel gives
/// neither); number 0 is anonymous memory. Safe for use by several threads.
/// </summary>
public sealed class ObjectTable
{
    private readonly ConcurrentDictionary<Key, int> _numbers = new();
    private readonly List<(Key Key, string Name)> _objects = [];
    private readonly Lock _lock = new();

    /// <summary>Starts with anonymous memory alone.</summary>
    public ObjectTable() => _ = Add(default, "[anonymous]");

    /// <summary>Number of anonymous memory.</summary>
    public const int Anonymous = 0;

    /// <summary>The number of an object; <paramref name="path"/> is its name at first sight.</summary>
    public int NumberOf(uint device, ulong inode, ReadOnlySpan<byte> path)
    {
        if (inode == 0 && (path.IsEmpty || IsPlainMemory(path)))
        {
            return Anonymous;
        }

        // Without an inode (vdso, vvar) the name is the identity.
        var key = new Key(device, inode, inode == 0 ? Printable.Decode(path) : "");
        return _numbers.TryGetValue(key, out var number) ? number : Add(key, Printable.Decode(path));
    }

    /// <summary>The objects as maps names them; what they are is found out later, once for each.</summary>
    public IReadOnlyList<ObjectFacts> ToFacts()
    {
        lock (_lock)
        {
            return [.. _objects.Select((o, i) => new ObjectFacts(i, ObjectKinds.FromName(i, o.Name, o.Key.Inode), o.Name,
                o.Key.Inode == 0 ? "" : $"{o.Key.Device >> 20:x2}:{o.Key.Device & 0xfffff:x2}", o.Key.Inode))];
        }
    }

    private static bool IsPlainMemory(ReadOnlySpan<byte> path) =>
        path.SequenceEqual("[heap]"u8) || path.StartsWith("[stack"u8) || path.StartsWith("[anon"u8);

    private int Add(Key key, string name)
    {
        lock (_lock)
        {
            if (_numbers.TryGetValue(key, out var known))
            {
                return known;
            }

            _objects.Add((key, name));
            _numbers[key] = _objects.Count - 1;
            return _objects.Count - 1;
        }
    }

    private readonly record struct Key(uint Device, ulong Inode, string Name);
}
