using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>Makes up operations from a seed: it looks at the model's areas, so that most of them hit something.</summary>
internal sealed partial class RandomRun(int seed, ModelFormat format = ModelFormat.X64)
{
    private static readonly WorldOptions s_x64 = new(4, SharingLevels.All, true);
    private static readonly WorldOptions s_largeGranule = s_x64 with { Format = ModelFormat.LargeGranule };

    private readonly ModelFormat _format = format;
    private readonly ModelPage _paging = ShapeOf(format).Page;
    private readonly long _page = ShapeOf(format).Page.Size;
    private readonly ulong _large = (ulong)ShapeOf(format).Large;
    private readonly ulong _larger = (ulong)ShapeOf(format).Larger;
    private readonly ulong _largest = LargestOf(format);
    private readonly ulong _arena = ArenaOf(format);
    private readonly ulong[] _anchors = AnchorsOf(format);
    private readonly long[] _residues = ResiduesOf(ShapeOf(format).Page.Size, ShapeOf(format).Large);

    private static WorldOptions ShapeOf(ModelFormat format) => format == ModelFormat.LargeGranule ? s_largeGranule : s_x64;

    // What a PUD table spans, where there is one below the root.
    private static ulong LargestOf(ModelFormat format) => format == ModelFormat.LargeGranule ? 1UL << 44 : 1UL << 39;

    private static ulong ArenaOf(ModelFormat format) => format switch
    {
        ModelFormat.NoSlotRights => 1UL << 36,
        ModelFormat.LargeGranule => 1UL << 45,
        _ => 1UL << 45,
    };

    // Where mappings are put: at and around the edges of the spans of tables of every level. (There is no span of 512 GiB in a space of 256 GiB.)
    private static ulong[] AnchorsOf(ModelFormat format)
    {
        ulong large = (ulong)ShapeOf(format).Large;
        ulong larger = (ulong)ShapeOf(format).Larger;
        ulong far = format == ModelFormat.NoSlotRights ? 1UL << 34 : LargestOf(format);
        ulong[] distances = [0, large, 2 * large, 3 * large, 5 * large, larger - large, larger, larger + (2 * large), 2 * larger, far, far + larger, 2 * far];
        return [.. distances.Select(distance => ArenaOf(format) + distance)];
    }

    private static long[] ResiduesOf(long page, long large) =>
        [0, 0, 0, 0, page, 2 * page, 16 * page, 256 * page, large - page, -page, -2 * page, -256 * page];

    private static readonly SharingLevels[] Sharings =
    [
        SharingLevels.All, SharingLevels.All, SharingLevels.UpTo512GiB, SharingLevels.UpTo1GiB, SharingLevels.UpTo2MiB, SharingLevels.None,
        SharingLevels.Pmd, SharingLevels.Pud, SharingLevels.Pte | SharingLevels.Pud, SharingLevels.P4d, SharingLevels.Pmd | SharingLevels.P4d,
    ];

#pragma warning disable CA5394 // A test wants a sequence that it can have again, not one that nobody can guess.
    private readonly int _seed = seed;
    private readonly Random _random = new(seed);
    
    /// <summary>The world of the seed.</summary>
    public WorldOptions Options()
    {
        int levels = _random.Next(3) == 0 ? 5 : 4;
        return new WorldOptions(_format == ModelFormat.X64 ? levels : 3, Sharings[_random.Next(Sharings.Length)], _random.Next(4) != 0, _random.Next(2) == 0, _random.Next(2) == 0 && _format == ModelFormat.X64, _format, _format != ModelFormat.LargeGranule && _seed % 2 == 0);
    }

    /// <summary>The next operation for a world.</summary>
    public Operation Next(World world)
    {
        int space = _random.Next(World.Spaces);
        if (!world.Has(space))
        {
            int parent = _random.Next(World.Spaces);
            return world.Has(parent) && _random.Next(3) != 0 ? new ForkTo(parent, space) : new Create(space);
        }

        return _random.Next(150) switch
        {
            < 24 => Map(world, space),
            < 38 => Unmap(world, space),
            < 40 => new ExitFrom(space),
            < 42 => new ReclaimAll(),
            < 52 => Populate(world, space),
            < 53 => _random.Next(20) == 0 ? new Close(_random.Next(World.Files)) : new ReclaimAll(),
            < 100 => Touch(world, space),
            _ => Change(world, space),
        };
    }

    private MapAt Map(World world, int space)
    {
        int file = _random.Next(-1, World.Files);
        ulong address = Address();
        long length = Length();
        var placement = _random.Next(10) switch
        {
            < 5 => MapPlacement.Fixed,
            < 7 => MapPlacement.FixedNoReplace,
            _ => MapPlacement.Anywhere,
        };
        if (placement == MapPlacement.Anywhere && _random.Next(2) == 0)
        {
            address = _random.Next(2) == 0 ? 0 : address + (ulong)_random.Next(4096);
        }

        // Mostly in line with the address, so that mappings of several processes, and pieces of one, belong together.
        long offset = _random.Next(10) switch
        {
            < 5 => (long)(address & (_larger - 1)) & -_page,
            < 7 => (long)(address & (_large - 1)) & -_page,
            < 8 => 0,
            _ => _random.Next(0, 4096) * _page,
        };

        // Pieces that continue what is there.
        var areas = world.AreasOf(space);
        if (areas.Count > 0 && _random.Next(3) == 0)
        {
            var area = areas[_random.Next(areas.Count)];
            int known = Enumerable.Range(0, World.Files).FirstOrDefault(i => area.File is not null && world.FileAt(i) == area.File, -1);
            bool before = _random.Next(3) == 0;
            ulong at = before ? area.Start - (ulong)_page : _random.Next(2) == 0 ? area.End : InArea(area);
            long continued = area.Offset + (long)(at - area.Start);
            if (continued >= 0 && at >= AddressSpace.LowestAddress && (known >= 0 || area.File is null))
            {
                return new MapAt(space, known, known < 0 ? 0 : continued, length, area.Rights, area.Shared, MapPlacement.Fixed, at, PopulateKind.None);
            }
        }

        if (_random.Next(4) == 0 && Twin(world, space) is { } twin)
        {
            return twin;
        }

        if (_random.Next(60) == 0)
        {
            (address, length, offset) = Odd(address, length, offset);
        }

        var rights = _random.Next(12) switch
        {
            < 6 => Rights.ReadWrite,
            < 8 => Rights.Read,
            < 9 => Rights.Read | Rights.Execute,
            < 10 => _random.Next(2) == 0 ? Rights.All : Rights.Execute,
            < 11 => Rights.Write,
            _ => _random.Next(2) == 0 ? Rights.None : Rights.Execute,
        };
        var populate = length > 768 * _page ? PopulateKind.None : _random.Next(8) switch
        {
            0 => PopulateKind.Read,
            1 => PopulateKind.Write,
            _ => PopulateKind.None,
        };
        return new MapAt(space, file, file < 0 ? 0 : offset, length, rights, _random.Next(3) != 0, placement, address, populate);
    }

    /// <summary>What another space maps, at the same address or some spans further: these share tables.</summary>
    private MapAt? Twin(World world, int space)
    {
        int other = _random.Next(World.Spaces);
        if (other == space || !world.Has(other) || world.AreasOf(other).Count == 0)
        {
            return null;
        }

        var area = world.AreasOf(other)[_random.Next(world.AreasOf(other).Count)];
        int file = Enumerable.Range(0, World.Files).FirstOrDefault(i => area.File is not null && world.FileAt(i) == area.File, -1);
        ulong shift = _random.Next(4) switch { 0 => _largest, 1 => _larger, _ => 0 };
        return file < 0 ? null : new MapAt(
            space, file, area.Offset, (long)(area.End - area.Start), area.Rights, _random.Next(5) == 0 ? !area.Shared : area.Shared,
            MapPlacement.Fixed, Math.Min(area.Start, 1UL << 46) + shift, PopulateKind.None);
    }

    /// <summary>Arguments at the borders of what is allowed.</summary>
    private (ulong Address, long Length, long Offset) Odd(ulong address, long length, long offset) => _random.Next(15) switch
    {
        0 => (address, 0, offset),
        1 => (address + 1, length, offset),
        2 => (address, length, offset + 1),
        3 => ((1UL << (_format == ModelFormat.LargeGranule ? 48 : 47)) - (2 * (ulong)_page), _page, offset),
        4 => ((1UL << (_format == ModelFormat.LargeGranule ? 48 : 47)) - (2 * (ulong)_page), 2 * _page, offset),
        5 => (0x1000, length, offset),
        6 => (0x10000, _page, offset),
        7 => (address, 1L << 62, offset),
        8 => (address, length, long.MaxValue - 4095),
        9 => ((1UL << 56) - 4096 - (1 << 20), 1 << 20, offset),
        10 => (address, length, -_page),
        11 => (address, -1, offset),
        12 => (address, long.MinValue + length, offset),
        13 => (address, -(long)address, offset),
        _ => (0x800, length, offset),
    };

    private UnmapAt Unmap(World world, int space)
    {
        var areas = world.AreasOf(space);
        if (areas.Count > 0 && _random.Next(4) != 0)
        {
            var area = areas[_random.Next(areas.Count)];
            return _random.Next(6) switch
            {
                0 => new UnmapAt(space, area.Start, (long)(area.End - area.Start)),
                1 => new UnmapAt(space, area.Start, (long)Math.Min(area.End - area.Start, (ulong)Length())),
                2 => new UnmapAt(space, InArea(area), (long)_large),
                _ => new UnmapAt(space, InArea(area), Length()),
            };
        }

        return new UnmapAt(space, Address() + (_random.Next(50) == 0 ? 1UL : 0), _random.Next(50) == 0 ? 0 : Length());
    }

    private TouchAt Touch(World world, int space)
    {
        var areas = world.AreasOf(space);
        ulong address = areas.Count > 0 && _random.Next(12) != 0 ? InArea(areas[_random.Next(areas.Count)]) : Address();
        var access = _random.Next(8) switch { < 3 => AccessKind.Read, < 7 => AccessKind.Write, _ => AccessKind.Execute };
        return new TouchAt(space, address + (ulong)(_random.Next(ModelPage.Places) * _paging.PlaceSize), access, (byte)_random.Next(1, 256));
    }

    private PopulateAt Populate(World world, int space)
    {
        var areas = world.AreasOf(space);
        ulong address = areas.Count > 0 && _random.Next(12) != 0 ? InArea(areas[_random.Next(areas.Count)]) : Address();
        long length = (_random.Next(10) == 0 ? _random.Next(1, 1300) : _random.Next(1, 20)) * _page;
        return new PopulateAt(space, address, length, _random.Next(2) == 0 ? AccessKind.Read : AccessKind.Write);
    }

    private ulong Address()
    {
        ulong anchor = _anchors[_random.Next(_anchors.Length)] + (ulong)_residues[_random.Next(_residues.Length)];
        return _random.Next(3) == 0 ? anchor + ((ulong)_random.Next(8) * (ulong)_page) : anchor;
    }

    /// <summary>A page of an area, mostly near one of its ends or near an edge of a span.</summary>
    private ulong InArea(ModelArea area)
    {
        ulong pages = (area.End - area.Start) / (ulong)_page;
        ulong page = _random.Next(4) switch
        {
            0 => (ulong)_random.Next((int)Math.Min(pages, 4)),
            1 => pages - 1 - (ulong)_random.Next((int)Math.Min(pages, 4)),
            2 => (ulong)_random.NextInt64((long)pages),
            _ => Math.Min(pages - 1, ((((area.Start / _large) + 1 + (ulong)_random.Next(3)) * _large) - area.Start) / (ulong)_page),
        };
        return area.Start + (page * (ulong)_page);
    }

    private long Length() => _random.Next(20) switch
    {
        < 6 => _random.Next(1, 9) * _page,
        < 7 => _random.Next(1, 20000),
        < 12 => (_random.Next(1, 4) * (long)_large) + _residues[_random.Next(_residues.Length - 3)],
        < 14 => _random.Next(1, 4) * (long)_large,
        < 16 => (long)_larger + _residues[_random.Next(_residues.Length)],
        < 18 => (_random.Next(1, 4) * (long)_larger),
        < 19 => (long)_larger + (long)_large,
        _ => _random.Next(12) == 0 ? (long)_largest + (_residues[_random.Next(_residues.Length)] * 3) : _page,
    };
#pragma warning restore CA5394
}
