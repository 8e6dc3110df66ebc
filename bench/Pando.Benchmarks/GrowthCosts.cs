using System.Diagnostics;
using System.Globalization;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Benchmarks;

/// <summary>
/// How the time of operations grows with what is there, over three doublings, and how long worlds of a million things take to
/// build: the numbers of docs/architecture.md, "How costs grow".
/// </summary>
/// <remarks>
/// Run by <c>dotnet run -c Release --project bench/Pando.Benchmarks -- growth</c>; minutes, and 8 GiB of memory. With
/// <c>growth quick</c>, an eighth of everything; with <c>growth waits</c>, only how long faults wait for changes of a layout; with
/// <c>growth only TEXT</c>, only the costs whose name has the text. What is done to n things is told in processor time, what is done to one in the median
/// of the time it takes, so that others may use the machine. Time is measured here and never tested: tests/Pando.Tests/Growth counts steps.
/// </remarks>
internal static class GrowthCosts
{
    private const long Page = X64.PageSize;
    private const long Block = 2L << 20;
    private const int Doublings = 3;

    private static readonly VirtualAddress At = new(1UL << 40);

    private static string _only = "";

    internal static int Run(string[] options)
    {
        int part = options.Contains("quick") ? 8 : 1;
        bool all = !options.Contains("waits");
        _only = options.SkipWhile(option => option != "only").Skip(1).FirstOrDefault("");
        if (all)
        {
            Costs(20_000 / part);
        }

        if (_only.Length > 0)
        {
            return 0;
        }

        Waits(20_000 / part);
        if (all)
        {
            Worlds(part);
        }

        return 0;
    }

    private static void Costs(int some)
    {
        Console.WriteLine("| what | n | time for n | 2n | 4n | 8n | exponent |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        All("CloneRange of n extents", some, Clone);
        All("stores that fill a sparse DAX file", some, Fill);
        All("spaces with a window each of one file", some / 2, Windows);
        All("migrate among n failed pages", some / 4, MigrateAmongFailed);
        All("CreateFile of n extents", some, (n, clock) => Extents(n, clock));
        All("migrate of n extents", some, (n, clock) => Extents(n, new Clock(), (world, _) => clock.Time(() => Does(world.Device.Migrate(0, 2L * n * Page)))));
        All("truncate of n extents", some, (n, clock) => Extents(n, new Clock(), (_, file) => clock.Time(() => Does(file.SetSize(0)))));
        All("n files in one space", some / 2, Files);
        All("areas mapped downwards", some, (n, clock) => Areas(n, clock, down: true));
        All("areas mapped upwards", some, (n, clock) => Areas(n, clock, down: false));
        One("mlock of one page among n areas", some, n => OfAreas(n, (space, at) => Does(space.LockMemory(at, Page)), (space, at) => Does(space.UnlockMemory(at, Page))));
        One("UserWriteProtect among n areas", some, n => OfAreas(n, (space, at) => Does(space.UserWriteProtect(at, Page, protect: true)), (space, at) => Does(space.UserWriteProtect(at, Page, protect: false)), handled: true));
        One("a fault on a hole among n extents", some, FaultAmongExtents);
        One("a punch among n extents", some, PunchAmongExtents);
        One("a page that fails among n extents", some, n => FailAmong(ScatteredExtents(n)));
        One("a page that fails among n files", some, n => FailAmong(ScatteredFiles(n)));
        One("migrate of 16 MiB among n extents", some, n => MigrateAmong(ScatteredExtents(n)), samples: 4);
        One("migrate of 16 MiB among n files", some, n => MigrateAmong(ScatteredFiles(n)), samples: 2);
        One("a punch beside n private mappings that diverged elsewhere", some / 4, PunchBesideDiverged);
        One("a punch among n mappings that share again", some / 4, PunchAmongConverged);
        One("a punch among n windows of a file", some / 4, PunchBesideWindows);
        One("a fault among n spaces on a file", some / 4, FaultAmongSpaces);
    }

    private static void Waits(int some)
    {
        Console.WriteLine();
        Console.WriteLine("| beside faults of another process | n extents, or pages | it takes | faults meanwhile | median | 99.9% | longest |");
        Console.WriteLine("|---|---|---|---|---|---|---|");
        foreach (int n in (int[])[some, 8 * some])
        {
            Beside("CloneRange", n, (clone, file) => Does(clone.CloneRange(file, 0, file.Size, 0)));
            Beside("CollapseRange of the first half", n, (_, file) => Does(file.CollapseRange(Block, file.Size / 2 & -Block)));
            Beside("PunchHole of all but a page", n, (_, file) => Does(file.PunchHole(Page, file.Size - Page)));
            Beside("truncation to a page", n, (_, file) => Does(file.SetSize(Page)));
        }

        foreach (int n in (int[])[4 * some, 32 * some])
        {
            BesideLeaves("CloneRange of what is all shown", n, (clone, file) => Does(clone.CloneRange(file, 0, file.Size, 0)));
            BesideLeaves("CollapseRange before what is all shown", n, (_, file) => Does(file.CollapseRange(Block, Block)));
            BesideLeaves("InsertRange before what is all shown", n, (_, file) => Does(file.InsertRange(Block, Block)));
            BesideLeaves("truncation of what is all shown", n, (_, file) => Does(file.SetSize(Page)));
        }
    }

    private static void Worlds(int part)
    {
        Console.WriteLine();
        Console.WriteLine("| built | of | time | each |");
        Console.WriteLine("|---|---|---|---|");
        Built("areas in a space", 1_000_000 / part, (n, clock) => Areas(n, clock, down: true));
        Built("extents in a file, at once", 1_000_000 / part, (n, clock) => Extents(n, clock));
        Built("extents in a file, by stores", 1_000_000 / part, Fill);
        Built("files in a space", 100_000 / part, Files);
        Built("spaces on a file", 1_000_000 / part, Spaces);
    }

    // ---- Of n things ----

    private static void Clone(int n, Clock clock) => Extents(n, new Clock(), (world, file) =>
    {
        var clone = world.Device.CreateFile("clone", file.Size, []);
        clock.Time(() => Does(clone.CloneRange(file, 0, file.Size, 0)));
    });

    /// <summary>Every other page, hither and thither, so that each is an extent.</summary>
    private static void Fill(int n, Clock clock)
    {
        using var world = new World(2L * n * Page, ram: 2L << 30);
        var sparse = world.Device.CreateFile("sparse", 2L * n * Page, [.. Enumerable.Range(0, (int)(2L * n * Page / Block)).Select(i => new FileExtent(i * Block, i * Block, Page))]);
        var space = Map(world.Machine, MapRequest.SharedFile(sparse, Rights.ReadWrite));
        clock.Time(() =>
        {
            for (long i = 0; i < n; i++)
            {
                Resolves(space, At + (2 * (i * 7919 % n) * Page), AccessKind.Write);
            }
        });
    }

    private static void Windows(int n, Clock clock)
    {
        using var world = new World(Block, ram: 2L << 30);
        var file = world.Machine.CreateMemoryFile("file", 4 * Block);
        var spaces = Enumerable.Range(0, n).Select(_ => world.Machine.CreateSpace()).ToList();
        clock.Time(() =>
        {
            for (int i = 0; i < n; i++)
            {
                MapWindow(spaces[i], file, i);
            }
        });
    }

    private static void MigrateAmongFailed(int n, Clock clock)
    {
        using var world = new World(8L * n * Page);
        var file = world.Device.CreateFile("file", 2L * n * Page);
        long start = file.Extents[0].DeviceOffset;
        for (long i = 0; i < n; i++)
        {
            Does(world.Device.Poison(start + (2 * i * Page)));
        }

        clock.Time(() => world.Device.Migrate(start, 2L * n * Page));
    }

    private static void Extents(int n, Clock clock, Action<World, DaxFile>? then = null)
    {
        using var world = new World(16L * n * Page, ram: 1L << 30);
        FileExtent[] extents = [.. Enumerable.Range(0, n).Select(i => new FileExtent(2L * i * Page, 2 * (i * 7919L % n) * Page, Page))];
        DaxFile file = null!;
        clock.Time(() => file = world.Device.CreateFile("file", 2L * n * Page, extents));
        then?.Invoke(world, file);
    }

    private static void Files(int n, Clock clock)
    {
        using var world = new World(Block, ram: 2L << 30);
        var files = Enumerable.Range(0, n).Select(_ => world.Machine.CreateMemoryFile("file", Page)).ToList();
        var space = world.Machine.CreateSpace();
        clock.Time(() => files.ForEach(file => Does(space.Map(MapRequest.SharedFile(file, Rights.Read)).Error)));
    }

    private static void Areas(int n, Clock clock, bool down)
    {
        using var world = new World(Block);
        var space = world.Machine.CreateSpace();
        clock.Time(() =>
        {
            for (long i = 0; i < n; i++)
            {
                MapArea(space, down ? n - i : i);
            }
        });
    }

    private static void Spaces(int n, Clock clock)
    {
        using var world = new World(4 * Block, ram: (n + (64L << 10)) * Page & -Block);
        var file = world.Device.CreateFile("file", 4 * Block);
        clock.Time(() =>
        {
            for (int i = 0; i < n; i++)
            {
                Resolves(Map(world.Machine, MapRequest.SharedFile(file, Rights.ReadWrite)), At, AccessKind.Write);
            }
        });
    }

    // ---- One among n ----

    private static (IDisposable World, Action Measured, Action Undo) OfAreas(
        int n, Action<AddressSpace, VirtualAddress> measured, Action<AddressSpace, VirtualAddress> undo, bool handled = false)
    {
        var world = new World(Block);
        var space = world.Machine.CreateSpace();
        for (int i = 0; i < n; i++)
        {
            MapArea(space, i);
        }

        var at = At + (n / 2 * 2 * Page);
        Resolves(space, at, AccessKind.Write);
        if (handled)
        {
            Does(space.RegisterUserFaults(at, Page, UserFaultModes.WriteProtect, new NoHandler()));
        }

        return (world, () => measured(space, at), () => undo(space, at));
    }

    private static (IDisposable World, Action Measured, Action Undo) FaultAmongExtents(int n) => AmongExtents(
        n,
        (file, space, at) => Resolves(space, At + at + Page, AccessKind.Write),
        (file, space, at) => Does(file.PunchHole(at + Page, Page)));

    private static (IDisposable World, Action Measured, Action Undo) PunchAmongExtents(int n) => AmongExtents(
        n,
        (file, space, at) => Does(file.PunchHole(at, Page)),
        (file, space, at) => Resolves(space, At + at, AccessKind.Write));

    private static (IDisposable World, Action Measured, Action Undo) AmongExtents(
        int n, Action<DaxFile, AddressSpace, long> measured, Action<DaxFile, AddressSpace, long> undo)
    {
        var world = new World(16L * n * Page);
        var file = world.Device.CreateFile("file", 2L * n * Page, [.. Enumerable.Range(0, n).Select(i => new FileExtent(2L * i * Page, 2L * i * Page, Page))]);
        var space = Map(world.Machine, MapRequest.SharedFile(file, Rights.ReadWrite));
        long at = n / 2 * 2 * Page;
        return (world, () => measured(file, space, at), () => undo(file, space, at));
    }

    /// <summary>A file of which every other page is an extent by itself, hither and thither on the device.</summary>
    private static (World World, int Pages) ScatteredExtents(int n)
    {
        var world = new World(16L * n * Page);
        world.Device.CreateFile("file", 2L * n * Page, [.. Enumerable.Range(0, n).Select(i => new FileExtent(2L * i * Page, 2 * (i * 7919L % n) * Page, Page))]);
        return (world, 2 * n);
    }

    private static (World World, int Pages) ScatteredFiles(int n)
    {
        var world = new World(8L * n * Page);
        for (int i = 0; i < n; i++)
        {
            world.Device.CreateFile("file", Page);
        }

        return (world, n);
    }

    /// <summary>One page after the other.</summary>
    private static (IDisposable World, Action Measured, Action Undo) FailAmong((World World, int Pages) all)
    {
        long at = 0;
        return (
            all.World,
            () =>
            {
                at = (at + 7918) % all.Pages;
                Does(all.World.Device.Poison(at * Page));
            },
            () => { });
    }

    /// <summary>One 16 MiB after the other.</summary>
    private static (IDisposable World, Action Measured, Action Undo) MigrateAmong((World World, int Pages) all)
    {
        const long Length = 16L << 20;
        long at = -Length;
        return (all.World, () => Does(all.World.Device.Migrate(at += Length, Length)), () => { });
    }

    private static (IDisposable World, Action Measured, Action Undo) PunchBesideDiverged(int n) => AmongMappings(n, 3 * Block, (space, file) =>
    {
        Map(space, MapRequest.PrivateFile(file, Rights.ReadWrite));
        Resolves(space, At, AccessKind.Write);
    });

    private static (IDisposable World, Action Measured, Action Undo) PunchAmongConverged(int n) => AmongMappings(n, 0, (space, file) =>
    {
        Map(space, MapRequest.SharedFile(file, Rights.ReadWrite));
        Does(space.Protect(At + Page, Page, Rights.None));
        Resolves(space, At, AccessKind.Write);
        Does(space.Protect(At + Page, Page, Rights.ReadWrite));
    });

    private static (IDisposable World, Action Measured, Action Undo) PunchBesideWindows(int n)
    {
        int i = 0;
        return AmongMappings(n, 3 * Block, (space, file) => MapWindow(space, file, i++));
    }

    private static (IDisposable World, Action Measured, Action Undo) FaultAmongSpaces(int n)
    {
        var (world, _, _) = AmongMappings(n, 0, (space, file) => Map(space, MapRequest.SharedFile(file, Rights.ReadWrite)));
        var file = world.File!;
        var space = Map(world.Machine, MapRequest.SharedFile(file, Rights.ReadWrite));
        return (world, () => Resolves(space, At + (2 * Block), AccessKind.Write), () => Does(file.PunchHole(2 * Block, Page)));
    }

    private static (World World, Action Measured, Action Undo) AmongMappings(int n, long punched, Action<AddressSpace, MemoryFile> map)
    {
        var world = new World(Block, ram: 4L << 30);
        var file = world.Machine.CreateMemoryFile("file", 4 * Block);
        world.File = file;
        for (int i = 0; i < n; i++)
        {
            map(world.Machine.CreateSpace(), file);
        }

        var toucher = Map(world.Machine, MapRequest.SharedFile(file, Rights.ReadWrite));
        Resolves(toucher, At + punched, AccessKind.Write);
        return (world, () => Does(file.PunchHole(punched, Page)), () => Resolves(toucher, At + punched, AccessKind.Write));
    }

    // ---- Measuring ----

    private static void All(string what, int n, Action<int, Clock> run)
    {
        if (!what.Contains(_only, StringComparison.Ordinal))
        {
            return;
        }

        var times = new List<double>();
        Time(Math.Max(1, n / 16));
        for (int doubling = 0; doubling <= Doublings; doubling++)
        {
            times.Add(Time(n << doubling));
        }

        Report(what, n, times);

        double Time(int size)
        {
            GC.Collect();
            var clock = new Clock();
            run(size, clock);
            return clock.Seconds;
        }
    }

    /// <summary>The median of many; before them, as many are made that do not count.</summary>
    private static void One(string what, int n, Func<int, (IDisposable World, Action Measured, Action Undo)> build, int samples = 201)
    {
        if (!what.Contains(_only, StringComparison.Ordinal))
        {
            return;
        }

        var times = new List<double>();
        for (int doubling = 0; doubling <= Doublings; doubling++)
        {
            var (world, measured, undo) = build(n << doubling);
            using var ends = world;
            GC.Collect();
            double[] all = new double[samples];
            for (int i = -samples; i < samples; i++)
            {
                long before = Stopwatch.GetTimestamp();
                measured();
                double time = Stopwatch.GetElapsedTime(before).TotalSeconds;
                if (i >= 0)
                {
                    all[i] = time;
                }

                undo();
            }

            Array.Sort(all);
            times.Add(all[samples / 2]);
        }

        Report(what, n, times);
    }

    /// <summary>A change of a file of n extents, and how long faults of the file's first page take meanwhile.</summary>
    private static void Beside(string what, int n, Action<DaxFile, DaxFile> change) => Extents(n, new Clock(), (world, file) => Beside(what, n, world, file, change));

    /// <summary>The same of a file of n pages in one piece, of each of which a process has a small leaf.</summary>
    private static void BesideLeaves(string what, int n, Action<DaxFile, DaxFile> change)
    {
        using var world = new World(4L * n * Page, ram: 1L << 30, largePages: false);
        var file = world.Device.CreateFile("file", n * Page & -Block);
        Does(Map(world.Machine, MapRequest.SharedFile(file, Rights.ReadWrite)).Advise(At, file.Size, Advice.PopulateWrite));
        Beside(what, n, world, file, change);
    }

    private static void Beside(string what, int n, World world, DaxFile file, Action<DaxFile, DaxFile> change)
    {
        var clone = world.Device.CreateFile("clone", file.Size, []);
        var space = Map(world.Machine, MapRequest.SharedFile(file, Rights.ReadWrite));
        var times = new List<double>(8_000_000);
        bool begun = false, ended = false;
        var thread = new Thread(() =>
        {
            while (!Volatile.Read(ref ended))
            {
                long before = Stopwatch.GetTimestamp();
                Resolves(space, At, AccessKind.Read);
                times.Add(Stopwatch.GetElapsedTime(before).TotalSeconds);
                Volatile.Write(ref begun, times.Count > 1000);
            }
        });
        thread.Start();
        SpinWait.SpinUntil(() => Volatile.Read(ref begun));
        int first = times.Count;
        long start = Stopwatch.GetTimestamp();
        change(clone, file);
        double taken = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Volatile.Write(ref ended, true);
        thread.Join();
        times.RemoveRange(0, first);
        times.Sort();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {what} | {n:N0} | {Text(taken)} | {times.Count:N0} | {Text(times[times.Count / 2])} | {Text(times[(int)(times.Count * 0.999)])} | {Text(times[^1])} |"));
    }

    private static void Built(string what, int n, Action<int, Clock> run)
    {
        GC.Collect();
        var clock = new Clock();
        run(n, clock);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {n:N0} | {Text(clock.Seconds)} | {Text(clock.Seconds / n)} |"));
    }

    private static void Report(string what, int n, List<double> times)
    {
        double exponent = Math.Log2(times[^1] / times[0]) / Doublings;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {n:N0} | {string.Join(" | ", times.Select(Text))} | {exponent:F2} |"));
    }

    private static string Text(double seconds) => seconds switch
    {
        >= 1 => seconds.ToString("F1", CultureInfo.InvariantCulture) + " s",
        >= 1e-3 => (seconds * 1e3).ToString("F1", CultureInfo.InvariantCulture) + " ms",
        _ => (seconds * 1e6).ToString("F2", CultureInfo.InvariantCulture) + " µs",
    };

    private static void MapArea(AddressSpace space, long i) =>
        Does(space.Map(MapRequest.Anonymous(Page, Rights.ReadWrite) with { Address = At + (2 * i * Page), Placement = MapPlacement.Fixed }).Error);

    /// <summary>One of many windows that begin and end in the first two blocks of a file.</summary>
    private static void MapWindow(AddressSpace space, MemoryFile file, int i)
    {
        long first = i % 400;
        long last = 512 + (i / 400);
        var at = At + (first * Page);
        Does(space.Map(MapRequest.SharedFile(file, Rights.Read) with { Offset = first * Page, Length = (last - first) * Page, Address = at, Placement = MapPlacement.Fixed }).Error);
        Resolves(space, At + (450 * Page), AccessKind.Read);
    }

    private static AddressSpace Map(Machine machine, MapRequest request)
    {
        var space = machine.CreateSpace();
        Map(space, request);
        return space;
    }

    private static void Map(AddressSpace space, MapRequest request) =>
        Does(space.Map(request with { Address = At, Placement = MapPlacement.Fixed }).Error);

    private static void Resolves(AddressSpace space, VirtualAddress at, AccessKind access)
    {
        var result = space.Fault(at, access);
        if (!result.IsResolved)
        {
            throw new InvalidOperationException($"A fault at {at} ended with {result.Kind}.");
        }
    }

    private static void Does(Errno error)
    {
        if (error != Errno.None)
        {
            throw new InvalidOperationException($"An operation failed: {error}.");
        }
    }

    /// <summary>Processor time of this process, the garbage collector's included: others may use the machine.</summary>
    private sealed class Clock
    {
        private TimeSpan _time;

        public double Seconds => _time.TotalSeconds;

        public void Time(Action action)
        {
            var before = Environment.CpuUsage.TotalTime;
            action();
            _time += Environment.CpuUsage.TotalTime - before;
        }
    }

    private sealed class NoHandler : IUserFaultHandler
    {
        public bool Handle(AddressSpace space, VirtualAddress page, UserFaultKind kind, AccessKind access) => false;
    }

    private sealed class World : IDisposable
    {
        public World(long device, long ram = 512L << 20, bool largePages = true)
        {
            Machine = new Machine(new MachineOptions { Ram = ram, LargePages = largePages });
            Device = Machine.AddPmem(Math.Max(device, 64L << 20), PmemBacking.None);
        }

        public Machine Machine { get; }

        public PmemDevice Device { get; }

        public MemoryFile? File { get; set; }

        public void Dispose() => Machine.Dispose();
    }
}
