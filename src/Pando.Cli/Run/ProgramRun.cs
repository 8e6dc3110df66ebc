using System.Diagnostics;
using System.Runtime.InteropServices;
using Pando.Files;
using Pando.Kvm.Engine;
using Pando.Kvm.Guests;

namespace Pando.Cli.Run;

/// <summary>
/// Runs one program in every process of a world: it reads a word of each of the first 512 pages (a GiB in 2 MiB pages), and adds
/// 1 to the word behind it. So the sum of all reads is known, and each counter must end at the number of processes.
/// </summary>
internal sealed class ProgramRun
{
    private const int MostPages = 512;
    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(60);

    private readonly World _world;
    private readonly int _pages;
    private readonly long _stride;
    private int _wrong;
    private string? _firstWrong;

    private ProgramRun(World world)
    {
        _world = world;
        _stride = world.Plan.Options.PageSize;
        _pages = (int)Math.Min(MostPages, world.Plan.Options.Memory / _stride);
    }

    public static ProgramReport Run(World world, PmemFile? pmem, IRunProgress progress, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        string why = world.Processor.Why;
        if (world.Device.Backing == PmemBacking.None)
        {
            return new ProgramReport("", "the memory has no bytes that it could read", "", 0, 0, 0, 0, 0, 0, 0, null, 0, null);
        }

        progress.Begin($"{world.Plan.Share.Describe}: a program runs in every process", world.Spaces.Length);
        var run = new ProgramRun(world);
        ulong sum = run.Prepare();
        var round = world.Kvm is { } kvm
            ? kvm.ReadAndCount(world.Spaces, world.Start, run._stride, run._pages, _limit, ended => progress.Advance(ended), cancellation)
            : run.InSoftware(progress, cancellation);
        run.Check(round, sum);
        int? inFile = pmem is null ? null : run.CountInFile(pmem);
        var report = new ProgramReport(
            world.Kvm is null ? "software" : "kvm",
            why,
            world.Kvm is null ? "" : world.Kvm.Translation == TranslationKind.Shadow ? "shadow" : "tables",
            world.Kvm?.ProcessorCount ?? 1,
            round.Spaces,
            run._pages,
            2L * round.Spaces * run._pages,
            round.Faults,
            round.FaultTime.TotalSeconds,
            round.Elapsed.TotalSeconds,
            inFile,
            run._wrong,
            run._firstWrong);

        // What follows measures the engine alone.
        world.StopProcessors();
        return report;
    }

    private long OffsetOf(int page) => page * _stride;

    private static ulong WordOf(int page) => ((ulong)page * 0x9e37_79b9_7f4a_7c15) + 1;

    private ref ulong At(long offset) =>
        ref MemoryMarshal.AsRef<ulong>(_world.Machine.Memory.Bytes(_world.File.Locate(offset)!.Value, sizeof(ulong)));

    /// <summary>Puts the words there, and counters of 0; gives the words' sum.</summary>
    private ulong Prepare()
    {
        ulong sum = 0;
        for (int page = 0; page < _pages; page++)
        {
            At(OffsetOf(page)) = WordOf(page);
            At(OffsetOf(page) + sizeof(ulong)) = 0;
            sum += WordOf(page);
        }

        return sum;
    }

    private RoundReport InSoftware(IRunProgress progress, CancellationToken cancellation)
    {
        var processor = _world.Machine.AddProcessor();
        long faults = 0;
        ulong sum = 0;
        int spaces = 0;
        var failures = new List<string>();
        long begin = Stopwatch.GetTimestamp();
        foreach (var space in _world.Spaces)
        {
            cancellation.ThrowIfCancellationRequested();
            processor.Switch(space);
            bool ended = true;
            for (int page = 0; page < _pages && ended; page++)
            {
                var address = _world.Start + OffsetOf(page);
                var result = processor.TryRead(address, out ulong word);
                sum += word;
                result = result.IsCompleted ? processor.TryAdd(address + sizeof(ulong), 1, out _) : result;
                ended = result.IsCompleted;
                if (!ended)
                {
                    failures.Add($"{space}: {result}");
                }
            }

            spaces += ended ? 1 : 0;
            progress.Advance(1);
        }

        processor.Switch(null);
        faults += processor.Counters.Faults;
        var elapsed = Stopwatch.GetElapsedTime(begin);
        return new RoundReport(spaces, sum, faults, TimeSpan.Zero, 0, elapsed, elapsed, failures);
    }

    private void Check(RoundReport round, ulong sum)
    {
        foreach (string failure in round.Failures)
        {
            Wrong($"the program did not come to its end: {failure}");
        }

        ulong expected = unchecked(sum * (ulong)_world.Spaces.Length);
        if (round.Sum != expected)
        {
            Wrong($"the program's reads add up to 0x{round.Sum:x}, the words in memory to 0x{expected:x}");
        }

        for (int page = 0; page < _pages; page++)
        {
            ulong count = At(OffsetOf(page) + sizeof(ulong));
            if (count != (ulong)_world.Spaces.Length)
            {
                Wrong(FormattableString.Invariant($"the counter at offset 0x{OffsetOf(page) + 8:x} is at {count}, {_world.Spaces.Length} processes have counted"));
            }
        }
    }

    private int CountInFile(PmemFile pmem)
    {
        _world.Device.Sync(0, _world.Device.Size);
        int found = 0;
        for (int page = 0; page < _pages; page++)
        {
            // The world's file lies on the device in one piece, from its start.
            ulong count = pmem.ReadWord(_world.File.Extents[0].DeviceOffset + OffsetOf(page) + sizeof(ulong));
            if (count == (ulong)_world.Spaces.Length)
            {
                found++;
            }
            else
            {
                Wrong(FormattableString.Invariant($"'{pmem.Path}' has the counter {count} at offset 0x{OffsetOf(page) + 8:x}, {_world.Spaces.Length} processes have counted"));
            }
        }

        return found;
    }

    private void Wrong(string what)
    {
        _wrong++;
        _firstWrong ??= what;
    }
}
