#if PANDO_CHECKED // The ordinary build has no schedule points.
using System.Globalization;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
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

    /// <summary>The same while one allocation fails, or all from one on: whoever meets it gives back all that it holds.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Any_operations_at_once_leave_a_sound_machine_when_allocations_fail(int half) => Explore(half, nameof(MakeFailing), MakeFailing);

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
            Assert.True(result.Failure is null, $"{Describe(scenario)}{Environment.NewLine}{result.Failure}");
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{count:N0} scenarios from seed {first} on, {schedules:N0} schedules");
    }

    /// <summary>The scenario of a seed.</summary>
    internal static Scenario Make(int seed) => Make(seed, out _, out _);

    /// <summary>The scenario of a seed, with an allocation that fails.</summary>
    internal static Scenario MakeFailing(int seed)
    {
        var scenario = Make(seed, out _, out var machine);
        var random = new Random(~seed);
        int failAt = random.Next(12);
        bool onwards = random.Next(2) == 0;
        int asked = 0;
        machine.Store.Frames.FailNext = () => asked++ is var number && (number == failAt || (onwards && number > failAt));
        return scenario;
    }

    private static string Describe(int seed)
    {
        Make(seed, out var names, out _).World?.Dispose();
        return $"Scenario {seed}: {string.Join("; ", names)}";
    }

    private static Scenario Make(int seed, out List<string> names, out Machine machine)
    {
        var random = new Random(seed);
        var world = new RaceWorld(Sharings[random.Next(Sharings.Length)], largePages: random.Next(3) == 0);
        var chance = new Chance(random, world);
        names = chance.Names;
        machine = world.Machine;
        return chance.Make();
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.Integer, CultureInfo.InvariantCulture, out int value) ? value : otherwise;

    /// <summary>One scenario in the making.</summary>
    private sealed class Chance(Random random, RaceWorld world)
    {
        private static readonly long[] Pages = [0, Page, 2 * Page, 2 * Mebi, (2 * Mebi) + Page];

        private readonly Random _random = random;
        private readonly RaceWorld _world = world;
        private MappedFile[] _files = [];
        private DaxFile[] _daxFiles = [];
        private (AddressSpace Space, SoftwareProcessor Processor)[] _spaces = [];

        /// <summary>What the threads do, in words.</summary>
        public List<string> Names { get; } = [];

        public Scenario Make()
        {
            _daxFiles = [_world.DaxFile(), _world.Holes(2 * Mebi)];
            _files = [.. _daxFiles, _world.MemoryFile()];
            var main = _files[_random.Next(_files.Length)];
            _spaces = [.. Enumerable.Range(0, 3).Select(_ =>
            {
                var space = _world.Machine.CreateSpace();
                var rights = _random.Next(4) == 0 ? Rights.Read : Rights.ReadWrite;
                Map(space, _random.Next(2) == 0 ? MapRequest.SharedFile(main, rights) : MapRequest.PrivateFile(main, rights));
                Map(space, MapRequest.Anonymous(Mebi, Rights.ReadWrite), 8 * Mebi);
                return (space, _world.Processor(space));
            })];
            for (int i = _random.Next(6); i > 0; i--)
            {
                One(processors: _spaces.Length)();
            }

            Names.Clear();
            int threads = 2 + _random.Next(2);
            var bodies = Enumerable.Range(0, threads).Select(thread =>
            {
                // Each thread drives its own processor.
                var operations = Enumerable.Range(0, 1 + _random.Next(2)).Select(_ => One(thread)).ToArray();
                return (Action)(() => Array.ForEach(operations, operation => operation()));
            }).ToArray();
            return _world.Race(() => { }, bodies);
        }

        /// <param name="processors">The number of the thread whose processor it is; past the last: any.</param>
        private Action One(int processors)
        {
            var (space, _) = _spaces[_random.Next(_spaces.Length)];
            var processor = _spaces[processors < _spaces.Length ? processors : _random.Next(_spaces.Length)].Processor;
            long at = Pages[_random.Next(Pages.Length)] + (_random.Next(4) == 0 ? 8 * Mebi : 0);
            long length = _random.Next(3) == 0 ? 2 * Mebi : Page;
            var file = _files[_random.Next(_files.Length)];
            var (dax, other) = (_daxFiles[_random.Next(2)], _daxFiles[_random.Next(2)]);
            long offset = Pages[_random.Next(Pages.Length)];
            var request = _random.Next(2) == 0 ? MapRequest.SharedFile(file, Rights.ReadWrite) : MapRequest.PrivateFile(file, Rights.ReadWrite);
            long part = offset + 100;
            return _random.Next(24) switch
            {
                0 or 1 => Named($"read {space} {at:x}", () => space.Fault(At + at, AccessKind.Read)),
                2 or 3 => Named($"write {space} {at:x}", () => space.Fault(At + at, AccessKind.Write)),
                4 => Named($"load {at:x}", () => processor.TryRead(At + at, out byte _)),
                5 or 6 => Named($"store {at:x}", () => processor.TryWrite(At + at, (byte)1)),
                7 => Named($"unmap {space} {at:x}+{length:x}", () => space.Unmap(At + at, length)),
                8 => Named($"map {space} {at:x}+{length:x} {file.Name} {offset:x} shared {request.Shared}", () => space.Map(request with { Address = At + at, Placement = MapPlacement.Fixed, Offset = offset, Length = length })),
                9 => Named($"protect {space} {at:x}+{length:x}", () => space.Protect(At + at, length, Rights.Read)),
                10 => Named($"unprotect {space} {at:x}+{length:x}", () => space.Protect(At + at, length, Rights.ReadWrite)),
                11 => Named($"fork {space}", () => space.Fork()),
                12 => Named($"exit {space}", space.Exit),
                13 => Named("reclaim", () => _world.Machine.Reclaim()),
                14 => Named($"punch {file.Name} {offset:x}+{length:x}", () => file.PunchHole(offset, length)),
                15 => Named($"punch {file.Name} {part:x}", () => file.PunchHole(part, 50)),
                16 => Named($"size {file.Name} {offset:x}", () => file.SetSize(offset)),
                17 => Named($"size {file.Name} {part:x}", () => file.SetSize(part)),
                18 => Named($"write back {dax.Name}", () => dax.WriteBack()),
                19 => Named($"migrate {offset:x}+{length:x}", () => _world.Device.Migrate(offset, length)),
                20 => Named($"clone {other.Name} to {dax.Name} {offset:x}+{length:x}", () => dax.CloneRange(other, offset, length, offset)),
                21 => Named($"don't need {space} {at:x}+{length:x}", () => space.Advise(At + at, length, Advice.DontNeed)),
                22 => Named($"move {space} {at:x}+{length:x}", () => space.Remap(At + at, length, length, RemapFlags.MayMove | RemapFlags.Fixed, At + at + (16 * Mebi))),
                _ => _random.Next(2) == 0
                    ? Named($"collapse {dax.Name} {offset:x}", () => dax.CollapseRange(offset, Page))
                    : Named($"insert {dax.Name} {offset:x}", () => dax.InsertRange(offset, Page)),
            };
        }

        private Action Named(string name, Action operation)
        {
            Names.Add(name);
            return () =>
            {
                try
                {
                    operation();
                }
                catch (ObjectDisposedException)
                {
                    // The space has ended.
                }
            };
        }
    }
}
#endif
