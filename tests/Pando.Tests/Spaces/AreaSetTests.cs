using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

public sealed class AreaSetTests : IDisposable
{
    private const long Page = 4096;

    private readonly Machine _machine = new(new MachineOptions { Ram = 4 << 20 });
    private readonly AddressSpace _space;
    private readonly AreaSet _areas = new();

    public AreaSetTests() => _space = _machine.CreateSpace();

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Areas_are_found_by_address_and_by_range()
    {
        var (a, b, c) = (Area(10, 12), Area(12, 13), Area(20, 30));
        _areas.Replace([], [a, b, c]);
        Assert.Null(_areas.Find(At(9)));
        Assert.Same(a, _areas.Find(At(10)));
        Assert.Same(b, _areas.Find(At(12)));
        Assert.Null(_areas.Find(At(13)));
        Assert.Same(c, _areas.Find(At(30) - 1));
        Assert.Equal([a, a, b, c, null], ((IEnumerable<int>)[0, 11, 12, 13, 30]).Select(page => _areas.FirstEndingAfter(At(page))));
        Assert.Equal([a, b], _areas.Overlapping(Range(11, 20)).ToArray());
        Assert.Equal([b, c], _areas.Overlapping(Range(12, 21)).ToArray());
        Assert.Empty(_areas.Overlapping(Range(13, 20)).ToArray());
        Assert.Empty(_areas.Overlapping(Range(30, 40)).ToArray());
    }

    [Fact]
    public void Areas_take_the_place_of_others()
    {
        var areas = Enumerable.Range(0, 20).Select(i => Area(2 * i, (2 * i) + 1)).ToArray();
        _areas.Replace([], areas);
        var (x, y) = (Area(6, 7), Area(8, 9));
        _areas.Replace(areas.AsSpan(3, 5), [x, y]);
        Assert.Equal([.. areas[..3], x, y, .. areas[8..]], _areas.All.ToArray());
        _areas.Clear();
        Assert.Equal(0, _areas.Count);
    }

    [Fact]
    public void A_span_is_a_window_if_one_file_is_shown_in_one_way_without_a_gap()
    {
        using var file = _machine.CreateMemoryFile("file", 1 << 20);
        using var other = _machine.CreateMemoryFile("other", 1 << 20);
        Assert.Null(Window());
        Assert.Null(Window(Area(3, 5)));
        Assert.Equal((3, 5), Window(Shown(file, 3, 5)));
        Assert.Equal((0, 16), Window(Shown(file, 0, 40)));
        Assert.Equal((3, 9), Window(Shown(file, 3, 5), Shown(file, 5, 9)));
        Assert.Null(Window(Shown(file, 3, 5), Shown(file, 6, 9)));
        Assert.Null(Window(Shown(file, 3, 5), Shown(other, 5, 9)));
        Assert.Null(Window(Shown(file, 3, 5), Area(5, 9)));
        Assert.Null(Window(Shown(file, 3, 5), Area(15, 19)));
        Assert.Null(Window(Area(1, 2), Shown(file, 3, 5)));
        Assert.Null(Window(Shown(file, 3, 5), Shown(file, 5, 9, offset: 6)));
        Assert.Null(Window(Shown(file, 3, 5), Shown(file, 5, 9, rights: Rights.Read)));
        Assert.Null(Window(Shown(file, 3, 5), Shown(file, 5, 9, shared: false)));
        Assert.Equal((3, 16), Window(Shown(file, 3, 16), Area(16, 19)));
    }

    [Fact]
    public void Any_replacements_leave_what_a_sorted_list_says()
    {
        using var file = _machine.CreateMemoryFile("file", 1 << 20);
        for (int seed = 0; seed < 60; seed++)
        {
            var random = new Random(seed);
            var set = new AreaSet();
            var list = new List<Area>();
            for (int step = 0; step < 60; step++)
            {
                var removed = list.Where(_ => random.Next(4) == 0).ToArray();
                list.RemoveAll(removed.Contains);
                var added = new List<Area>();
                for (int i = 0; i < 8; i++)
                {
                    long from = random.Next(100);
                    var area = random.Next(3) == 0 ? Area(from, from + 1 + random.Next(6))
                        : Shown(file, from, from + 1 + random.Next(6), offset: random.Next(8) == 0 ? from + 1 : null, rights: random.Next(8) == 0 ? Rights.Read : Rights.ReadWrite);
                    if (!list.Concat(added).Any(other => other.Range.Overlaps(area.Range)))
                    {
                        added.Add(area);
                    }
                }

                set.Replace(removed, added.ToArray());
                list = [.. list.Concat(added).OrderBy(area => area.Range.Start)];
                Compare(random, list, set, $"seed {seed}, step {step}");
            }

            var filled = new AreaSet();
            filled.Fill([.. list.Select(area => area.Slice(area.Range))]);
            Assert.Equal(list.Select(area => area.Info), filled.All.ToArray().Select(area => area.Info));
        }
    }

    [Fact]
    public void Where_many_gaps_are_long_enough_but_not_in_line_one_in_which_anything_fits_is_found()
    {
        // Gaps of four pages, none of which begins at a multiple of four; then room, and at the very end one that fits exactly.
        var areas = Enumerable.Range(0, 5000).Select(i => Area((8 * i) + 1, (8 * i) + 5)).ToList();
        areas.RemoveRange(4000, 2);
        _areas.Fill([.. areas]);
        Assert.True(_areas.TryFindLow(At(5), At(40_000), 4 * Page, 4 * Page, 0, out var start));
        Assert.Equal(At(32_000), start);
        Assert.True(_areas.TryFindHigh(At(0), At(40_001), 4 * Page, 4 * Page, 0, out start));
        Assert.Equal(At(32_012), start);

        // Without the room, all of them are tried before the answer is no.
        var full = new AreaSet();
        full.Fill([.. Enumerable.Range(0, 5000).Select(i => Area((8 * i) + 1, (8 * i) + 5)), Area(40_008, 40_009)]);
        Assert.True(full.TryFindLow(At(5), At(50_000), 4 * Page, 4 * Page, 0, out start));
        Assert.Equal(At(40_000), start);
        Assert.False(full.TryFindLow(At(5), At(40_003), 4 * Page, 4 * Page, 0, out _));
    }

    private static void Compare(Random random, List<Area> list, AreaSet set, string what)
    {
        Assert.True(list.SequenceEqual(set.All.ToArray()) && set.Count == list.Count, what);
        for (int i = 0; i < 12; i++)
        {
            int from = random.Next(100);
            int to = from + 1 + random.Next(20);
            var range = Range(from, to);
            var over = list.Where(area => area.Range.Overlaps(range)).ToList();
            Assert.True(over.SequenceEqual(set.Overlapping(range).ToArray()), what);
            Assert.True(list.FirstOrDefault(area => area.Range.End > range.Start) == set.FirstEndingAfter(range.Start), what);
            Assert.True(list.LastOrDefault(area => area.Range.Start < range.Start) == set.LastStartingBefore(range.Start), what);
            Assert.True(set.IsMapped(range) == Enumerable.Range(from, to - from).All(page => list.Any(area => area.Range.Contains(At(page)))), what);
            Assert.True(set.HasAny(range, AreaFlags.Shared) == over.Any(area => area.IsShared), what);
            bool inLine = over.Count > 0 && over[0].CanAttach;
            for (int next = 1; next < over.Count; next++)
            {
                inLine &= over[next - 1].Range.End == over[next].Range.Start && over[0].IsInLineWith(over[next]);
            }

            Assert.True(inLine == set.TryGetWindow(range, out var first, out long start, out long end), what);
            Assert.True(!inLine || (first == over[0] && start == Math.Max((long)range.Start.Value, (long)first.Range.Start.Value) + first.Delta), what);
            Assert.True(!inLine || end == Math.Min((long)range.End.Value, (long)over[^1].Range.End.Value) + first.Delta, what);

            long length = 1 + random.Next(8);
            long alignment = 1L << random.Next(3);
            long residue = random.Next((int)alignment);
            var fits = Enumerable.Range(from, Math.Max(0, to - from - (int)length + 1))
                .Where(page => (page & (alignment - 1)) == residue && !list.Any(area => area.Range.Overlaps(Range(page, page + length))))
                .ToList();
            bool low = set.TryFindLow(range.Start, range.End, length * Page, alignment * Page, residue * Page, out var lowest);
            bool high = set.TryFindHigh(range.Start, range.End, length * Page, alignment * Page, residue * Page, out var highest);
            Assert.True(low == fits.Count > 0 && high == low, what);
            Assert.True(!low || (lowest == At(fits[0]) && highest == At(fits[^1])), what);
        }
    }

    /// <summary>The window of the first 16 pages, in pages of the file.</summary>
    private static (long, long)? Window(params Area[] areas)
    {
        var set = new AreaSet();
        set.Fill(areas);
        return set.TryGetWindow(Range(0, 16), out _, out long start, out long end) ? (start / Page, end / Page) : null;
    }

    private static VirtualAddress At(long page) => new((ulong)(page * Page));

    private static AddressRange Range(long from, long to) => new(At(from), At(to));

    private Area Area(long from, long to) => new(_space, Range(from, to), Traits(Rights.ReadWrite, false), null, 0);

    private Area Shown(Pando.Files.MappedFile file, long from, long to, long? offset = null, Rights rights = Rights.ReadWrite, bool shared = true) =>
        new(_space, Range(from, to), Traits(rights, shared), file.Own, (offset ?? from) * Page);

    private static AreaTraits Traits(Rights rights, bool shared) => new(rights, Rights.All, shared ? AreaFlags.Shared : AreaFlags.None, 0, null);
}
