using System.Runtime.InteropServices;
using Pando.Files;
using Pando.Hardware;

namespace Pando.Tests.Durability;

/// <summary>
/// Storage that has after a crash only what was synced, and any part of the rest: of what was stored since, by the cache
/// line; of the metadata that changed since, by the change. Full of somebody else's bytes at first. It can fail at any call.
/// </summary>
internal sealed class ForgettingStorage : DeviceStorage
{
    public const int LineSize = 64;

    /// <summary>What every 8 bytes of the device hold before anybody stores there.</summary>
    public const ulong Foreign = 0xf0f0_f0f0_f0f0_f0f0;

    private readonly Lock _lock = new();
    private readonly NativeRegion _live;
    private readonly byte[] _durable;
    private readonly Dictionary<DaxFile, History> _files = [];
    private readonly Random _random;

    public ForgettingStorage(long size, int seed = 1)
    {
        Size = size;
        _live = NativeRegion.Reserve(size);
        _durable = new byte[size];
        _random = new Random(seed);
        MemoryMarshal.Cast<byte, ulong>(_durable.AsSpan()).Fill(Foreign);
        Copy(_durable, Live(0, size));
    }

    public long Size { get; }

    /// <summary>The files that the device has had.</summary>
    public IEnumerable<DaxFile> Files => _files.Keys;

    /// <summary>Calls so far that could have failed.</summary>
    public int Calls { get; private set; }

    /// <summary>The number of the call that fails, counted by <see cref="Calls"/>; none by default.</summary>
    public int FailAt { get; set; } = -1;

    /// <summary>Whether all calls fail.</summary>
    public bool FailsAlways { get; set; }

    /// <summary>Whether a call has failed since the last look.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Called before each call of <see cref="Sync"/>, with offset and length; a test may look at the machine there.</summary>
    public Action<long, long>? Syncing { get; set; }

    public override unsafe nint Address => (nint)_live.Base;

    /// <summary>Whether a call has failed; forgets it.</summary>
    public bool TakeFailure()
    {
        bool failed = HasFailed;
        HasFailed = false;
        return failed;
    }

    public override void Clear(long offset, long length)
    {
        Call(nameof(Clear), () => { });
        Live(offset, length).Clear();
    }

    public override void Sync(long offset, long length)
    {
        Syncing?.Invoke(offset, length);
        Call(nameof(Sync), () => EvictSome(offset, length));
        lock (_lock)
        {
            Copy(Live(offset, length), _durable.AsSpan((int)offset, (int)length));
        }
    }

    public override void Changed(DaxFile file)
    {
        // Before the lock: the engine's code may be stopped by a schedule.
        var metadata = new Metadata(file.Size, [.. file.Extents]);
        lock (_lock)
        {
            if (!_files.TryGetValue(file, out var history))
            {
                // Before the first there is no file.
                _files[file] = history = new History();
                history.Versions.Add(null);
            }

            history.Versions.Add(metadata);
        }
    }

    public override void Ended(DaxFile file)
    {
        lock (_lock)
        {
            _files[file].Versions.Add(null);
        }
    }

    public override void SyncMetadata(DaxFile file)
    {
        Call(nameof(SyncMetadata), () => CommitSome(file));
        lock (_lock)
        {
            _files[file].Committed = _files[file].Versions.Count - 1;
        }
    }

    /// <summary>How many changes of a file's metadata there were.</summary>
    public int Changes(DaxFile file)
    {
        lock (_lock)
        {
            return _files[file].Versions.Count - 1;
        }
    }

    /// <summary>The change of a file's metadata up to which they surely are durable.</summary>
    public int Committed(DaxFile file)
    {
        lock (_lock)
        {
            return _files[file].Committed;
        }
    }

    /// <summary>Every state of a file's metadata that a crash may leave.</summary>
    public List<Metadata?> PossibleMetadata(DaxFile file)
    {
        lock (_lock)
        {
            return [.. _files[file].Versions.Skip(_files[file].Committed)];
        }
    }

    /// <summary>What a processor does of itself: writes the line of an address back.</summary>
    public void Evict(long offset)
    {
        long line = offset & -LineSize;
        lock (_lock)
        {
            Copy(Live(line, LineSize), _durable.AsSpan((int)line, LineSize));
        }
    }

    /// <summary>What a file system does of itself: some of a file's changes become durable.</summary>
    public void CommitSome(DaxFile file)
    {
        lock (_lock)
        {
            var history = _files[file];
            history.Committed = _random.Next(history.Committed, history.Versions.Count);
        }
    }

    /// <summary>One way in which a crash at this moment may come out.</summary>
    public CrashImage Crash(int seed)
    {
        lock (_lock)
        {
            var random = new Random(seed);
            int kind = random.Next(4);
            var files = new Dictionary<DaxFile, (int Change, Metadata? Metadata)>();
            foreach (var (file, history) in _files)
            {
                int last = history.Versions.Count - 1;
                int change = random.Next(4) switch
                {
                    0 => history.Committed,
                    1 => last,
                    _ => random.Next(history.Committed, last + 1),
                };
                files[file] = (change, history.Versions[change]);
            }

            return new CrashImage(this, seed, kind, files);
        }
    }

    internal ulong Read(long offset, bool live) =>
        BitConverter.ToUInt64(live ? Live(offset, sizeof(ulong)) : _durable.AsSpan((int)offset, sizeof(ulong)));

    public override void Dispose() => _live.Dispose();

    private void Call(string name, Action whatIsDoneAllTheSame)
    {
        bool fails;
        lock (_lock)
        {
            fails = FailsAlways || Calls == FailAt;
            Calls++;
            HasFailed |= fails;
        }

        if (fails)
        {
            whatIsDoneAllTheSame();
            throw new IOException($"The storage fails at call {Calls - 1}, {name}, as it was told to.");
        }
    }

    private void EvictSome(long offset, long length)
    {
        for (long line = offset & -LineSize; line < offset + length; line += LineSize)
        {
            bool evicts;
            lock (_lock)
            {
                evicts = _random.Next(2) == 0;
            }

            if (evicts)
            {
                Evict(line);
            }
        }
    }

    private static void Copy(ReadOnlySpan<byte> from, Span<byte> to) => from.CopyTo(to);

    private unsafe Span<byte> Live(long offset, long length) => new(_live.Base + offset, (int)length);

    private sealed class History
    {
        public List<Metadata?> Versions { get; } = [];

        public int Committed { get; set; }
    }
}
