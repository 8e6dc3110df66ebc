using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Formats;
using Pando.Tests.Support;

namespace Pando.Tests.Model;

/// <summary>
/// The engine and the model side by side: every operation is made on both, and everything that can be seen of the
/// two is compared.
/// </summary>
internal sealed partial class World : IDisposable
{
    public const int Spaces = 4;
    public const int Files = 6;

    private readonly WorldOptions _options;
    private readonly ITranslator _translator;
    private readonly RememberingCache _cache;
    private readonly int _processor;
    private readonly AddressSpace?[] _engine = new AddressSpace?[Spaces];
    private readonly ModelSpace?[] _model = new ModelSpace?[Spaces];
    private readonly ModelFile[] _files;
    private readonly List<FailingStorage> _storages = [];
    private PmemDevice? _large;
    private readonly Queue<ulong> _touched = new();

    public World(WorldOptions options, Func<Machine, ITranslator>? translator = null)
    {
        _options = options;
        Machine = new Machine(new MachineOptions
        {
            Ram = options.Page.Size << 19,
            Format = options.Format switch
            {
                ModelFormat.NoSlotRights => ToyRiscV.Sv39,
                ModelFormat.LargeGranule => ToyLargeGranule.Instance,
                _ => options.Levels == 4 ? X64Format.FourLevels : X64Format.FiveLevels,
            },
            MarksByFault = options.Format == ModelFormat.NoSlotRights,
            Sharing = options.Sharing,
            LargePages = options.LargePages,
            LargestPage = options.LargestPages ? options.Larger : null,
            ExecuteOnlyByKey = options.ExecuteOnlyByKey,
        });
        _translator = translator?.Invoke(Machine) ?? new TableReader(Machine.Format, Machine.Memory);
        _cache = new RememberingCache(new TableReader(Machine.Format, Machine.Memory));
        _processor = Machine.Store.Shootdown.Add(_cache);
        _files = MakeFiles();
    }

    public Machine Machine { get; }

    public WorldOptions Options => _options;

    /// <summary>A test's hook: called after each operation, before the comparison; it may damage the engine.</summary>
    public Action<World, int>? AfterStep { get; set; }

    /// <summary>Which spaces exist.</summary>
    public bool Has(int space) => _engine[space] is not null;

    public AddressSpace EngineSpace(int space) => _engine[space]!;

    public IReadOnlyList<ModelArea> AreasOf(int space) => _model[space]!.Areas;

    public ModelFile FileAt(int file) => _files[file];

    public bool IsOpen(int file) => !_files[file].IsClosed;

    /// <summary>Makes a run from beginning to end and checks everything after each step.</summary>
    /// <exception cref="MismatchException">Engine and model differ, or the machine is unsound.</exception>
    public void Run(IReadOnlyList<Operation> operations)
    {
        for (int i = 0; i < operations.Count; i++)
        {
            try
            {
                Step(operations[i]);
                AfterStep?.Invoke(this, i);
                Check();
            }
            catch (Exception exception) when (exception is not MismatchException)
            {
                throw new MismatchException($"step {i}: {operations[i]}: {exception.Message}", exception);
            }
            catch (MismatchException exception)
            {
                throw new MismatchException($"step {i}: {operations[i]}: {exception.Message}");
            }
        }

        End();
    }

    /// <summary>Makes one operation on both sides and compares its outcome.</summary>
    public void Step(Operation operation)
    {
        PrepareHandlers(operation);
        StepBoth(operation);
        SetUpHandlers();
    }

    private void StepBoth(Operation operation)
    {
        switch (operation)
        {
            case Create create when !Has(create.Space):
                _engine[create.Space] = Machine.CreateSpace();
                _engine[create.Space]!.MarkLoadedOn(_processor);
                _model[create.Space] = new ModelSpace(_options.Page, Machine.Format.Geometry.UserEnd.Value, _options.ExecuteOnlyByKey, _options.ExecuteImpliesRead, Machine.Format.ProtectionKeys);
                break;
            case MapAt map when Has(map.Space) && (map.File < 0 || IsOpen(map.File)):
                Map(map);
                break;
            case UnmapAt unmap when Has(unmap.Space):
                var unmapped = Attempt(() => _engine[unmap.Space]!.Unmap(new VirtualAddress(unmap.Address), unmap.Length), IsRefused);
                Same(_model[unmap.Space]!.Unmap(unmap.Address, unmap.Length), unmapped, "the outcome");
                break;
            case ForkTo fork when Has(fork.Space) && !Has(fork.Child):
                _engine[fork.Child] = Attempt(() => _engine[fork.Space]!.Fork(), child => child is null) ?? throw new MismatchException("fork is out of memory");
                _engine[fork.Child]!.MarkLoadedOn(_processor);
                _model[fork.Child] = _model[fork.Space]!.Fork();
                break;
            case ExitFrom exit when Has(exit.Space):
                _engine[exit.Space]!.Exit();
                _engine[exit.Space] = null;
                _model[exit.Space] = null;
                break;
            case TouchAt touch when Has(touch.Space):
                TouchBoth(touch);
                break;
            case PopulateAt populate when Has(populate.Space):
                PopulateBoth(populate);
                break;
            case Close close when IsOpen(close.File):
                _files[close.File].IsClosed = true;
                _files[close.File].Engine!.Dispose();
                break;
            case ReclaimAll:
                Machine.Reclaim();
                break;
            default:
                Change(operation);
                break;
        }
    }

    /// <summary>Compares all that can be seen without changing anything.</summary>
    public void Check()
    {
        var report = Machine.Audit();
        if (!report.IsSound)
        {
            throw new MismatchException($"the audit found: {string.Join("; ", report.Violations.Take(5))}");
        }

        if (_cache.FindStale() is { } stale)
        {
            throw new MismatchException(stale);
        }

        for (int i = 0; i < Spaces; i++)
        {
            if (Has(i))
            {
                CheckAreas(i);
                foreach (ulong address in _touched)
                {
                    CheckTranslation(i, address);
                }
            }
        }
    }

    public void Dispose() => Machine.Dispose();

    /// <summary>Ends everything: what was taken must have come back.</summary>
    public void End()
    {
        foreach (var space in _engine)
        {
            space?.Exit();
        }

        foreach (var file in _files)
        {
            file.Engine!.Dispose();
        }

        Machine.Reclaim();
        var report = Machine.Audit();
        if (!report.IsSound)
        {
            throw new MismatchException($"at the end the audit found: {string.Join("; ", report.Violations.Take(5))}");
        }

        Same(1, Machine.FramesInUse, "frames in use at the end (the page of zeroes)");
        Same(Machine.Count(TableEvent.Attached), Machine.Count(TableEvent.Detached), "detaches at the end");
        Same(Machine.Count(TableEvent.TableCreated), Machine.Count(TableEvent.TableFreed), "tables freed at the end");
        Same(0, Machine.Spaces.Count, "spaces at the end");
    }

    private void Map(MapAt map)
    {
        var model = _model[map.Space]!;
        var file = map.File < 0 ? null : _files[map.File];
        var (error, address) = model.PlanMap(map.Length, map.Offset, map.File >= 0, map.Address, map.Placement);
        var request = new MapRequest(map.Length, map.Rights)
        {
            File = file?.Engine,
            Offset = map.Offset,
            Shared = map.Shared,
            Placement = map.Placement,
            Address = new VirtualAddress(map.Address),
            Populate = map.Populate,
        };

        // Pages that could not be populated are no error of a map, but the model has them.
        var result = map.Populate == PopulateKind.None
            ? Attempt(() => _engine[map.Space]!.Map(request), outcome => outcome.Error == Errno.ENOMEM)
            : _engine[map.Space]!.Map(request);
        Same(error, result.Error, "the outcome");
        if (!result.Succeeded)
        {
            return;
        }

        ulong start = result.Address.Value;
        if (address is { } settled)
        {
            Same($"0x{settled:x}", $"0x{start:x}", "the address");
        }
        else if (!model.MayChoose(start, map.Length))
        {
            throw new MismatchException($"the engine chose 0x{start:x}, which is not free or not allowed");
        }

        long length = (map.Length + _options.Page.Size - 1) / _options.Page.Size * _options.Page.Size;
        if (file is null && map.Shared)
        {
            file = new ModelFile(_options.Page, "shared anonymous memory", length, null, null)
            {
                Engine = _engine[map.Space]!.Areas.Single(area => area.Range.Contains(result.Address)).File,
            };
        }

        model.Map(new ModelArea(start, start + (ulong)length, map.Rights, map.Shared, file, file is null ? 0 : map.Offset, Key: model.KeyFor(map.Rights)));
        if (map.Populate != PopulateKind.None)
        {
            bool write = map.Populate == PopulateKind.Write || (!map.Shared && (map.Rights & Rights.Write) != 0);
            model.Populate(start, start + (ulong)length, write ? AccessKind.Write : AccessKind.Read);
        }
    }

    private void TouchBoth(TouchAt touch)
    {
        var space = _engine[touch.Space]!;
        var model = _model[touch.Space]!;
        var address = new VirtualAddress(touch.Address);
        var expected = model.Access(touch.Address, touch.Access, touch.Access == AccessKind.Write ? touch.Value : null);
        var place = _translator.Translate(space, address, touch.Access);
        if (place is null || (touch.Value & 1) == 0)
        {
            // A fault where there is a translation is one that another thread has resolved meanwhile.
            var fault = Attempt(() => space.Fault(address, touch.Access), IsRefused, keepsState: false);
            Same(expected, OutcomeOf(fault.Kind), $"the outcome ({fault.Kind})");
            Same(touch.Address, fault.Address.Value, "the address of the fault");
            place = _translator.Translate(space, address, touch.Access);
        }

        if (expected != Touch.Allowed)
        {
            Same((PhysicalAddress?)null, place, "the translation of an access that is not allowed");
            return;
        }

        if (place is not { } found)
        {
            throw new MismatchException("the fault was resolved, but there is no translation that allows the access");
        }

        if (touch.Access == AccessKind.Write)
        {
            Machine.Memory.Bytes(found, 1)[0] = touch.Value;
        }

        _touched.Enqueue(touch.Address);
        if (_touched.Count > 12)
        {
            _touched.Dequeue();
        }

        CheckTranslation(touch.Space, touch.Address);
        _cache.See(space, address);
    }

    private void PopulateBoth(PopulateAt populate)
    {
        ulong end = populate.Address + (ulong)populate.Length;
        var range = new AddressRange(new VirtualAddress(populate.Address), new VirtualAddress(end));
        var result = Attempt(() => _engine[populate.Space]!.Populate(range, populate.Access), IsRefused, keepsState: false);
        var (outcome, at) = _model[populate.Space]!.Populate(populate.Address, end, populate.Access);
        Same(outcome, OutcomeOf(result.Kind), $"the outcome ({result.Kind})");
        Same($"0x{at:x}", $"0x{result.Address.Value:x}", "where populating ended");
        for (ulong page = populate.Address; outcome == Touch.Allowed && page < end; page += (ulong)_options.Page.Size)
        {
            if (_translator.Translate(_engine[populate.Space]!, new VirtualAddress(page), populate.Access) is null)
            {
                throw new MismatchException($"0x{page:x} was populated, but there is no translation");
            }
        }
    }

    private void CheckAreas(int space)
    {
        var engine = _engine[space]!.Areas;
        var model = _model[space]!.Areas;
        Same(model.Count, engine.Count, $"the number of areas of space {space} ({string.Join(", ", engine)})");
        for (int i = 0; i < model.Count; i++)
        {
            var area = model[i];
            var expected = new AreaInfo(
                new AddressRange(new VirtualAddress(area.Start), new VirtualAddress(area.End)), area.Rights, area.Flags | (area.Shared ? AreaFlags.Shared : AreaFlags.None), area.File?.Engine, area.Offset, area.Key);
            Same(expected, engine[i], $"area {i} of space {space}");
        }
    }

    /// <summary>What the tables show without a fault must be what the model allows and sees.</summary>
    private void CheckTranslation(int space, ulong address)
    {
        foreach (var access in (ReadOnlySpan<AccessKind>)[AccessKind.Read, AccessKind.Write, AccessKind.Execute])
        {
            if (_translator.Translate(_engine[space]!, new VirtualAddress(address), access) is not { } place)
            {
                continue;
            }

            var model = _model[space]!;
            var area = model.Find(address) ?? throw new MismatchException($"space {space}: 0x{address:x} is translated, but nothing is mapped there");
            var wanted = access switch { AccessKind.Read => _options.ExecuteImpliesRead ? Rights.All : Rights.ReadWrite, AccessKind.Write => Rights.Write, _ => Rights.Execute };
            if ((area.Rights & wanted) == 0 || model.IsDenied(area, access))
            {
                throw new MismatchException($"space {space}: the tables allow {access} at 0x{address:x}, {area} does not");
            }

            Same(model.Read(address), Machine.Memory.Bytes(place, 1)[0], $"space {space}: the byte at 0x{address:x}");
        }
    }

    private ModelFile[] MakeFiles()
    {
        // Half of what a large leaf shows: 1 MiB of x86-64.
        long unit = _options.Large / 2;
        long page = _options.Page.Size;
        long most = _options.Format == ModelFormat.LargeGranule ? _options.Larger + (2 * unit) : 3 * _options.Larger;
        var large = _large = AddDevice(most + (_options.Format == ModelFormat.LargeGranule ? 1L << 40 : 5 * _options.Larger));
        var small = AddDevice(24 * unit);
        var tight = AddDevice(5 * unit);

        // Changes of these files are made in pieces.
        (large.MostInPiece, small.MostInPiece, tight.MostInPiece) = (2, 1, 3);

        // Device offsets of the pieces of a file that is cut up: in line, out of line by one page, a hole, too short.
        FileExtent[] pieces =
        [
            new(0, 0, 2 * unit),
            new(2 * unit, (4 * unit) + page, 2 * unit),
            new(6 * unit, 8 * unit, unit),
            new(7 * unit, 12 * unit, 3 * unit),
            new(10 * unit, 16 * unit, 2 * unit),
        ];
        var pieceDevice = new ModelDevice(24 * unit / page);
        var piecePages = new Dictionary<long, long>();
        foreach (var piece in pieces)
        {
            pieceDevice.TakeAt(piece.DeviceOffset / page, piece.Length / page);
            for (long at = 0; at < piece.Length; at += page)
            {
                piecePages.Add((piece.FileOffset + at) / page, (piece.DeviceOffset + at) / page);
            }
        }

        var tightDevice = new ModelDevice(5 * unit / page);
        return
        [
            Make("contiguous", most, large.CreateFile("contiguous", most), null, null),
            Make("pieces", (12 * unit) + 5000, small.CreateFile("pieces", (12 * unit) + 5000, pieces), pieceDevice, piecePages),
            Make("sparse", 16 * unit, tight.CreateFile("sparse", 16 * unit, []), tightDevice, []),
            Make("memory", (6 * unit) + 100, Machine.CreateMemoryFile("memory", (6 * unit) + 100), null, null),
            Make("huge", 8 * unit, Machine.CreateMemoryFile("huge", 8 * unit, _options.Format == ModelFormat.LargeGranule ? page : 2 * unit), null, null),
            Make("odd", 10 * page, large.CreateFile("odd", 10 * page), null, null),
        ];

        ModelFile Make(string name, long size, MappedFile engine, ModelDevice? device, Dictionary<long, long>? storage) =>
            new(_options.Page, name, size, device, storage) { Engine = engine };
    }

    private PmemDevice AddDevice(long size)
    {
        var storage = new FailingStorage(size);
        _storages.Add(storage);
        return Machine.AddPmem(size, storage);
    }

    private static Touch OutcomeOf(FaultKind kind) => kind switch
    {
        FaultKind.NotMapped => Touch.NotMapped,
        FaultKind.NotAllowed => Touch.NotAllowed,
        FaultKind.DeniedByKey => Touch.DeniedByKey,
        FaultKind.BusError => Touch.BusError,
        FaultKind.OutOfMemory => throw new MismatchException("memory is out"),
        _ => Touch.Allowed,
    };

    private static void Same<T>(T expected, T actual, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
        {
            throw new MismatchException($"{what}: the model has {expected?.ToString() ?? "none"}, the engine {actual?.ToString() ?? "none"}");
        }
    }

    /// <inheritdoc/>
    public override string ToString() => _options.ToCode();
}
