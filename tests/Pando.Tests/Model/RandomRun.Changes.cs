using System.Numerics;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <content>Operations that change what is mapped, and where files lie.</content>
internal sealed partial class RandomRun
{
    private static readonly Advice[] Advices =
    [
        Advice.DontNeed, Advice.DontNeed, Advice.DontNeed, Advice.Free, Advice.DontFork, Advice.DoFork, Advice.DontDump, Advice.DoDump,
        Advice.WipeOnFork, Advice.KeepOnFork, Advice.WillNeed, Advice.Cold, Advice.PageOut, Advice.Mergeable, Advice.Unmergeable,
        Advice.PopulateRead, Advice.PopulateWrite,
    ];

#pragma warning disable CA5394 // A test wants a sequence that it can have again, not one that nobody can guess.
    private Operation Change(World world, int space) => _random.Next(52) switch
    {
        < 10 => Protect(world, space),
        < 12 => ProtectByKey(world, space),
        < 22 => Remap(world, space),
        < 28 => Advise(world, space),
        < 31 => new LockAt(space, Place(world, space), Length() % (8L << 20), _random.Next(3) != 0, _random.Next(3) == 0),
        < 32 => _random.Next(8) == 0 ? new ClearAll(space) : new ReclaimAll(),
        < 36 => Resize(world),
        < 41 => new Punch(_random.Next(World.Files), Offset(), _random.Next(3) == 0 ? _random.Next(1, 20000) : Length()),
        < 43 => new Shift(_random.Next(3), Offset() & -_page, _random.Next(1, 1500) * _page, _random.Next(2) == 0),
        < 45 => Clone(),
        < 48 => new SyncFile(_random.Next(World.Files), _random.Next(2) == 0 ? 0 : Offset(), _random.Next(2) == 0 ? 1L << 40 : Length()),
        48 => new TakeKey(space, Rights.ReadWrite),
        49 => _random.Next(4) == 0 ? new GiveKey(space, _random.Next(-1, 17)) : new TakeKey(space, Rights.ReadWrite),
        _ => new MigrateAt(_random.Next(0, 4096) * _page, _random.Next(1, 600) * _page),
    };

    private ProtectAt Protect(World world, int space)
    {
        var rights = _random.Next(8) switch
        {
            < 3 => Rights.ReadWrite,
            < 5 => Rights.Read,
            < 6 => Rights.None,
            < 7 => _random.Next(2) == 0 ? Rights.Read | Rights.Execute : Rights.Execute,
            _ => Rights.All,
        };
        var areas = world.AreasOf(space);
        if (areas.Count > 0 && _random.Next(3) == 0)
        {
            // All of an area, so that what has diverged may come back.
            var area = areas[_random.Next(areas.Count)];
            return new ProtectAt(space, area.Start, (long)(area.End - area.Start), rights);
        }

        return new ProtectAt(space, Place(world, space), _random.Next(40) == 0 ? 0 : Length(), rights);
    }

    /// <summary>With a key that was given out, mostly; whether it was is the model's to know.</summary>
    private ProtectKeyAt ProtectByKey(World world, int space)
    {
        var protect = Protect(world, space);
        return new ProtectKeyAt(space, protect.Address, protect.Length, protect.Rights, _random.Next(8) == 0 ? _random.Next(-2, 18) : _random.Next(0, 4));
    }

    private RemapAt Remap(World world, int space)
    {
        var areas = world.AreasOf(space);
        if (areas.Count == 0)
        {
            return new RemapAt(space, Address(), Length(), Length(), RemapFlags.MayMove, 0);
        }

        if (_random.Next(3) == 0)
        {
            return RemapAcross(space, areas);
        }

        var area = areas[_random.Next(areas.Count)];
        ulong start = _random.Next(3) == 0 ? InArea(area) : area.Start;
        long room = (long)(area.End - start);
        long old = _random.Next(6) switch
        {
            0 => Math.Min(room, Length()),
            1 => _random.Next(4) == 0 ? 0 : room,
            _ => room,
        };
        long renewed = _random.Next(4) switch { 0 => Length(), 1 => Math.Max(_page, old / 2), _ => Math.Max(_page, old) };
        var flags = _random.Next(8) switch
        {
            < 1 => RemapFlags.None,
            < 3 => RemapFlags.MayMove,
            < 7 => RemapFlags.MayMove | RemapFlags.Fixed,
            _ => RemapFlags.MayMove | RemapFlags.DontUnmap,
        };
        if ((flags & RemapFlags.DontUnmap) != 0)
        {
            renewed = _random.Next(10) == 0 ? renewed : old;
        }

        // What is locked is faulted in at once: not a gigabyte of it.
        renewed = (area.Flags & AreaFlags.Locked) != 0 ? Math.Min(renewed, Math.Max(_page, Math.Min(old, 8L << 20))) : renewed;

        // Often a place in line with the old one, so that slots can move as they are.
        ulong target = _random.Next(2) == 0 ? Address() : start + ((ulong)_random.Next(1, 5) << (BitOperations.Log2(_random.Next(2) == 0 ? _large : _larger)));
        bool named = (flags & RemapFlags.DontUnmap) == 0 || _random.Next(2) == 0;
        return new RemapAt(space, start, old, renewed, flags, named ? target : 0);
    }

    /// <summary>Of a range with several areas and the gaps between them: all of it moves, or all but a beginning is cut off.</summary>
    private RemapAt RemapAcross(int space, IReadOnlyList<ModelArea> areas)
    {
        // Mostly neighbours, so that the target can lie near, and among others.
        int first = _random.Next(areas.Count);
        int last = Math.Min(areas.Count - 1, first + _random.Next(_random.Next(3) == 0 ? 6 : 3));
        ulong start = _random.Next(3) == 0 ? InArea(areas[first]) : areas[first].Start;
        ulong end = _random.Next(4) switch
        {
            0 => InArea(areas[last]) + (ulong)_page,
            1 => areas[last].End + ((ulong)_random.Next(1, 4) * (ulong)_page),
            _ => areas[last].End,
        };

        // Now and then it begins in a gap, which is an error.
        start = _random.Next(20) == 0 ? start - (ulong)_page : start;
        long length = (long)(Math.Max(end, start + (ulong)_page) - start);
        ulong span = _random.Next(4) switch { 0 => _largest, 1 => _larger, 2 => _large, _ => (ulong)_page };
        ulong beyond = (((ulong)length / span) + (ulong)_random.Next(1, 3)) * span;
        ulong target = _random.Next(4) switch
        {
            0 => Address(),
            1 when start > beyond + _arena => start - beyond,
            _ => start + beyond,
        };
        return _random.Next(6) switch
        {
            0 => new RemapAt(space, start, length, _random.Next(1, 5) * _page, RemapFlags.None, 0),
            1 => new RemapAt(space, start, length, _random.Next(1, 5) * _page, RemapFlags.MayMove | RemapFlags.Fixed, target),
            2 => new RemapAt(space, start, length, length, RemapFlags.MayMove | RemapFlags.Fixed | RemapFlags.DontUnmap, target),
            _ => new RemapAt(space, start, length, length, RemapFlags.MayMove | RemapFlags.Fixed, target),
        };
    }

    private AdviseAt Advise(World world, int space)
    {
        var advice = Advices[_random.Next(Advices.Length)];
        long length = advice is Advice.PopulateRead or Advice.PopulateWrite ? _random.Next(1, 40) * _page : Length();
        return new AdviseAt(space, Place(world, space), length, advice);
    }

    private Resize Resize(World world)
    {
        int file = _random.Next(World.Files);
        long size = world.FileAt(file).Size;
        long renewed = _random.Next(4) switch
        {
            0 => size + _random.Next(-300, 300) * _page,
            1 => _random.Next(0, 16 << 20),
            2 => (size & -(long)_large) + _random.Next(-1, 3) * (long)_large,
            _ => size + _random.Next(-9000, 9000),
        };
        return new Resize(file, Math.Clamp(renewed, 0, _format == ModelFormat.LargeGranule ? (long)_larger + (long)(4 * _large) : (long)(4 * _larger)));
    }

    /// <summary>Between the two files of the large device, or within one of them.</summary>
    private Clone Clone()
    {
        int source = _random.Next(2) == 0 ? 0 : 5;
        int file = _random.Next(2) == 0 ? 0 : 5;
        return new Clone(source, Offset() & -_page, file, Offset() & -_page, _random.Next(1, source == 5 || file == 5 ? 11 : 1200) * _page);
    }

    private ulong Place(World world, int space)
    {
        var areas = world.AreasOf(space);
        return areas.Count > 0 && _random.Next(12) != 0 ? InArea(areas[_random.Next(areas.Count)]) : Address();
    }

    private long Offset() => _random.Next(5) switch
    {
        0 => _random.Next(0, 20000),
        1 => _random.Next(0, 16 << 20),
        2 => _random.Next(0, 8) * (long)_large,
        3 => _random.Next(0, 2048) * _page,
        _ => 0,
    };
#pragma warning restore CA5394
}
