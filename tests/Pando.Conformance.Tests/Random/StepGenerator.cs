using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Random;

/// <summary>Random operations from a seed, aimed at what is mapped and at its edges.</summary>
#pragma warning disable CA5394 // Not for secrets: a seed must give the same run everywhere.
internal sealed class StepGenerator(int seed)
{
    private const ulong Page = 4096;
    private const ulong Window = 2UL << 20;
    private const ulong Gibi = 1UL << 30;
    private const AreaFlags AnyUserFault = AreaFlags.UserMissing | AreaFlags.UserMinor | AreaFlags.UserWriteProtect;

    // Places from which mappings begin: in one 2 MiB window, across its edge, across those of 1 GiB and 512 GiB.
    private static readonly ulong[] Anchors =
    [
        LockstepWorld.Arena, LockstepWorld.Arena + (8 * Page), LockstepWorld.Arena + Window, LockstepWorld.Arena + (2 * Window) - (3 * Page),
        LockstepWorld.Arena + Gibi - Window, LockstepWorld.Arena + Gibi, LockstepWorld.Arena + (512 * Gibi) - (2 * Page), LockstepWorld.Arena + (512 * Gibi) + Window,
    ];

    private readonly System.Random _random = new(seed);

    /// <summary>
    /// What the run is made with: by turns with sharing, which must change nothing, and without, where page tables are
    /// compared too; every other run with huge pages, where there are some.
    /// </summary>
    public LockstepOptions Options(bool hugePages) =>
        new(seed % 3 == 0 ? SharingLevels.All : SharingLevels.None, hugePages && seed % 2 == 0, UserFaults: HasUserFaults && KernelFeatures.Running.WhyNoUserFaults is null);

    private bool HasUserFaults => seed % 4 >= 2;

    public Operation Next(LockstepWorld world)
    {
        int process = _random.Next(LockstepWorld.Processes);
        if (!world.Has(process))
        {
            int parent = Enumerable.Range(0, LockstepWorld.Processes).Where(world.Has).OrderBy(_ => _random.Next()).First();
            if (_random.Next(6) == 0)
            {
                return new ForkTo(parent, process);
            }

            process = parent;
        }

        var areas = world.At(process).Areas();
        var (at, length) = Range(areas);
        if (HasUserFaults && world.Features.WhyNoUserFaults is null && _random.Next(4) == 0)
        {
            return UserFault(process, areas);
        }

        if (world.Features.WhyNoKeys is null && _random.Next(12) == 0)
        {
            return _random.Next(10) switch
            {
                < 3 => new TakeKey(process, _random.Next(3) != 0 ? Rights.ReadWrite : _random.Next(2) == 0 ? Rights.Read : Rights.None),
                < 4 => new GiveKey(process, _random.Next(-1, 17)),
                _ => new ProtectKeyAt(process, Odd(at), OddLength(length), RandomRights(), _random.Next(8) == 0 ? _random.Next(-1, 17) : _random.Next(0, 4)),
            };
        }

        return _random.Next(80) switch
        {
            < 22 => Map(world, process, areas),
            < 30 => new UnmapAt(process, Odd(at), OddLength(length)),
            < 40 => new ProtectAt(process, Odd(at), OddLength(length), RandomRights()),
            < 52 => Remap(process, areas),
            < 64 => new AdviseAt(process, Odd(at), OddLength(length), RandomAdvice()),
            < 67 => new LockAt(process, at + (ulong)_random.Next(2) * 100, length, _random.Next(3) != 0, _random.Next(3) == 0),
            < 68 => _random.Next(3) == 0 ? new LockAllOf(process, _random.Next(2) == 0, _random.Next(2) == 0, _random.Next(3) == 0) : new LockAllOf(process, false, false, false),
            < 71 => new ResidentAt(process, Odd(at), Math.Min(length, 64 * (long)Page)),
            < 73 => new SyncAt(process, Odd(at), OddLength(length), _random.Next(3) == 0),
            < 75 => new Resize(_random.Next(world.Files.Count), Size()),
            < 77 => new Punch(_random.Next(world.Files.Count), Offset(), Length()),
            < 78 => _random.Next(5) == 0 ? new SealAt(process, at, (long)Page * _random.Next(1, 3)) : Probe(world),
            < 79 => process > 0 ? new ExitFrom(process) : Probe(world),
            _ => new ForkTo(process, _random.Next(LockstepWorld.Processes)),
        };
    }

    /// <summary>A load or a store, somewhere in any process.</summary>
    public TouchAt Probe(LockstepWorld world)
    {
        int process = Enumerable.Range(0, LockstepWorld.Processes).Where(world.Has).OrderBy(_ => _random.Next()).First();
        var areas = world.At(process).Areas();
        var registered = HasUserFaults ? areas.FindAll(area => (area.Flags & AnyUserFault) != 0) : [];
        return Touch(process, registered.Count > 0 && _random.Next(3) != 0 ? registered : areas);
    }

    private MapAt Map(LockstepWorld world, int process, List<AreaInfo> areas)
    {
        int file = _random.Next(-2, world.Files.Count);
        file = Math.Max(file, -1);
        ulong address = Place(areas);
        long offset = file < 0 ? 0 : Offset();
        var rights = RandomRights();

        // A private copy of a huge page is 2 MiB for the kernel and 4 KiB for the engine (docs/conformance.md).
        bool isHuge = file >= 0 && world.Files[file].Engine.MappingAlignment > (long)Page;
        bool shared = _random.Next(5) < 3 || isHuge;
        if (isHuge && _random.Next(4) != 0)
        {
            address = (address & ~(Window - 1)) + (_random.Next(3) == 0 ? Window : 0);
            offset &= -(long)Window;
        }

        // Pieces that continue what is there.
        if (areas.Count > 0 && _random.Next(3) == 0)
        {
            var area = areas[_random.Next(areas.Count)];
            int known = Enumerable.Range(0, world.Files.Count).FirstOrDefault(i => world.Files[i].Engine == area.File, -1);
            bool after = _random.Next(3) != 0;
            long pages = _random.Next(1, 4);
            long continued = after ? area.Offset + area.Range.Length : area.Offset - (pages * (long)Page);
            if ((known >= 0 && continued >= 0) || area.File is null)
            {
                return new MapAt(
                    process, known, known < 0 ? 0 : continued, pages * (long)Page, area.Rights, area.Shared,
                    _random.Next(2) == 0 ? MapPlacement.Fixed : MapPlacement.FixedNoReplace,
                    after ? area.Range.End.Value : area.Range.Start.Value - ((ulong)pages * Page), PopulateKind.None);
            }
        }

        var placement = _random.Next(10) switch { < 5 => MapPlacement.Fixed, < 7 => MapPlacement.FixedNoReplace, _ => MapPlacement.Anywhere };
        if (placement == MapPlacement.Anywhere && _random.Next(3) != 0)
        {
            address = 0;
        }

        if (_random.Next(40) == 0)
        {
            switch (_random.Next(7))
            {
                case 0: return new MapAt(process, file, offset, 0, rights, shared, placement, address, PopulateKind.None);
                case 1: address++; break;
                case 2: offset++; break;
                case 3: address = 0; break;
                case 4: address = KernelFeatures.Running.Format.Geometry.UserEnd.Value; break;
                case 5: return new MapAt(process, file, offset, long.MaxValue - 100, rights, shared, placement, address, PopulateKind.None);
                default: address = KernelFeatures.Running.Format.Geometry.UserEnd.Value - (3 * Page); break;
            }
        }

        return new MapAt(
            process, file, offset, OddLength(Length()), rights, shared, placement, address, _random.Next(5) == 0 ? PopulateKind.Read : PopulateKind.None);
    }

    /// <summary>Something of userfaultfd: mostly of what is registered already, once there is some.</summary>
    private Operation UserFault(int process, List<AreaInfo> areas)
    {
        int kind = _random.Next(20);
        var registered = areas.FindAll(area => (area.Flags & AnyUserFault) != 0);
        var (at, length) = Range(kind >= 7 && registered.Count > 0 && _random.Next(8) != 0 ? registered : areas);
        long few = Math.Min(length, _random.Next(1, 6) * (long)Page);
        if (areas.Find(area => area.Range.Contains(new VirtualAddress(at))).File is { MappingAlignment: > (long)Page } && _random.Next(4) != 0)
        {
            at &= ~(Window - 1);
            (length, few) = ((length + (long)Window - 1) & -(long)Window, (long)Window);
        }

        return kind switch
        {
            < 6 => new RegisterAt(process, Odd(at), OddLength(length), _random.Next(40) == 0 ? UserFaultModes.None : (UserFaultModes)_random.Next(1, 8)),
            < 7 => new UnregisterAt(process, Odd(at), OddLength(length)),
            < 13 => new WriteProtectAt(process, Odd(at), OddLength(length), _random.Next(4) != 0),
            < 17 => new ProvideAt(process, Odd(at), OddLength(few), (byte)(_random.Next(4) == 0 ? 0 : _random.Next(1, 256)), _random.Next(3) == 0),
            _ => new ContinueAt(process, Odd(at), OddLength(few), _random.Next(3) == 0),
        };
    }

    private RemapAt Remap(int process, List<AreaInfo> areas)
    {
        long length = Length();
        ulong from = Place(areas);
        if (areas.Count > 0 && _random.Next(2) == 0)
        {
            var area = areas[_random.Next(areas.Count)];
            from = area.Range.Start.Value;
            length = area.Range.Length;
            if (_random.Next(3) == 0 && length > (long)Page)
            {
                from += Page;
                length -= (long)Page;
            }
        }

        var flags = _random.Next(12) switch
        {
            < 3 => RemapFlags.None,
            < 6 => RemapFlags.MayMove,
            < 9 => RemapFlags.MayMove | RemapFlags.Fixed,
            < 10 => RemapFlags.MayMove | RemapFlags.DontUnmap,
            < 11 => RemapFlags.MayMove | RemapFlags.Fixed | RemapFlags.DontUnmap,
            _ => (RemapFlags)_random.Next(9),
        };
        long newLength = (flags & RemapFlags.DontUnmap) != 0 && _random.Next(8) != 0 ? length : _random.Next(6) switch
        {
            < 2 => length,
            2 => length + ((long)Page * _random.Next(1, 4)),
            3 => Math.Max((long)Page, length - (long)Page),
            4 => OddLength(Length()),
            _ => Length(),
        };

        // Without these the new address says nothing, though it may well be free.
        ulong to = (flags & (RemapFlags.Fixed | RemapFlags.DontUnmap)) == 0 ? from + (2 * Window)
            : _random.Next(3) == 0 ? (from & (Window - 1)) + (Anchors[_random.Next(Anchors.Length)] & ~(Window - 1)) : Odd(Place(areas));
        return new RemapAt(process, Odd(from), _random.Next(12) == 0 ? 0 : length, newLength, flags, to);
    }

    private TouchAt Touch(int process, List<AreaInfo> areas)
    {
        var access = _random.Next(2) == 0 ? AccessKind.Read : AccessKind.Write;
        return new TouchAt(process, Place(areas) + (ulong)(_random.Next(4) * 1000), access, (byte)_random.Next(1, 256));
    }

    /// <summary>A range: half of the time within one area, or all of it.</summary>
    private (ulong Address, long Length) Range(List<AreaInfo> areas)
    {
        if (areas.Count == 0 || _random.Next(2) == 0)
        {
            return (Place(areas), Length());
        }

        var area = areas[_random.Next(areas.Count)].Range;
        long pages = area.Length / (long)Page;
        long first = _random.Next(3) switch { 0 => 0, 1 => _random.NextInt64(pages), _ => Math.Max(0, pages - _random.Next(1, 6)) };
        long count = _random.Next(3) switch { 0 => pages - first, 1 => 1 + _random.NextInt64(pages - first), _ => Math.Min(pages - first, _random.Next(1, 6)) };
        return (area.Start.Value + ((ulong)first * Page), count * (long)Page);
    }

    /// <summary>A page: mostly of an area, near its ends or the edges of windows.</summary>
    private ulong Place(List<AreaInfo> areas)
    {
        if (areas.Count == 0 || _random.Next(5) == 0)
        {
            return Anchors[_random.Next(Anchors.Length)] + ((ulong)_random.Next(6) * Page);
        }

        var area = areas[_random.Next(areas.Count)];
        ulong start = area.Range.Start.Value;
        ulong pages = (ulong)area.Range.Length / Page;
        return _random.Next(8) switch
        {
            < 2 => start,
            2 => area.Range.End.Value - Page,
            3 => Math.Max(start - Page, AddressSpace.LowestAddress),
            4 => area.Range.End.Value,
            5 => Math.Min(area.Range.End.Value - Page, (start & ~(Window - 1)) + Window),
            _ => start + ((ulong)_random.NextInt64((long)pages) * Page),
        };
    }

    private ulong Odd(ulong address) => _random.Next(60) == 0 ? address + 1 : address;

    private long OddLength(long length) => _random.Next(40) switch { 0 => 0, 1 => length - 1, 2 => length + 1, _ => length };

    private long Length() => _random.Next(12) switch
    {
        < 6 => _random.Next(1, 7) * (long)Page,
        < 8 => _random.Next(1, 40) * (long)Page,
        < 9 => (long)Window,
        < 10 => (long)Window + ((long)Page * _random.Next(-2, 3)),
        _ => 2 * (long)Window,
    };

    private long Offset() => _random.Next(6) switch
    {
        < 2 => 0,
        < 4 => _random.Next(0, 12) * (long)Page,
        < 5 => (long)Window * _random.Next(0, 4),
        _ => _random.Next(0, 1700) * (long)Page,
    };

    private long Size() => _random.Next(6) switch
    {
        0 => 0,
        1 => _random.Next(1, 60000),
        2 => _random.Next(1, 16) * (long)Page,
        3 => (long)Window * _random.Next(1, 5),
        4 => _random.Next(10) == 0 ? -1 : _random.Next(1, 7 << 20),
        _ => (6L << 20) + 100,
    };

    private Rights RandomRights() => _random.Next(10) switch
    {
        < 5 => Rights.ReadWrite,
        < 7 => Rights.Read,
        7 => Rights.None,
        8 => Rights.Read | Rights.Execute,
        _ => (Rights)_random.Next(8),
    };

    private Advice RandomAdvice()
    {
        var all = Enum.GetValues<Advice>();
        var advice = _random.Next(4) == 0 ? Advice.DontNeed : _random.Next(40) == 0 ? (Advice)77 : all[_random.Next(all.Length)];

        // What the kernel gives up of files' pages that were never written is missing afterwards.
        return advice == Advice.PageOut && HasUserFaults ? Advice.Cold : advice;
    }
}
#pragma warning restore CA5394
