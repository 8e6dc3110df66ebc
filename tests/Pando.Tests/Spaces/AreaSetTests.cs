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
        _areas.Replace(0, 0, [a, b, c]);
        Assert.Null(_areas.Find(At(9)));
        Assert.Same(a, _areas.Find(At(10)));
        Assert.Same(b, _areas.Find(At(12)));
        Assert.Null(_areas.Find(At(13)));
        Assert.Same(c, _areas.Find(At(30) - 1));
        Assert.Equal([0, 0, 1, 2, 3], ((IEnumerable<int>)[0, 11, 12, 13, 30]).Select(page => _areas.FirstEndingAfter(At(page))));
        Assert.Equal([a, b], _areas.Overlapping(Range(11, 20)).ToArray());
        Assert.Equal([b, c], _areas.Overlapping(Range(12, 21)).ToArray());
        Assert.Empty(_areas.Overlapping(Range(13, 20)).ToArray());
        Assert.Empty(_areas.Overlapping(Range(30, 40)).ToArray());
    }

    [Fact]
    public void Areas_take_the_place_of_others()
    {
        var areas = Enumerable.Range(0, 20).Select(i => Area(2 * i, (2 * i) + 1)).ToArray();
        _areas.Replace(0, 0, areas);
        var (x, y) = (Area(6, 7), Area(8, 9));
        _areas.Replace(3, 5, [x, y]);
        Assert.Equal([.. areas[..3], x, y, .. areas[8..]], _areas.All.ToArray());
        _areas.Replace(0, _areas.Count, []);
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

    /// <summary>The window of the first 16 pages, in pages of the file.</summary>
    private static (long, long)? Window(params Area[] areas)
    {
        var set = new AreaSet();
        set.Replace(0, 0, areas);
        return set.TryGetWindow(Range(0, 16), out _, out long start, out long end) ? (start / Page, end / Page) : null;
    }

    private static VirtualAddress At(long page) => new((ulong)(page * Page));

    private static AddressRange Range(long from, long to) => new(At(from), At(to));

    private Area Area(long from, long to) => new(_space, Range(from, to), Traits(Rights.ReadWrite, false), null, 0);

    private Area Shown(Pando.Files.MappedFile file, long from, long to, long? offset = null, Rights rights = Rights.ReadWrite, bool shared = true) =>
        new(_space, Range(from, to), Traits(rights, shared), file, (offset ?? from) * Page);

    private static AreaTraits Traits(Rights rights, bool shared) => new(rights, Rights.All, shared ? AreaFlags.Shared : AreaFlags.None, 0, null);
}
