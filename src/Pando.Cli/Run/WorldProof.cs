using System.Diagnostics;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Cli.Run;

/// <summary>
/// Proves a world right from outside: processors store through some processes and load through others, at
/// addresses spread over all of the memory; then the auditor walks everything.
/// </summary>
internal sealed class WorldProof
{
    private const int MostSamples = 1024;
    private const int MostSpaces = 64;
    private const int ReadersPerSample = 3;

    private readonly World _world;
    private readonly PmemFile? _pmem;
    private readonly SoftwareProcessor _writer;
    private readonly SoftwareProcessor _reader;
    private readonly long[] _offsets;
    private readonly AddressSpace[] _spaces;
    private readonly bool _hasBytes;
    private int _loads;
    private int _wrong;
    private string? _firstWrong;

    private WorldProof(World world, PmemFile? pmem)
    {
        _world = world;
        _pmem = pmem;
        _writer = world.Machine.AddProcessor();
        _reader = world.Machine.AddProcessor();
        _hasBytes = world.Device.Backing != PmemBacking.None;
        _offsets = SampleOffsets(world.Plan.Options.Memory, world.Plan.Options.Format.Geometry.PageSize);
        int spaces = Math.Min(MostSpaces, world.Spaces.Length);
        _spaces = [.. Enumerable.Range(0, spaces).Select(i => world.Spaces[(int)((long)i * (world.Spaces.Length - 1) / Math.Max(1, spaces - 1))])];
    }

    public static ProofReport Prove(World world, PmemFile? pmem, IRunProgress progress, CancellationToken cancellation) =>
        new WorldProof(world, pmem).Run(progress, cancellation);

    private ProofReport Run(IRunProgress progress, CancellationToken cancellation)
    {
        string share = _world.Plan.Share.Describe;
        int steps = _spaces.Length * (1 + ReadersPerSample);
        progress.Begin(FormattableString.Invariant($"{share}: processors store through one process and load through others"), steps);
        long faults = CountFaults();

        // Process by process, as processors would: all stores first, then the loads.
        for (int i = 0; i < _spaces.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            StoreThrough(i);
            progress.Advance(1);
        }

        long storeFaults = CountFaults() - faults;
        for (int round = 1; round <= ReadersPerSample; round++)
        {
            for (int i = 0; i < _spaces.Length; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                LoadThrough(i, round);
                progress.Advance(1);
            }
        }

        long loadFaults = CountFaults() - faults - storeFaults;
        int? inFile = _pmem is null ? null : CountInFile(_pmem);
        progress.Begin($"{share}: the auditor checks every table", 1);
        long begin = Stopwatch.GetTimestamp();
        var audit = _world.Machine.Audit();
        var seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        return new ProofReport(
            _spaces.Length,
            _offsets.Length,
            _loads,
            _offsets.Min(),
            _offsets.Max(),
            storeFaults,
            loadFaults,
            _wrong,
            _firstWrong,
            _hasBytes,
            inFile,
            audit.SpaceTables + audit.FileTables,
            audit.Slots,
            audit.Leaves,
            seconds,
            audit.Violations);
    }

    /// <summary>One word in each of equal parts of the memory, at a place in it that differs from part to part.</summary>
    private static long[] SampleOffsets(long memory, long page)
    {
        const int Word = sizeof(ulong);
        long count = Math.Min(MostSamples, memory / page);
        long part = memory / count / Word * Word;
        long[] offsets = new long[count];
        for (int i = 0; i < count; i++)
        {
            // The first word of all and the last of all, and between them anywhere.
            long within = i == 0 ? 0 : i == count - 1 ? memory - (i * part) - Word : (long)(Mix((ulong)i) % (ulong)(part / Word)) * Word;
            offsets[i] = (i * part) + within;
        }

        return offsets;
    }

    /// <summary>What is stored at an offset; differs by world, so that no world finds what another has left in a file.</summary>
    private ulong WordFor(long offset) => Mix((ulong)offset ^ ((ulong)(_world.Plan.Share.Level + 1) << 60));

    private void StoreThrough(int space)
    {
        _writer.Switch(_spaces[space]);
        for (int i = space; i < _offsets.Length; i += _spaces.Length)
        {
            var address = _world.Start + _offsets[i];
            if (_hasBytes)
            {
                Expect(_writer.TryWrite(address, WordFor(_offsets[i])), "store", address);
            }
            else
            {
                CheckTranslation(_writer, AccessKind.Write, _offsets[i]);
            }
        }

        _writer.Switch(null);
    }

    private void LoadThrough(int space, int round)
    {
        // In each round the samples of another process: the next, and then others further and further away.
        int written = (space + (round * round)) % _spaces.Length;
        _reader.Switch(_spaces[space]);
        for (int i = written; i < _offsets.Length; i += _spaces.Length)
        {
            _loads++;
            var address = _world.Start + _offsets[i];
            if (!_hasBytes)
            {
                CheckTranslation(_reader, AccessKind.Read, _offsets[i]);
            }
            else if (Expect(_reader.TryRead(address, out ulong word), "load", address) && word != WordFor(_offsets[i]))
            {
                Wrong($"{_spaces[space]} loads 0x{word:x16} at {address}, stored was 0x{WordFor(_offsets[i]):x16}");
            }
        }

        _reader.Switch(null);
    }

    private void CheckTranslation(SoftwareProcessor processor, AccessKind access, long offset)
    {
        var address = _world.Start + offset;
        if (Expect(processor.TryTranslate(address, access, out var physical), "translation", address)
            && physical != _world.File.Locate(offset))
        {
            Wrong($"{address} leads to {physical}, the file's offset 0x{offset:x} lies at {_world.File.Locate(offset)}");
        }
    }

    private int CountInFile(PmemFile pmem)
    {
        _world.Device.Sync(0, _world.Device.Size);
        int found = 0;
        foreach (long offset in _offsets)
        {
            // The world's file lies on the device in one piece, from its start.
            ulong word = pmem.ReadWord(_world.File.Extents[0].DeviceOffset + offset);
            if (word == WordFor(offset))
            {
                found++;
            }
            else
            {
                Wrong($"'{pmem.Path}' has 0x{word:x16} at offset 0x{offset:x}, stored was 0x{WordFor(offset):x16}");
            }
        }

        return found;
    }

    private bool Expect(AccessResult result, string what, VirtualAddress address)
    {
        if (!result.IsCompleted)
        {
            Wrong($"a {what} at {address} failed: {result}");
        }

        return result.IsCompleted;
    }

    private void Wrong(string what)
    {
        _wrong++;
        _firstWrong ??= what;
    }

    private long CountFaults()
    {
        var machine = _world.Machine;
        return machine.Count(TableEvent.FaultPopulated)
            + machine.Count(TableEvent.FaultAttached)
            + machine.Count(TableEvent.FaultWriteEnabled)
            + machine.Count(TableEvent.FaultCopied)
            + machine.Count(TableEvent.FaultSpurious)
            + machine.Count(TableEvent.FaultFailed);
    }

    // The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): every bit of the result depends on every bit of the word.
    private static ulong Mix(ulong word)
    {
        word += 0x9e3779b97f4a7c15;
        word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
        word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
        return word ^ (word >> 31);
    }
}
