#if PANDO_CHECKED // The ordinary build has no schedule points.
using System.Globalization;
using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Formats;
using Pando.Tests.Support;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>
/// Operations taken by chance, two or three threads with one or two each, under some schedules: whatever they do, the
/// auditor finds the machine sound, and all comes back. PANDO_SCHEDULES multiplies the scenarios, PANDO_SCHEDULES_SEED
/// moves the first one's seed.
/// </summary>
#pragma warning disable CA5394 // A test wants a sequence that it can have again.
public class RandomRaces
{
    private const int Scenarios = 40;
    private const int SchedulesEach = 60;
    private static readonly SharingLevels[] Sharings = [SharingLevels.UpTo1GiB, SharingLevels.UpTo1GiB, SharingLevels.All, SharingLevels.UpTo2MiB, SharingLevels.None];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Any_operations_at_once_leave_a_sound_machine(int half) => Explore(half, nameof(Make), Make);

    /// <summary>
    /// The same while one call of an allocation, of storage or of a user-fault handler fails, or all from one on: whoever meets it
    /// gives back all that it holds, and the same operations succeed when no call fails any more.
    /// </summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Any_operations_at_once_leave_a_sound_machine_when_calls_fail(int third)
    {
        var failed = new SortedDictionary<string, long>(StringComparer.Ordinal);
        Explore(third, nameof(MakeFailing), seed => MakeFailing(seed, failed));
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join(", ", failed.Select(pair => $"{pair.Value:N0} times {pair.Key}")));
        Assert.Equal(["a call of a handler", "a call of storage", "an allocation"], failed.Keys);
    }

    private static void Explore(int half, string maker, Func<int, Scenario> make)
    {
        int count = Scenarios * Explorer.Factor / 2;
        int first = Setting("PANDO_SCHEDULES_SEED", 1) + (half * count);
        int schedules = 0;
        for (int seed = first; seed < first + count; seed++)
        {
            int scenario = seed;
            var result = Explorer.Find(() => make(scenario), SchedulesEach, seed: scenario, name: $"() => RandomRaces.{maker}({scenario})");
            schedules += result.Schedules;
            Assert.True(result.Failure is null, $"{Describe(scenario, maker == nameof(MakeFailing))}{Environment.NewLine}{result.Failure}");
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{count:N0} scenarios from seed {first} on, {schedules:N0} schedules");
    }

    /// <summary>The scenario of a seed.</summary>
    internal static Scenario Make(int seed) => Begin(seed).Make();

    /// <summary>The scenario of a seed, with calls that fail.</summary>
    internal static Scenario MakeFailing(int seed, IDictionary<string, long>? failed = null) => Begin(seed).MakeFailing(seed, failed);

    private static Chance Begin(int seed)
    {
        var random = new Random(seed);

        // Every third on a format without rights in slots, whose marks are set by faults; every seventh on one of 64 KiB pages.
        EntryFormat? format = seed % 3 == 0 ? ToyRiscV.Sv48 : seed % 7 == 0 ? ToyLargeGranule.Instance : null;
        return new Chance(random, new RaceWorld(Sharings[random.Next(Sharings.Length)], largePages: random.Next(3) == 0, format: format, largestPages: seed % 5 == 0 && format is not ToyLargeGranule));
    }

    private static string Describe(int seed, bool fails)
    {
        var chance = Begin(seed);
        (fails ? chance.MakeFailing(seed, failed: null) : chance.Make()).World?.Dispose();
        return $"Scenario {seed}: {string.Join("; ", chance.Names)}";
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.Integer, CultureInfo.InvariantCulture, out int value) ? value : otherwise;

    /// <summary>Which calls fail.</summary>
    private enum Failing
    {
        All,
        Allocations,
        Storage,
        Handlers,
    }

    /// <summary>One scenario in the making.</summary>
    private sealed class Chance(Random random, RaceWorld world)
    {
        private readonly long _page = world.Machine.Format.Geometry.PageSize;
        private readonly long _unit = world.Unit;
        private readonly long[] _pages = PagesOf(world.Machine.Format.Geometry.PageSize, world.Unit);

        private readonly Random _random = random;
        private readonly RaceWorld _world = world;
        private readonly FillingHandler _handler = new();
        private readonly List<Func<object?>> _operations = [];
        // Operations that call storage.
        private static readonly int[] OfStorage = [15, 17, 18, 19, 20, 23];
        private const int Store = 5;

        private Failing? _fails;
        private MappedFile[] _files = [];
        private DaxFile[] _daxFiles = [];
        private (AddressSpace Space, SoftwareProcessor Processor)[] _spaces = [];

        /// <summary>What the threads do, in words.</summary>
        public List<string> Names { get; } = [];

        private static long[] PagesOf(long page, long unit) => [0, page, 2 * page, 2 * unit, (2 * unit) + page];

        public Scenario Make() => _world.Race(() => { }, Threads());

        /// <summary>With calls that fail while the threads run.</summary>
        /// <param name="number">The number of the scenario, by which the calls that fail are of this kind or that.</param>
        /// <param name="failed">How many calls of which kind have failed; added to.</param>
        public Scenario MakeFailing(int number, IDictionary<string, long>? failed)
        {
            _fails = (Failing)(number % 4);
            var threads = Threads();
            bool isOver = false;
            int failAt = _random.Next(_fails < Failing.Storage ? 12 : 2);
            bool onwards = _random.Next(2) == 0;
            int asked = 0;
            RegisterSome();
            _world.Machine.Store.Omissions[OmittedStep.Allocation] = _fails is Failing.All or Failing.Allocations ? () => Fails("an allocation") : null;
            _world.Storage!.FailNext = _fails is Failing.All or Failing.Storage ? () => Fails("a call of storage") : null;
            _handler.FailNext = _fails is Failing.All or Failing.Handlers ? () => Fails("a call of a handler") : null;
            return _world.Race(
                () =>
                {
                    isOver = true;
                    for (int i = 0; i < _operations.Count; i++)
                    {
                        object? outcome = _operations[i]();
                        Assert.False(outcome is Errno.EIO or FaultKind.OutOfMemory or FaultKind.BusError, $"{Names[i]} again, when no call fails any more: {outcome}");
                    }
                },
                threads);

            bool Fails(string kind)
            {
                bool fails = !isOver && asked++ is var call && (call == failAt || (onwards && call > failAt));
                if (fails && failed is not null)
                {
                    failed[kind] = (failed.TryGetValue(kind, out long count) ? count : 0) + 1;
                }

                return fails;
            }
        }

        /// <summary>What is not a file of a device goes to a handler, which gives what would be there without it.</summary>
        private void RegisterSome()
        {
            foreach (var (space, _) in _spaces)
            {
                foreach (var area in _world.Machine.Spaces.Contains(space) ? space.Areas : [])
                {
                    var modes = area.File switch
                    {
                        null => UserFaultModes.Missing | UserFaultModes.WriteProtect,
                        MemoryFile when area.Shared && (area.Rights & Rights.Write) != 0 => _random.Next(2) == 0 ? UserFaultModes.Missing : UserFaultModes.Missing | UserFaultModes.Minor | UserFaultModes.WriteProtect,
                        _ => UserFaultModes.None,
                    };
                    if (modes != UserFaultModes.None && space.RegisterUserFaults(area.Range.Start, area.Range.Length, modes, _handler) == Errno.None
                        && (modes & UserFaultModes.WriteProtect) != 0)
                    {
                        Succeeds(space.UserWriteProtect(area.Range.Start, area.Range.Length, protect: true));
                    }
                }
            }
        }

        private Action[] Threads()
        {
            _daxFiles = [_world.DaxFile(), _world.Holes(2 * _unit)];
            _files = [.. _daxFiles, _world.MemoryFile()];
            var main = _files[_random.Next(_fails == Failing.Storage ? _daxFiles.Length : _files.Length)];
            _spaces = [.. Enumerable.Range(0, 3).Select(_ =>
            {
                var space = _world.Machine.CreateSpace();
                var rights = _random.Next(4) == 0 ? Rights.Read : Rights.ReadWrite;
                Map(space, _random.Next(2) == 0 ? MapRequest.SharedFile(main, rights) : MapRequest.PrivateFile(main, rights));
                Map(space, MapRequest.Anonymous(_unit, Rights.ReadWrite), 8 * _unit);
                return (space, _world.Processor(space));
            })];
            for (int i = _random.Next(6); i > 0; i--)
            {
                One(processors: _spaces.Length)();
            }

            if (_fails == Failing.Storage)
            {
                foreach (long at in (ReadOnlySpan<long>)[0, _page])
                {
                    _spaces[0].Processor.TryWrite(At + at, (byte)1);
                }
            }

            Names.Clear();
            _operations.Clear();
            int threads = 2 + _random.Next(2);
            return [.. Enumerable.Range(0, threads).Select(thread =>
            {
                // Each thread drives its own processor.
                var operations = Enumerable.Range(0, 1 + _random.Next(2)).Select(number => One(thread, number == 0 && _fails >= Failing.Storage)).ToArray();
                return (Action)(() => Array.ForEach(operations, operation => operation()));
            })];
        }

        /// <param name="processors">The number of the thread whose processor it is; past the last: any.</param>
        /// <param name="calls">Whether it is one that comes to calls that are to fail.</param>
        private Func<object?> One(int processors, bool calls = false)
        {
            var (space, _) = _spaces[_random.Next(_spaces.Length)];
            var processor = _spaces[processors < _spaces.Length ? processors : _random.Next(_spaces.Length)].Processor;
            long at = _pages[_random.Next(_pages.Length)] + (_random.Next(4) == 0 || (calls && _fails == Failing.Handlers) ? 8 * _unit : 0);
            long length = _random.Next(3) == 0 ? 2 * _unit : _page;
            var file = _files[_random.Next(_files.Length)];
            var (dax, other) = (_daxFiles[_random.Next(2)], _daxFiles[_random.Next(2)]);
            long offset = _pages[_random.Next(_pages.Length)];
            var request = _random.Next(2) == 0 ? MapRequest.SharedFile(file, Rights.ReadWrite) : MapRequest.PrivateFile(file, Rights.ReadWrite);
            long part = offset + 100;
            int operation = !calls ? _random.Next(24) : _fails == Failing.Storage ? OfStorage[_random.Next(OfStorage.Length)] : Store;
            return operation switch
            {
                0 or 1 => Named($"read {space} {at:x}", () => Outcome(space, at, space.Fault(At + at, AccessKind.Read).Kind)),
                2 or 3 => Named($"write {space} {at:x}", () => Outcome(space, at, space.Fault(At + at, AccessKind.Write).Kind)),
                4 => Named($"load {at:x}", () => processor.TryRead(At + at, out byte _).Outcome),
                5 or 6 => Named($"store {at:x}", () => processor.TryWrite(At + at, (byte)1).Outcome),
                7 => Named($"unmap {space} {at:x}+{length:x}", () => space.Unmap(At + at, length)),
                8 => Named($"map {space} {at:x}+{length:x} {file.Name} {offset:x} shared {request.Shared}", () => space.Map(request with { Address = At + at, Placement = MapPlacement.Fixed, Offset = offset, Length = length }).Error),
                9 => Named($"protect {space} {at:x}+{length:x}", () => space.Protect(At + at, length, Rights.Read)),
                10 => Named($"unprotect {space} {at:x}+{length:x}", () => space.Protect(At + at, length, Rights.ReadWrite)),
                11 => Named($"fork {space}", () => space.Fork() is null ? FaultKind.OutOfMemory : null),
                12 => Named($"exit {space}", () => Nothing(space.Exit)),
                13 => Named("reclaim", () => _world.Machine.Reclaim()),
                14 => Named($"punch {file.Name} {offset:x}+{length:x}", () => OfFile(file.PunchHole(offset, length))),
                15 => Named($"punch {file.Name} {part:x}", () => OfFile(file.PunchHole(part, 50))),
                16 => Named($"size {file.Name} {offset:x}", () => OfFile(file.SetSize(offset))),
                17 => Named($"size {file.Name} {part:x}", () => OfFile(file.SetSize(part))),
                18 => Named($"write back {dax.Name}", () => OfFile(dax.WriteBack())),
                19 => Named($"migrate {offset:x}+{length:x}", () => OfFile(_world.Device.Migrate(offset, length))),
                20 => Named($"clone {other.Name} to {dax.Name} {offset:x}+{length:x}", () => OfFile(dax.CloneRange(other, offset, length, offset))),
                21 => Named($"don't need {space} {at:x}+{length:x}", () => space.Advise(At + at, length, Advice.DontNeed)),
                22 => Named($"move {space} {at:x}+{length:x}", () => space.Remap(At + at, length, length, RemapFlags.MayMove | RemapFlags.Fixed, At + at + (16 * _unit)).Error),
                _ => _random.Next(2) == 0
                    ? Named($"collapse {dax.Name} {offset:x}", () => OfFile(dax.CollapseRange(offset, _page)))
                    : Named($"insert {dax.Name} {offset:x}", () => OfFile(dax.InsertRange(offset, _page))),
            };
        }

        private Func<object?> Named(string name, Func<object?> operation)
        {
            Names.Add(name);
            _operations.Add(Attempted);
            return Attempted;

            object? Attempted()
            {
                try
                {
                    return operation();
                }
                catch (ObjectDisposedException)
                {
                    // The space has ended.
                    return null;
                }
                catch (HandlerFailedException)
                {
                    return FaultKind.BusError;
                }
            }
        }

        /// <summary>A fault's outcome; null where it is a bus error that no failure is needed for.</summary>
        private object? Outcome(AddressSpace space, long at, FaultKind kind)
        {
            if (kind != FaultKind.BusError || !_world.Machine.Spaces.Contains(space))
            {
                return kind;
            }

            var area = space.Areas.FirstOrDefault(area => area.Range.Contains(At + at));
            return area.File is { } file && (file.IsPastEnd(area.Offset + (At + at - area.Range.Start)) || _world.Device.FreeBytes < 4 * _unit) ? null : kind;
        }

        private static object OfFile(Errno error) => error == Errno.ENOMEM ? FaultKind.OutOfMemory : error;

        private static object? Nothing(Action operation)
        {
            operation();
            return null;
        }
    }
}
#endif
