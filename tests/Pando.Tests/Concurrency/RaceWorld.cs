using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Formats;
using Pando.Tests.Support;

namespace Pando.Tests.Concurrency;

/// <summary>
/// A machine that is small enough to be made anew for every schedule, and what is checked of it after each: the
/// scenario's own check, the auditor, and that all that was taken comes back.
/// </summary>
internal sealed class RaceWorld : IDisposable
{
    public const long Page = 4096;
    public const long Mebi = 1L << 20;
    public const long Gibi = 1L << 30;

    /// <summary>An address that is aligned to every level's span.</summary>
    public static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly List<MappedFile> _files = [];
    private PmemDevice? _device;

    public RaceWorld(SharingLevels sharing = SharingLevels.UpTo1GiB, bool largePages = false, long ram = 4 * Mebi, EntryFormat? format = null, bool largestPages = false)
    {
        format ??= X64Format.FourLevels;
        int level = largestPages ? Level.Pud : Level.Pmd;
        Unit = format.Geometry.EntrySpan(level) / 2;
        Machine = new Machine(new MachineOptions { Ram = ram / Page * format.Geometry.PageSize, Sharing = sharing, LargePages = largePages, LargestPage = largestPages ? format.Geometry.EntrySpan(level) : null, Format = format, MarksByFault = format is ToyRiscV });
        Tables = new TableReader(Machine.Format, Machine.Memory);
    }

    /// <summary>A world whose device has storage of the test's.</summary>
    public RaceWorld(DeviceStorage storage, long size)
        : this()
    {
        _device = Machine.AddPmem(size, storage);
        _device.MostInPiece = 1;
    }

    public Machine Machine { get; }

    /// <summary>Half of the largest leaf: 1 MiB of x86-64 unless there are leaves of 1 GiB.</summary>
    public long Unit { get; }

    /// <summary>Reads the tables as a processor would, and leaves nothing behind.</summary>
    public TableReader Tables { get; }

    /// <summary>A device on which every extent that is changed is a piece by itself.</summary>
    public PmemDevice Device
    {
        get
        {
            if (_device is null)
            {
                _device = Machine.AddPmem(16 * Unit, Storage = new FailingStorage(16 * Unit));
                _device.MostInPiece = 1;
            }

            return _device;
        }
    }

    /// <summary>The storage of <see cref="Device"/>, once that is there, unless the test has brought its own.</summary>
    public FailingStorage? Storage { get; private set; }

    /// <summary>A file of a page every 2 MiB, one by one on the device, and holes between.</summary>
    public DaxFile Pieces(int count)
    {
        var place = Device.CreateFile("place", 2 * count * Page);
        long start = place.Extents[0].DeviceOffset;
        place.Dispose();
        return Known(Device.CreateFile("pieces", count * 2 * Mebi, [.. Enumerable.Range(0, count).Select(i => new FileExtent(i * 2 * Mebi, start + (2 * i * Page), Page))]));
    }

    /// <summary>A file in one piece.</summary>
    public DaxFile DaxFile(long? size = null) => Known(Device.CreateFile("data", size ?? (4 * Unit)));

    /// <summary>A file without storage.</summary>
    public DaxFile Holes(long? size = null) => Known(Device.CreateFile("holes", size ?? (4 * Unit), []));

    public MemoryFile MemoryFile(long? size = null) => Known(Machine.CreateMemoryFile("memory", size ?? (4 * Unit)));

    /// <summary>Sees to it that a file is closed at the end.</summary>
    public T Known<T>(T file)
        where T : MappedFile
    {
        _files.Add(file);
        return file;
    }

    /// <summary>A space that maps something at <see cref="At"/>.</summary>
    public AddressSpace Space(MapRequest request)
    {
        var space = Machine.CreateSpace();
        Map(space, request);
        return space;
    }

    public static void Map(AddressSpace space, MapRequest request, long at = 0) =>
        Assert.Equal(At + at, space.Map(request with { Address = At + at, Placement = MapPlacement.Fixed }).Value);

    /// <summary>A processor that runs a space.</summary>
    public SoftwareProcessor Processor(AddressSpace space)
    {
        var processor = Machine.AddProcessor();
        processor.Switch(space);
        return processor;
    }

    /// <summary>The first byte of a page of a file, where the file has one.</summary>
    public ref byte ByteOf(MappedFile file, long offset)
    {
        Schedule.Reach(SchedulePoint.Bytes);
        return ref Machine.Memory.Bytes(file.Locate(offset)!.Value, 1)[0];
    }

    /// <summary>Before a body reads or writes what another body does too, beside the engine.</summary>
    public static void Point() => Schedule.Reach(SchedulePoint.SharedWord);

    /// <summary>Where a space's tables show an address, for a load; null where they show nothing.</summary>
    public PhysicalAddress? Shown(AddressSpace space, long at) => Tables.Translate(space, At + at, AccessKind.Read);

    /// <summary>What a space shows at an address is what the file has there, or nothing.</summary>
    public void ShowsAtMost(AddressSpace space, long at, MappedFile file, long offset)
    {
        if (Shown(space, at) is { } shown)
        {
            Assert.Equal(file.Locate(offset), shown);
        }
    }

    public static void Resolves(AddressSpace space, long at, AccessKind access)
    {
        var result = space.Fault(At + at, access);
        Assert.True(result.IsResolved, $"{access} at {at:x}: {result.Kind}");
    }

    public static void Succeeds(Errno outcome) => Assert.Equal(Errno.None, outcome);

    /// <summary>The scenario of threads in this world.</summary>
    /// <param name="check">What must hold afterwards, beside what always must.</param>
    /// <param name="threads">What they do.</param>
    public Scenario Race(Action check, params Action[] threads) =>
        new(
            threads,
            () =>
            {
                Machine.Audit().ThrowIfUnsound();
                check();
                EndsClean();
            },
            this);

    public void Dispose() => Machine.Dispose();

    private void EndsClean()
    {
        foreach (var space in Machine.Spaces)
        {
            space.Exit();
        }

        foreach (var file in _files)
        {
            file.Dispose();
        }

        Machine.Reclaim();
        Machine.Audit().ThrowIfUnsound();
        Assert.Equal(1, Machine.FramesInUse);
        Assert.Equal(Machine.Count(TableEvent.Attached), Machine.Count(TableEvent.Detached));
        Assert.Equal(_device?.Size, _device?.FreeBytes + _device?.RetiredBytes);
    }
}
