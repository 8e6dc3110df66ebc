using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <content>Operations that change what is mapped, and where files lie.</content>
internal sealed partial class RandomRun
{
    private static readonly Advice[] Advices =
    [
        Advice.DontNeed, Advice.DontNeed, Advice.DontNeed, Advice.Free, Advice.DontFork, Advice.DoFork, Advice.DontDump, Advice.DoDump,
        Advice.WipeOnFork, Advice.KeepOnFork, Advice.WillNeed, Advice.Cold, Advice.PageOut,
    ];

#pragma warning disable CA5394 // A test wants a sequence that it can have again, not one that nobody can guess.
    private Operation Change(World world, int space) => _random.Next(50) switch
    {
        < 12 => Protect(world, space),
        < 22 => Remap(world, space),
        < 28 => Advise(world, space),
        < 31 => new LockAt(space, Place(world, space), Length() % (8L << 20), _random.Next(3) != 0, _random.Next(3) == 0),
        < 32 => _random.Next(8) == 0 ? new ClearAll(space) : new ReclaimAll(),
        < 36 => Resize(world),
        < 41 => new Punch(_random.Next(World.Files), Offset(), _random.Next(3) == 0 ? _random.Next(1, 20000) : Length()),
        < 43 => new Shift(_random.Next(3), Offset() & -4096, _random.Next(1, 1500) * 4096L, _random.Next(2) == 0),
        < 45 => Clone(),
        < 48 => new SyncFile(_random.Next(World.Files), _random.Next(2) == 0 ? 0 : Offset(), _random.Next(2) == 0 ? 1L << 40 : Length()),
        _ => new MigrateAt(_random.Next(0, 4096) * 4096L, _random.Next(1, 600) * 4096L),
    };

    private ProtectAt Protect(World world, int space)
    {
        var rights = _random.Next(8) switch
        {
            < 3 => Rights.ReadWrite,
            < 5 => Rights.Read,
            < 6 => Rights.None,
            < 7 => Rights.Read | Rights.Execute,
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

    private RemapAt Remap(World world, int space)
    {
        var areas = world.AreasOf(space);
        if (areas.Count == 0)
        {
            return new RemapAt(space, Address(), Length(), Length(), RemapFlags.MayMove, 0);
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
        long renewed = _random.Next(4) switch { 0 => Length(), 1 => Math.Max(4096, old / 2), _ => Math.Max(4096, old) };
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
        renewed = (area.Flags & AreaFlags.Locked) != 0 ? Math.Min(renewed, Math.Max(4096, Math.Min(old, 8L << 20))) : renewed;

        // Often a place in line with the old one, so that slots can move as they are.
        ulong target = _random.Next(2) == 0 ? Address() : start + ((ulong)_random.Next(1, 5) << (_random.Next(2) == 0 ? 21 : 30));
        return new RemapAt(space, start, old, renewed, flags, (flags & RemapFlags.Fixed) != 0 ? target : 0);
    }

    private AdviseAt Advise(World world, int space)
    {
        var advice = Advices[_random.Next(Advices.Length)];
        return new AdviseAt(space, Place(world, space), Length(), advice);
    }

    private Resize Resize(World world)
    {
        int file = _random.Next(World.Files);
        long size = world.FileAt(file).Size;
        long renewed = _random.Next(4) switch
        {
            0 => size + _random.Next(-300, 300) * 4096L,
            1 => _random.Next(0, 16 << 20),
            2 => (size & -(2L << 20)) + _random.Next(-1, 3) * (2L << 20),
            _ => size + _random.Next(-9000, 9000),
        };
        return new Resize(file, Math.Clamp(renewed, 0, 4L << 30));
    }

    /// <summary>Between the two files of the large device, or within one of them.</summary>
    private Clone Clone()
    {
        int source = _random.Next(2) == 0 ? 0 : 5;
        int file = _random.Next(2) == 0 ? 0 : 5;
        return new Clone(source, Offset() & -4096, file, Offset() & -4096, _random.Next(1, source == 5 || file == 5 ? 11 : 1200) * 4096L);
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
        2 => _random.Next(0, 8) * (2L << 20),
        3 => _random.Next(0, 2048) * 4096L,
        _ => 0,
    };
#pragma warning restore CA5394
}
