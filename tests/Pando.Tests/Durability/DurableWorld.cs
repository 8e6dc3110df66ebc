using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;

namespace Pando.Tests.Durability;

/// <summary>
/// Random operations on files of a device that forgets, with failures of its storage at any call; after each it is looked
/// what crashes would leave. Every stored word is another, so that a word tells whose it is.
/// </summary>
#pragma warning disable CA5394 // A test wants a sequence that it can have again.
internal sealed class DurableWorld : IDisposable
{
    private const long Page = DurableFile.Page;
    private const long Mebi = 1L << 20;
    private const int MostFiles = 4;
    private const long Room = 1L << 30;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly Random _random;
    private readonly bool _fails;
    private readonly Machine _machine;
    private readonly PmemDevice _device;
    private readonly AddressSpace _space;
    private readonly TableReader _reader;
    private readonly List<DurableFile> _files = [];
    private readonly List<DurableFile> _ended = [];
    private readonly List<string> _log = [];
    private ulong _stamp;
    private int _number;

    /// <param name="seed">The run.</param>
    /// <param name="fails">Whether storage fails now and then.</param>
    /// <param name="without">A part of the engine's durability to leave out.</param>
    public DurableWorld(int seed, bool fails, DurabilityPart? without = null)
    {
        _random = new Random(seed);
        _fails = fails;
        _machine = new Machine(new MachineOptions { Ram = 64 * Mebi, LargePages = _random.Next(2) == 0, Sharing = _random.Next(3) == 0 ? SharingLevels.None : SharingLevels.UpTo1GiB });
        Storage = new ForgettingStorage(_random.Next(2) == 0 ? 24 * Mebi : 8 * Mebi, seed);
        _device = _machine.AddPmem(Storage.Size, Storage);
        _device.MostInPiece = seed % 2 == 0 ? 1 : 64;
        _device.LeavesOut = without is { } part ? left => left == part || MakesUpFor(left, part) : null;
        _space = _machine.CreateSpace();
        _reader = new TableReader(_machine.Format, _machine.Memory);
    }

    public ForgettingStorage Storage { get; }

    /// <summary>How many operations have ended in which way.</summary>
    public Dictionary<string, int> Outcomes { get; } = [];

    /// <summary>Makes a number of operations; throws where something is not as promised.</summary>
    public void Run(int operations)
    {
        for (int i = 0; i < operations; i++)
        {
            try
            {
                Step();
                Check();
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                throw new InvalidOperationException(
                    $"step {i}: {exception.Message}{Environment.NewLine}{string.Join(Environment.NewLine, _log.TakeLast(25))}", exception);
            }
        }

        End();
    }

    public void Dispose() => _machine.Dispose();

    /// <summary>Whether nobody would see that one part is left out as long as the other is there.</summary>
    private static bool MakesUpFor(DurabilityPart other, DurabilityPart part) => (part, other) is
        (DurabilityPart.Shift, DurabilityPart.ShiftRest) or (DurabilityPart.CloneSource, DurabilityPart.CloneSourceRest);

    private void Step()
    {
        int calls = Storage.Calls;
        Storage.FailAt = _fails && _random.Next(4) == 0 ? calls + _random.Next(4) : -1;
        Storage.TakeFailure();
        var file = _files.Count == 0 ? null : _files[_random.Next(_files.Count)];
        switch (file is null ? 99 : _random.Next(100))
        {
            case < 34:
                Store(file!);
                break;
            case < 50:
                WriteBack(file!);
                break;
            case < 56:
                long size = RandomSize();
                Change(file!, $"resize to {size}", () => file!.Engine.SetSize(size), () => file!.Resize(size));
                break;
            case < 64:
                var (offset, length) = (RandomOffset(file!), 1 + _random.NextInt64(_random.Next(2) == 0 ? 2 * Mebi : 3 * Page));
                Change(file!, $"punch {offset}+{length}", () => file!.Engine.PunchHole(offset, length), () => file!.Punch(offset, length));
                break;
            case < 69:
                Shift(file!);
                break;
            case < 76:
                Clone(file!, _files[_random.Next(_files.Count)]);
                break;
            case < 78:
                var (start, bytes) = (_random.NextInt64(_device.Size / Page) * Page, _random.NextInt64(1, 20) * Page);
                Migrate(start, Math.Min(bytes, _device.Size - start));
                break;
            case < 84:
                Storage.CommitSome(file!.Engine);
                Log("a file system commits something", Errno.None);
                break;
            case < 95:
                foreach (var cell in file!.Pages.Values.Where(_ => _random.Next(8) == 0))
                {
                    Storage.Evict(cell.Place + (_random.Next(DurableCell.Words) * DurableCell.WordDistance));
                }

                break;
            case < 96:
                Close(file!);
                break;
            default:
                Create();
                break;
        }

        Storage.FailAt = -1;
    }

    private void Store(DurableFile file)
    {
        bool synchronous = _random.Next(3) == 0;
        long page = RandomOffset(file) / Page;
        int word = _random.Next(DurableCell.Words);
        var address = AddressOf(file, synchronous) + (page * Page) + (word * DurableCell.WordDistance);
        var kind = FaultKind.Spurious;
        PhysicalAddress? place;
        while ((place = _reader.Translate(_space, address, AccessKind.Write)) is null && kind <= FaultKind.Spurious)
        {
            kind = _space.Fault(address, AccessKind.Write).Kind;
        }

        bool failed = Storage.TakeFailure();
        Log($"store{(synchronous ? " with MAP_SYNC" : "")} to page {page} of {file.Engine.Name}: {kind}", Errno.None);
        Observe(file);
        if (place is not { } found)
        {
            Assert.True(
                kind == FaultKind.BusError && (failed || page * Page >= file.End || _device.FreeBytes < Page),
                $"a store to page {page} of {file.Size} bytes, {_device.FreeBytes} free: {kind}");
            return;
        }

        var cell = file.Pages[page];
        Assert.Equal(cell.Place, found - _device.Start - (word * DurableCell.WordDistance));
        foreach (var other in _files.Concat(_ended).Where(other => other != file))
        {
            Assert.False(other.MayLeadTo(cell, Storage.Committed(other.Engine)), $"{other.Engine.Name} may lead after a crash to the page that {file.Engine.Name} stores to");
        }

        ulong stamp = ((ulong)_stamp++ << 8) | (uint)(file.Engine.Name[^1] & 0xff);
        BitConverter.TryWriteBytes(_machine.Memory.Bytes(found, sizeof(ulong)), stamp);
        cell.Store(word, stamp);
        if (synchronous)
        {
            // What the program does then (CLWB, SFENCE); from here on nothing may lose it.
            Storage.Evict(found - _device.Start);
            cell.Promise(word);
            file.PromisePlace(page);
        }
    }

    private void WriteBack(DurableFile file)
    {
        bool whole = _random.Next(2) == 0;
        long start = whole ? 0 : RandomOffset(file) & -Page;
        long length = whole ? long.MaxValue : _random.NextInt64(1, 4 * Mebi);
        if (_random.Next(3) == 0)
        {
            length = whole ? Room / 2 : (length + Page - 1) & -Page;
            Settle(() => _space.Sync(AddressOf(file, false) + start, Math.Min(length, (Room / 2) - start)));
        }
        else
        {
            Settle(() => file.Engine.WriteBack(start, length));
        }

        void Settle(Func<Errno> writeBack)
        {
            var outcome = writeBack();
            Log($"write back {start}+{length} of {file.Engine.Name}", outcome);
            if (outcome == Errno.EIO)
            {
                Assert.True(Storage.TakeFailure(), "it says EIO, and nothing has failed");
                Check();
                Storage.FailAt = -1;
                outcome = writeBack();
                Log("  again", outcome);
            }

            Assert.Equal(Errno.None, outcome);
            Observe(file);
            file.PromiseLayout();
            file.Promise(start, start + Math.Min(length, Room));
        }
    }

    private void Shift(DurableFile file)
    {
        bool inserts = _random.Next(2) == 0;
        long offset = RandomOffset(file) & -Page;
        long length = _random.NextInt64(1, 600) * Page;
        if (inserts && file.Size + length > 6 * Mebi)
        {
            return;
        }

        Change(
            file,
            $"{(inserts ? "insert" : "collapse")} {offset}+{length}",
            () => inserts ? file.Engine.InsertRange(offset, length) : file.Engine.CollapseRange(offset, length),
            () => file.Shift(offset, length, inserts),
            observeFirst: false);
    }

    private void Clone(DurableFile file, DurableFile source)
    {
        long from = RandomOffset(source) & -Page;
        long to = RandomOffset(file) & -Page;
        long length = Math.Min(Math.Min(source.End - from, file.End - to), _random.Next(2) == 0 ? 4 * Mebi : _random.NextInt64(1, 5) * Page);
        Change(
            file,
            $"clone {from}+{length} of {source.Engine.Name} to {to}",
            () => file.Engine.CloneRange(source.Engine, from, length, to),
            () => file.Clone(source, from, length, to),
            observeFirst: false);
    }

    private void Migrate(long start, long length)
    {
        var outcome = _device.Migrate(start, length);
        Log($"migrate {start}+{length}", outcome);
        bool failed = Storage.TakeFailure();
        Assert.True(outcome is Errno.None or Errno.ENOSPC || (outcome == Errno.EIO && failed), outcome.ToString());
        foreach (var file in _files)
        {
            Observe(file);
        }

        if (outcome == Errno.None)
        {
            // The memory may be taken out now: nothing leads there, after a crash neither.
            foreach (var file in _files.Concat(_ended))
            {
                Assert.DoesNotContain(
                    Storage.PossibleMetadata(file.Engine).SelectMany(metadata => metadata?.Extents ?? []),
                    extent => extent.DeviceOffset < start + length && start < extent.DeviceEnd);
            }
        }
    }

    private void Create()
    {
        if (_files.Count == MostFiles)
        {
            return;
        }

        long size = RandomSize();
        string name = ((char)('a' + (_number++ % 26))).ToString();
        DaxFile engine;
        try
        {
            engine = _random.Next(2) == 0 ? _device.CreateFile(name, size) : _device.CreateFile(name, size, []);
        }
        catch (IOException exception)
        {
            Log($"create {name} of {size}: {exception.Message}", Errno.EIO);
            Assert.True(Storage.TakeFailure() || _device.FreeBytes < _device.Size, exception.Message);
            foreach (var file in Storage.Files.Where(file => file.HasEnded && _ended.All(known => known.Engine != file)).ToList())
            {
                _ended.Add(DurableFile.HalfMade(file));
            }

            return;
        }

        Log($"create {name} of {size}", Errno.None);
        var made = new DurableFile(engine, Storage.Changes(engine));
        _files.Add(made);
        foreach (bool synchronous in (bool[])[false, true])
        {
            var request = new MapRequest(Room / 2, Rights.ReadWrite)
            {
                File = engine,
                Shared = true,
                Synchronous = synchronous,
                Address = AddressOf(made, synchronous),
                Placement = MapPlacement.Fixed,
            };
            Assert.Equal(Errno.None, _space.Map(request).Error);
        }
    }

    private void Close(DurableFile file)
    {
        foreach (bool synchronous in (bool[])[false, true])
        {
            Assert.Equal(Errno.None, _space.Unmap(AddressOf(file, synchronous), Room / 2));
        }

        file.Engine.Dispose();
        Log($"close {file.Engine.Name}", Errno.None);
        file.Close();
        file.Changed(Storage.Changes(file.Engine));
        _files.Remove(file);
        _ended.Add(file);
    }

    /// <summary>An operation that changes all it says or nothing, and that succeeds when storage fails no more.</summary>
    private void Change(DurableFile file, string name, Func<Errno> engine, Action model, bool observeFirst = true)
    {
        var outcome = engine();
        Log($"{name} of {file.Engine.Name}", outcome);
        if (outcome == Errno.EIO)
        {
            Assert.True(Storage.TakeFailure(), "it says EIO, and nothing has failed");
            Observe(file);
            Check();
            Storage.FailAt = -1;
            outcome = engine();
            Log("  again", outcome);
        }

        Assert.True(outcome is Errno.None or Errno.EINVAL || (outcome == Errno.ENOSPC && _device.FreeBytes < Page), $"{outcome}, {_device.FreeBytes} free");
        if (outcome != Errno.None)
        {
            Observe(file);
            return;
        }

        int changes = Storage.Changes(file.Engine);
        if (observeFirst)
        {
            file.Observe();
        }

        model();
        file.Observe();
        file.Changed(changes);
    }

    private void Observe(DurableFile file)
    {
        file.Observe();
        file.Changed(Storage.Changes(file.Engine));
    }

    private void Check()
    {
        _machine.Audit().ThrowIfUnsound();
        foreach (var file in _files)
        {
            Assert.Equal(file.Size, file.Engine.Size);
            Assert.Equal(file.Pages.Count * Page, file.Engine.Extents.Sum(extent => extent.Length));
            foreach (var (page, cell) in file.Pages)
            {
                for (int word = 0; word < DurableCell.Words; word++)
                {
                    long at = cell.Place + (word * DurableCell.WordDistance);
                    if ((page * Page) + (word * DurableCell.WordDistance) < file.Size && Storage.Read(at, live: true) != cell.Now(word))
                    {
                        Assert.Fail($"page {page}, word {word} of {file.Engine.Name} is {Storage.Read(at, live: true):x}, not {cell.Now(word):x}");
                    }
                }
            }
        }

        for (int i = 0; i < 3; i++)
        {
            CheckCrash(Storage.Crash(_random.Next()));
        }
    }

    private void CheckCrash(CrashImage image)
    {
        foreach (var file in _files.Concat(_ended))
        {
            int change = image.ChangeOf(file.Engine);
            var version = file.At(change) ?? throw new InvalidOperationException($"after a crash {file.Engine.Name} is in a state (change {change}) before one that was promised");
            var next = version.Change == change ? null : file.At(int.MaxValue) is { } last && last.Change > change ? last : null;
            if (image.MetadataOf(file.Engine) is not { } metadata)
            {
                Assert.True(version.Pages is null || next is { Pages: null }, $"after a crash {file.Engine.Name} is gone");
                continue;
            }

            foreach (var extent in metadata.Extents)
            {
                for (long at = 0; at < extent.Length; at += DurableCell.WordDistance)
                {
                    long offset = extent.FileOffset + at;
                    ulong found = offset < metadata.Size ? image.ReadDevice(extent.DeviceOffset + at) : 0;
                    if (found != 0 && !Allows(version, offset, found) && (next is null || !Allows(next, offset, found)))
                    {
                        Assert.Fail($"after a crash {file.Engine.Name} (change {change}) has {found:x} at page {offset / Page}, word {offset % Page / DurableCell.WordDistance}; it may have {Allowed(version, offset)}");
                    }
                }
            }

            // What must be there, and is not zero.
            foreach (var (page, cell) in next is null ? version.Pages ?? [] : [])
            {
                for (int word = 0; word < DurableCell.Words; word++)
                {
                    long offset = (page * Page) + (word * DurableCell.WordDistance);
                    ulong found = offset < metadata.Size ? image.Read(file.Engine, offset) : cell.Now(word);
                    if (!cell.Allows(word, found))
                    {
                        Assert.Fail($"after a crash {file.Engine.Name} (change {change}) has {found:x} at page {page}, word {word}; it must have {cell.Allowed(word)}");
                    }
                }
            }
        }
    }

    private static bool Allows(DurableFile.Version version, long offset, ulong value) =>
        version.Pages?.GetValueOrDefault(offset / Page)?.Allows((int)(offset % Page / DurableCell.WordDistance), value) ?? false;

    private static string Allowed(DurableFile.Version version, long offset) =>
        version.Pages?.GetValueOrDefault(offset / Page)?.Allowed((int)(offset % Page / DurableCell.WordDistance)) ?? "0";

    private void End()
    {
        Storage.FailAt = -1;
        foreach (var file in _files.ToList())
        {
            Close(file);
        }

        _space.Exit();
        _machine.Reclaim();
        _machine.Audit().ThrowIfUnsound();
        Assert.Equal(1, _machine.FramesInUse);
        Assert.Equal(_device.Size, _device.FreeBytes + _device.RetiredBytes);
    }

    private static VirtualAddress AddressOf(DurableFile file, bool synchronous) =>
        At + (file.Engine.Name[0] * Room) + (synchronous ? Room / 2 : 0);

    private long RandomSize() => _random.Next(3) switch
    {
        0 => _random.NextInt64(1, 12) * Page,
        1 => _random.NextInt64(1, 4 * Mebi),
        _ => _random.NextInt64(1, 3) * 2 * Mebi,
    };

    // Near the beginning mostly, so that operations meet.
    private long RandomOffset(DurableFile file) => _random.Next(3) switch
    {
        0 => _random.NextInt64(0, Math.Max(1, file.End)),
        1 => Math.Max(0, file.End - 1 - _random.NextInt64(0, 4 * Page)),
        _ => _random.NextInt64(0, Math.Max(1, Math.Min(file.End, 6 * Page))),
    };

    private void Log(string what, Errno outcome)
    {
        _log.Add($"{what}: {outcome}{(Storage.HasFailed ? " (storage failed)" : "")}");
        string key = $"{what.Split(' ')[0]} {outcome}";
        Outcomes[key] = Outcomes.GetValueOrDefault(key) + 1;
    }
}
