using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Cases;

/// <summary>
/// Every integer argument of every call, at its edges: each address with each length, and what else a call has, both sides in step. What
/// is refused must be refused alike, by the same one of several reasons; what is done must come to the same.
/// </summary>
public class ArgumentEdgeTests(HugePages hugePages, ITestOutputHelper output) : IClassFixture<HugePages>
{
    private const ulong Arena = LockstepWorld.Arena;
    private const long Page = 4096;
    private const int Memory = 0;
    private const int ReadOnly = 2;
    private const int HugeFile = 4;

    // Four pages of private memory, two of a file, a gap of two, two that may not be stored to; beyond it a gap up to the agent's stack.
    private static readonly Operation[] Base =
    [
        new MapAt(0, -1, 0, 4 * Page, Rights.ReadWrite, false, MapPlacement.Fixed, Arena, PopulateKind.None),
        new MapAt(0, Memory, 2 * Page, 2 * Page, Rights.ReadWrite, true, MapPlacement.Fixed, Arena + (4 * Page), PopulateKind.None),
        new MapAt(0, ReadOnly, 0, 2 * Page, Rights.Read, true, MapPlacement.Fixed, Arena + (8 * Page), PopulateKind.None),
        new TouchAt(0, Arena + Page, AccessKind.Write, 7),
    ];

    private static readonly Lazy<bool> IsStrict = new(() => File.ReadAllText("/proc/sys/vm/overcommit_memory").Trim() == "2");

    private static ulong UserEnd => KernelFeatures.Running.Format.Geometry.UserEnd.Value;

    private static ulong[] Addresses =>
    [
        0, 1, Page - 1, Page, 0x10000, Arena - Page, Arena - 1, Arena, Arena + 1, Arena + Page - 1, Arena + (3 * Page), Arena + (4 * Page), Arena + (6 * Page), Arena + (8 * Page),
        UserEnd - (2 * Page), UserEnd - Page, UserEnd - 1, UserEnd, UserEnd + 1, UserEnd + Page, UserEnd + (2 * Page),
        1UL << 56, 1UL << 62, long.MaxValue - Page + 1, long.MaxValue, 1UL << 63, 0xffff800000000000, unchecked(0UL - Arena), ulong.MaxValue - Page + 1, ulong.MaxValue,
    ];

    // As size_t: the negative ones are those from 2^63 on.
    private static long[] Lengths =>
    [
        0, 1, Page - 1, Page, Page + 1, 4 * Page, (4 * Page) + 1, 6 * Page, 7 * Page, 10 * Page, 11 * Page,
        1L << 46, (long)(UserEnd - Arena), (long)(UserEnd - Arena) + 1, (long)UserEnd - Page, (long)UserEnd - 1, (long)UserEnd, (long)UserEnd + 1, (long)UserEnd + Page,
        1L << 62, long.MaxValue - Page + 1, long.MaxValue, long.MinValue, long.MinValue + 1, long.MinValue + Page,
        -(long)Arena - Page, -(long)Arena - 1, -(long)Arena, -(long)Arena + 1, -(long)Arena + Page, -2 * Page, -Page - 1, -Page, -Page + 1, -1,
    ];

    // File offsets and sizes.
    private static long[] Offsets =>
    [
        0, 1, Page - 1, Page, 5 * Page, (5 * Page) + 1, 1L << 40, (1L << 61) - (1L << 57), long.MinValue, long.MinValue + 1, long.MinValue + Page, -2 * Page, -Page - 1, -Page, -Page + 1, -1,
    ];

    public static TheoryData<string> Calls =>
    [
        "munmap", "mprotect to nothing", "mprotect to stores", "mlock", "mlock on fault", "munlock", "msync", "msync and invalidate", "mseal", "mincore",
        "mmap fixed", "mmap where nothing is", "mmap with a hint", "mmap of a file, fixed", "mmap of shared memory, fixed", "mmap of a file not opened for it",
        "mremap old length", "mremap old length, may move", "mremap new length", "mremap new length, may move", "mremap target", "mremap target, nothing of it", "mremap beside", "mremap leaving",
        .. Enum.GetNames<Advice>().Select(advice => $"madvise {advice}"),
    ];

    [Theory]
    [MemberData(nameof(Calls))]
    public void Every_address_with_every_length(string call)
    {
        Assert.SkipWhen(call.StartsWith("mlock", StringComparison.Ordinal) && LockLimit.WhyLimited() is not null, $"Not all can be locked: {LockLimit.WhyLimited()}.");
        Run(Addresses.SelectMany(address => Lengths.Select(length => Make(call, address, length))));
    }

    /// <summary>The same where a file has huge pages and nothing smaller.</summary>
    [Theory]
    [MemberData(nameof(Calls))]
    public void Every_address_with_every_length_where_pages_are_huge(string call)
    {
        hugePages.Require();
        Assert.SkipWhen(call.StartsWith("mlock", StringComparison.Ordinal) && LockLimit.WhyLimited() is not null, $"Not all can be locked: {LockLimit.WhyLimited()}.");
        const long Huge = 2L << 20;
        ulong[] addresses = [Arena - Page, Arena, Arena + Page, Arena + Huge, Arena + (2 * Huge), UserEnd - (ulong)Huge + Page, UserEnd - Page, UserEnd, 1UL << 62, ulong.MaxValue & ~((ulong)Huge - 1)];
        long[] lengths = [0, 1, Page, Huge - Page, Huge - 1, Huge, Huge + 1, 2 * Huge, 3 * Huge, (long)UserEnd, long.MaxValue, long.MinValue, -(long)Arena, -Huge - 1, -Huge, -Huge + 1, -Page, -1];
        Run(
            addresses.SelectMany(address => lengths.Select(length => Make(call, address, length) is MapAt { File: not -1 } map ? map with { File = HugeFile } : Make(call, address, length))),
            hugePages: true,
            new MapAt(0, HugeFile, 0, 2 * Huge, Rights.ReadWrite, true, MapPlacement.Fixed, Arena, PopulateKind.None));
    }

    [Theory]
    [InlineData(Memory, true)]
    [InlineData(Memory, false)]
    [InlineData(ReadOnly, true)]
    [InlineData(-1, true)]
    [InlineData(-1, false)]
    public void Every_offset_of_a_mapping_with_every_length(int file, bool shared) =>
        Run(Offsets.SelectMany(offset => Lengths.SelectMany(length => (Operation[])
        [
            new MapAt(0, file, offset, length, Rights.Read, shared, MapPlacement.Fixed, Arena, PopulateKind.None),
            new MapAt(0, file, offset, length, Rights.ReadWrite, shared, MapPlacement.FixedNoReplace, Arena, PopulateKind.None),
            new MapAt(0, file, offset, length, Rights.Read, shared, MapPlacement.Anywhere, 0, length is > 0 and < 1L << 30 ? PopulateKind.Read : PopulateKind.None),
            new MapAt(0, file, offset, length, Rights.Read, shared, MapPlacement.Fixed, UserEnd, PopulateKind.None),
            new MapAt(0, file, offset, length, Rights.Read, shared, MapPlacement.Fixed, Arena + 1, PopulateKind.None),
        ])));

    [Theory]
    [InlineData("mprotect to nothing")]
    [InlineData("munlock")]
    [InlineData("mseal")]
    [InlineData("munmap")]
    [InlineData("madvise DontNeed")]
    [InlineData("madvise PopulateRead")]
    [InlineData("mremap old length")]
    [InlineData("mremap old length, may move")]
    [InlineData("mremap new length")]
    [InlineData("mremap new length, may move")]
    [InlineData("mremap leaving")]
    public void What_is_mapped_to_the_very_end(string call) =>
        Run(
            ((ulong[])[UserEnd - (3 * Page), UserEnd - (2 * Page), UserEnd - Page, UserEnd - 1, UserEnd]).SelectMany(address => Lengths.Select(length => Make(call, address, length))),
            hugePages: false,
            new MapAt(0, -1, 0, 2 * Page, Rights.ReadWrite, false, MapPlacement.Fixed, UserEnd - (2 * Page), PopulateKind.None));

    [Fact]
    public void Every_old_length_of_mremap_with_every_new_one() =>
        Run(Lengths.SelectMany(old => Lengths.SelectMany(renewed => (Operation[])
        [
            new RemapAt(0, Arena, old, renewed, RemapFlags.None, 0),
            new RemapAt(0, Arena, old, renewed, RemapFlags.MayMove, 0),
            new RemapAt(0, Arena, old, renewed, RemapFlags.MayMove | RemapFlags.Fixed, Arena + (16 * Page)),
            new RemapAt(0, Arena + (4 * Page), old, renewed, RemapFlags.MayMove | RemapFlags.Fixed, Arena + (16 * Page)),
            new RemapAt(0, Arena + (4 * Page), old, renewed, RemapFlags.MayMove | RemapFlags.DontUnmap, 0),
        ])));

    [Fact]
    public void Every_combination_of_flags_of_mremap() =>
        Run(((int[])[.. Enumerable.Range(0, 17), 1 << 30, int.MinValue, -1]).SelectMany(flags => (Operation[])
        [
            new RemapAt(0, Arena, 2 * Page, 2 * Page, (RemapFlags)flags, Arena + (16 * Page)),
            new RemapAt(0, Arena, 2 * Page, 4 * Page, (RemapFlags)flags, Arena + (16 * Page)),
            new RemapAt(0, Arena, 2 * Page, 0, (RemapFlags)flags, Arena + (16 * Page)),
            new RemapAt(0, Arena + 1, 2 * Page, 2 * Page, (RemapFlags)flags, Arena + (16 * Page) + 1),
            new RemapAt(0, Arena + (6 * Page), 0, Page, (RemapFlags)flags, Arena + (16 * Page)),
        ]));

    [Theory]
    [InlineData(Memory)]
    [InlineData(ReadOnly)]
    public void Every_offset_of_a_hole_with_every_length(int file) =>
        Run(Offsets.SelectMany(offset => Lengths.Select(length => new Punch(file, offset, length))));

    [Theory]
    [InlineData(Memory)]
    [InlineData(ReadOnly)]
    public void Every_size(int file) => Run(Offsets.Concat(Lengths).Where(size => size < 1L << 61).Select(size => new Resize(file, size)));

    [Fact]
    public void Every_address_of_an_access() =>
        Run(Addresses.SelectMany(address => (Operation[])[new TouchAt(0, address, AccessKind.Read, 0), new TouchAt(0, address, AccessKind.Write, 1)]));

    [Fact]
    public void Every_key() =>
        Run(((int[])[.. Enumerable.Range(-2, 20), 31, 32, 64, 1 << 30, int.MinValue, int.MaxValue]).SelectMany(key => (Operation[])
        [
            new ProtectKeyAt(0, Arena, Page, Rights.Read, key),
            new ProtectKeyAt(0, Arena, 0, Rights.Read, key),
            new ProtectKeyAt(0, Arena + 1, Page, Rights.Read, key),
            new ProtectKeyAt(0, Arena, -1, Rights.Read, key),
            new ProtectKeyAt(0, UserEnd, Page, Rights.Read, key),
            new ProtectKeyAt(0, Arena + (8 * Page), Page, Rights.ReadWrite, key),
            new GiveKey(0, key),
        ]));

    [Fact]
    public void Every_advice_that_there_is_not() =>
        Run(((int[])[-1, 5, 6, 7, 26, 99, 104, 1 << 30, int.MinValue, int.MaxValue]).SelectMany(advice => (Operation[])
        [
            new AdviseAt(0, Arena, Page, (Advice)advice),
            new AdviseAt(0, Arena + 1, Page, (Advice)advice),
            new AdviseAt(0, Arena, 0, (Advice)advice),
            new AdviseAt(0, UserEnd, -1, (Advice)advice),
        ]));

    private static Operation Make(string call, ulong address, long length) => call switch
    {
        "munmap" => new UnmapAt(0, address, length),
        "mprotect to nothing" => new ProtectAt(0, address, length, Rights.None),
        "mprotect to stores" => new ProtectAt(0, address, length, Rights.ReadWrite),
        "mlock" => new LockAt(0, address, length, true, false),
        "mlock on fault" => new LockAt(0, address, length, true, true),
        "munlock" => new LockAt(0, address, length, false, false),
        "msync" => new SyncAt(0, address, length, false),
        "msync and invalidate" => new SyncAt(0, address, length, true),
        "mseal" => new SealAt(0, address, length),
        "mincore" => new ResidentAt(0, address, length),
        "mmap fixed" => new MapAt(0, -1, 0, length, Rights.Read, false, MapPlacement.Fixed, address, PopulateKind.None),
        "mmap where nothing is" => new MapAt(0, -1, 0, length, Rights.Read, false, MapPlacement.FixedNoReplace, address, PopulateKind.None),
        "mmap with a hint" => new MapAt(0, -1, 0, length, Rights.Read, false, MapPlacement.Anywhere, address, PopulateKind.None),
        "mmap of a file, fixed" => new MapAt(0, Memory, 0, length, Rights.Read, true, MapPlacement.Fixed, address, PopulateKind.None),
        "mmap of shared memory, fixed" => new MapAt(0, -1, 0, length, Rights.Read, true, MapPlacement.Fixed, address, PopulateKind.None),
        "mmap of a file not opened for it" => new MapAt(0, ReadOnly, 0, length, Rights.ReadWrite, true, MapPlacement.Fixed, address, PopulateKind.None),
        "mremap old length" => new RemapAt(0, address, length, 2 * Page, RemapFlags.None, 0),
        "mremap old length, may move" => new RemapAt(0, address, length, 8 * Page, RemapFlags.MayMove, 0),
        "mremap new length" => new RemapAt(0, address, 2 * Page, length, RemapFlags.None, 0),
        "mremap new length, may move" => new RemapAt(0, address, 2 * Page, length, RemapFlags.MayMove, 0),
        "mremap target" => new RemapAt(0, Arena, 2 * Page, length, RemapFlags.MayMove | RemapFlags.Fixed, address),
        "mremap target, nothing of it" => new RemapAt(0, Arena + (4 * Page), 0, length, RemapFlags.MayMove | RemapFlags.Fixed, address),
        "mremap beside" => new RemapAt(0, Arena, length, length, RemapFlags.MayMove | RemapFlags.DontUnmap, address),
        "mremap leaving" => new RemapAt(0, address, length, length, RemapFlags.MayMove | RemapFlags.DontUnmap, 0),
        _ => new AdviseAt(0, address, length, Enum.Parse<Advice>(call["madvise ".Length..])),
    };

    /// <summary>
    /// Whether more memory is asked for than the machine may have to give: that is its own matter (vm.overcommit_memory). A new mapping asks for
    /// none to be set aside, which helps where the machine is not strict; one that grows is not asked.
    /// </summary>
    private static bool TakesMemory(Operation operation) => operation switch
    {
        RemapAt remap => IsLarge(remap.NewLength),
        MapAt map => IsLarge(map.Length) && IsStrict.Value,
        _ => false,
    };

    private static bool IsLarge(long length) => length > 1L << 30 && length < (long)UserEnd;

    /// <summary>Makes each operation where the base and nothing else is mapped; all that differ are told.</summary>
    private void Run(IEnumerable<Operation> operations, bool hugePages = false, params Operation[] more)
    {
        var counts = new LockstepCounts();
        var differing = new List<string>();
        LockstepWorld? world = null;
        int made = 0;
        try
        {
            foreach (var operation in operations.Distinct().Where(operation => !TakesMemory(operation)))
            {
                world ??= Begin();
                Replay.SkipFor(world.WhyNot(operation));
                try
                {
                    long before = counts.Operations + counts.Accesses;
                    world.Step(operation);
                    made += counts.Operations + counts.Accesses > before ? 1 : 0;
                    if (world.LastOutcome != Errno.None || operation is TouchAt or SyncAt or ResidentAt)
                    {
                        continue;
                    }
                }
                catch (MismatchException exception)
                {
                    differing.Add(exception.Message);
                }

                world.Dispose();
                world = null;
            }

            world?.End();
        }
        finally
        {
            world?.Dispose();
        }

        output.WriteLine($"{made} operations; {counts}");
        Assert.True(differing.Count == 0, $"{differing.Count} of {made} differ: {string.Join(Environment.NewLine, differing.Take(60))}");
        Assert.True(made > 0, "Nothing was compared.");

        LockstepWorld Begin()
        {
            Replay.RequireLockstep();
            var world = new LockstepWorld(new LockstepOptions(SharingLevels.None, hugePages), counts);
            foreach (var operation in (Operation[])[.. Base, .. more])
            {
                world.Step(operation);
            }

            return world;
        }
    }
}
