using System.Globalization;
using System.Text;
using Pando.Files;
using Pando.Hardware;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Machines;
using Pando.Spaces;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Tests;

/// <summary>
/// One random layout of an address space, and random accesses in it that are each made twice from the same state of
/// the tables: by the software processor and by a vCPU. Value, fault, error code, and the marks left must be the same;
/// KVM_TRANSLATE must find what the entries say.
/// </summary>
internal sealed class HardwareOracle : IDisposable
{
    private const ulong LoadAt = 0;
    private const ulong StoreAt = 64;
    private const ulong JumpAt = 128;

    // INT3: where a page's words begin with it, a jump there comes back at once.
    private const byte Int3 = 0xCC;

    private static readonly UserProgram _load = UserProgram.Assembled("load", JoinedMachine.Code.Value + LoadAt, static a =>
    {
        a.mov(rax, __qword_ptr[rdi]);
        a.int3();
    });

    private static readonly UserProgram _store = UserProgram.Assembled("store", JoinedMachine.Code.Value + StoreAt, static a =>
    {
        a.mov(__qword_ptr[rdi], rsi);
        a.int3();
    });

    private readonly Random _random;
    private readonly JoinedMachine _joined;
    private readonly AddressSpace _space;
    private readonly SoftwareProcessor _software;
    private readonly VirtualProcessor _cpu;
    private readonly StringBuilder _story = new();
    private readonly List<VirtualAddress> _places = [];

    internal HardwareOracle(int seed, X64Format format, bool? parks = null)
    {
        _random = new Random(seed);
        var sharing = Pick(SharingLevels.All, SharingLevels.None, SharingLevels.UpTo2MiB, SharingLevels.UpTo1GiB, SharingLevels.Pmd);
        bool large = _random.Next(3) > 0;
        Tell($"seed {seed}: {format.Geometry.Levels} levels, sharing {sharing}, large pages {large}");
        _joined = new JoinedMachine(sharing: sharing, largePages: large, device: 8 * JoinedMachine.Gibi, parks: parks, format: format);
        _software = _joined.Machine.AddProcessor();
        _cpu = _joined.Kvm.Processors[0].Cpu;
        _space = _joined.Process(_joined.Machine.CreateSpace(), _load).Space;
        var code = _joined.Machine.Memory.Bytes(_space.Areas[0].File!.Locate(0)!.Value, 4096);
        _store.Code.CopyTo(code[(int)StoreAt..]);
        BrokenPrograms.Jump(JoinedMachine.Code.Value + JumpAt).Code.CopyTo(code[(int)JumpAt..]);
        Build();
    }

    /// <summary>How the accesses ended, by what the software processor said.</summary>
    internal Dictionary<string, int> Outcomes { get; } = [];

    /// <summary>Makes accesses; throws, with the whole story, where the two differ.</summary>
    internal void Compare(int accesses)
    {
        for (int i = 0; i < accesses; i++)
        {
            if (_random.Next(40) == 0)
            {
                Change();
            }

            CompareOne();
        }
    }

    public void Dispose() => _joined.Dispose();

    // ---- The layout ----

    private void Build()
    {
        var files = new List<MappedFile>
        {
            _joined.Device.CreateFile("even", 2 * JoinedMachine.Gibi),
            _joined.Machine.CreateMemoryFile("small", 6 << 20),
            _joined.Machine.CreateMemoryFile("large", 16 << 20, 2 << 20),
            _joined.Device.CreateFile("holes", 12 << 20, [new(2 << 20, 4 * JoinedMachine.Gibi, 2 << 20), new(6 << 20, (5 * JoinedMachine.Gibi) + 4096, 3 << 20)]),
        };
        for (int i = 0; i < 14; i++)
        {
            // Near each other, in several gigabytes, so that all levels of tables are met.
            long at = ((long)_random.Next(3) << 39) + ((long)_random.Next(4) << 30) + ((long)_random.Next(8) << 21);
            at += _random.Next(3) == 0 ? _random.Next(512) << 12 : 0;
            var file = _random.Next(5) == 0 ? null : files[_random.Next(files.Count)];
            long length = file is null ? _random.Next(1, 2000) << 12 : Math.Max(4096, _random.Next(3) == 0 ? file.Size : (file.Size >> _random.Next(5)) & -4096);
            var rights = (Rights)_random.Next(8);
            bool shared = _random.Next(4) > 0;
            var address = JoinedMachine.Data + at;
            var result = _space.Map(new MapRequest(length, rights)
            {
                File = file,
                Offset = file is not null && _random.Next(4) == 0 ? _random.NextInt64(file.Size >> 12) << 12 : 0,
                Shared = shared,
                Address = address,
                Placement = MapPlacement.Fixed,
            });
            Tell($"map {file?.Name ?? "anonymous"} {rights} {(shared ? "shared" : "private")} at {address}, 0x{length:x}: {result}");
            if (result.Succeeded)
            {
                for (int touch = 0; touch < 12; touch++)
                {
                    var place = address + (_random.NextInt64(length >> 12) << 12);
                    _places.Add(place);
                    TouchSome(place);
                }

                _places.Add(address - 4096);
                _places.Add(address + ((length + 4095) & -4096));
            }
        }

        // Half of them: the others keep the file open by their mappings alone.
        files.ForEach(file => file.Dispose());
    }

    private void TouchSome(VirtualAddress place)
    {
        if (_random.Next(3) > 0)
        {
            _space.Fault(place, (AccessKind)_random.Next(3));
        }
    }

    private void Change()
    {
        var place = _places[_random.Next(_places.Count)];
        long length = 4096L << _random.Next(12);
        string what;
        switch (_random.Next(6))
        {
            case 0:
                var rights = (Rights)_random.Next(8);
                what = $"protect {rights}: {_space.Protect(place, length, rights)}";
                break;
            case 1:
                what = $"unmap: {_space.Unmap(place, Math.Min(length, 64 << 10))}";
                break;
            case 2:
                what = $"don't need: {_space.Advise(place, length, Advice.DontNeed)}";
                break;
            case 3 when _space.AreaSet.Find(place) is { File: { } file } area:
                what = $"poison: {file.Poison((long)place.Value + area.Delta)}";
                break;
            case 4 when _space.AreaSet.Find(place) is { File: { } file }:
                what = $"write back: {file.WriteBack()}";
                break;
            default:
                what = $"populate: {_space.Populate(AddressRange.FromLength(place, length), (AccessKind)_random.Next(3)).Kind}";
                break;
        }

        Tell($"at {place}, 0x{length:x}: {what}");
    }

    // ---- The accesses ----

    private void CompareOne()
    {
        var address = _places[_random.Next(_places.Count)] + (_random.Next(512) << 3);
        if (_random.Next(30) == 0)
        {
            address = new VirtualAddress((ulong)_random.NextInt64());
            address = new VirtualAddress((_random.Next(2) == 0 ? address.Value : address.Value & 0x7fff_ffff_ffff) & ~7UL);
        }

        if (_random.Next(3) == 0)
        {
            TouchSome(address);
        }

        var kind = (AccessKind)_random.Next(3);
        var path = Path(address);
        ForgetMarks(path);
        var before = Values(path);
        MarkForJump(kind, path, address);

        _software.InvalidateAll();
        var bySoftware = BySoftware(kind, address);
        var softwareMarks = Values(path);
        Restore(path, before);
        Flush(path);
        var byHardware = ByHardware(kind, address);
        var hardwareMarks = Values(path);
        if (bySoftware != byHardware)
        {
            Differ($"{kind} at {address}", bySoftware, byHardware, path, before);
        }

        CompareMarks(kind, address, bySoftware, path, before, softwareMarks, hardwareMarks);
        CompareTranslation(address, path, before);
        Outcomes[bySoftware.Name] = Outcomes.GetValueOrDefault(bySoftware.Name) + 1;
    }

    private Outcome BySoftware(AccessKind kind, VirtualAddress address)
    {
        _software.Switch(_space);
        ulong value = 0;
        var result = kind switch
        {
            AccessKind.Read => _software.TryRead(address, out value, FaultDelivery.ToCaller),
            AccessKind.Write => _software.TryWrite(address, Written(address, byHardware: false), FaultDelivery.ToCaller),
            _ => _software.TryFetch(address, out byte _, FaultDelivery.ToCaller),
        };
        return result.Outcome switch
        {
            AccessOutcome.Completed => new Outcome("completed", kind == AccessKind.Write ? IsWritten(address, byHardware: false) : value, 0, 0),
            AccessOutcome.PageFault => new Outcome("page fault " + result.Code, 0, result.Address.Value, (uint)result.Code),
            AccessOutcome.GeneralProtection => new Outcome("general protection", 0, 0, 0),
            _ => throw new InvalidOperationException($"{Story()}{result}"),
        };
    }

    private Outcome ByHardware(AccessKind kind, VirtualAddress address)
    {
        _cpu.Space = _space.RootAddress.Value;
        _cpu.Registers = new KvmRegisters
        {
            Rip = JoinedMachine.Code.Value + (kind switch { AccessKind.Read => LoadAt, AccessKind.Write => StoreAt, _ => JumpAt }),
            Rflags = 2,
            Rdi = address.Value,
            Rsi = Written(address, byHardware: true),
        };
        _space.MarkLoadedOn(0);
        var exit = _cpu.Run(TimeSpan.FromMinutes(5));
        return exit.Kind switch
        {
            ExitKind.PageFault when (exit.PageFaultError & PageFaultError.InstructionFetch) == 0 || exit.Address == address.Value =>
                new Outcome("page fault " + (PageFaultCode)exit.ErrorCode, 0, exit.Address, exit.ErrorCode),
            ExitKind.Breakpoint when kind == AccessKind.Execute => new Outcome("completed", 0, 0, 0),
            ExitKind.Breakpoint => new Outcome("completed", kind == AccessKind.Write ? IsWritten(address, byHardware: true) : _cpu.Registers.Rax, 0, 0),
            ExitKind.Exception when exit.Vector == 13 => new Outcome("general protection", 0, 0, 0),
            _ => new Outcome($"{exit}", 0, 0, 0),
        };
    }

    // Another word for each of the two, so that neither finds the other's.
    private static ulong Written(VirtualAddress address, bool byHardware) =>
        (((address.Value * Workloads.RandomMultiplier) + (byHardware ? 1UL << 40 : 0)) & ~0xFFUL) | Int3;

    /// <summary>1 if the word that was to be written stands where the entries say.</summary>
    private ulong IsWritten(VirtualAddress address, bool byHardware) =>
        Physical(Path(address), address) is { } physical && BitConverter.ToUInt64(_joined.Machine.Memory.Bytes(physical, 8)) == Written(address, byHardware) ? 1UL : 0;

    /// <summary>A jump must find the instruction that comes back.</summary>
    private void MarkForJump(AccessKind kind, List<Step> path, VirtualAddress address)
    {
        if (kind == AccessKind.Execute && Physical(path, address) is { } physical)
        {
            _joined.Machine.Memory.Bytes(physical, 1)[0] = Int3;
        }
    }

    // ---- The entries ----

    private List<Step> Path(VirtualAddress address)
    {
        var path = new List<Step>();
        var store = _joined.Machine.Store;
        var table = _space.Root;
        for (int level = store.Format.Geometry.Levels; store.Format.IsCanonical(address); level--)
        {
            var entry = store.Read(table, X64.Index(address.Value, level));
            path.Add(new Step(table, level, X64.Index(address.Value, level)));
            if (!store.Format.IsSlot(entry, level) || !store.Memory.IsRam(store.Format.TargetOf(entry, level)))
            {
                break;
            }

            table = store.TableOf(entry, level);
        }

        return path;
    }

    private ulong[] Values(List<Step> path) => [.. path.Select(step => Volatile.Read(ref _joined.Machine.Memory.EntryAt(step.Table, step.Index)))];

    private void Restore(List<Step> path, ulong[] values)
    {
        for (int i = 0; i < path.Count; i++)
        {
            _joined.Machine.Memory.EntryAt(path[i].Table, path[i].Index) = values[i];
        }
    }

    /// <summary>Takes the marks off, here and there, so that there is something to set.</summary>
    private void ForgetMarks(List<Step> path)
    {
        foreach (var step in path)
        {
            ref ulong entry = ref _joined.Machine.Memory.EntryAt(step.Table, step.Index);
            entry &= (entry & 1) != 0 && _random.Next(2) == 0 ? ~0x20UL : ~0UL;
            entry &= (entry & 1) != 0 && _random.Next(2) == 0 && Format.IsLeaf(new Entry(entry), step.Level) ? ~0x40UL : ~0UL;
        }
    }

    private void Flush(List<Step> path) => _joined.Kvm.Virtual.Flush([.. path.Select(step => _joined.Machine.Memory.AddressOf(step.Table).Value).Distinct()]);

    private EntryFormat Format => _joined.Machine.Format;

    private PhysicalAddress? Physical(List<Step> path, VirtualAddress address)
    {
        if (path.Count == 0)
        {
            return null;
        }

        var last = path[^1];
        var entry = _joined.Machine.Store.Read(last.Table, last.Index);
        return Format.IsLeaf(entry, last.Level)
            ? Format.TargetOf(entry, last.Level) + (long)(address.Value & (ulong)(X64.EntrySpan(last.Level) - 1))
            : null;
    }

    // ---- What must be the same ----

    private void CompareMarks(AccessKind kind, VirtualAddress address, Outcome outcome, List<Step> path, ulong[] before, ulong[] software, ulong[] hardware)
    {
        for (int i = 0; i < path.Count; i++)
        {
            // Whether a walk that ends in a fault marks the upper entries is the processor's choice (SDM vol. 3A, 4.8).
            bool fixedBySdm = outcome.Name == "completed" || i == path.Count - 1;
            if (fixedBySdm && software[i] != hardware[i])
            {
                Differ(
                    $"{kind} at {address}, marks at level {path[i].Level}",
                    new Outcome($"{software[i]:x16}", 0, 0, 0), new Outcome($"{hardware[i]:x16}", 0, 0, 0), path, before);
            }
        }
    }

    private void CompareTranslation(VirtualAddress address, List<Step> path, ulong[] before)
    {
        // After an access that was completed the vCPU may have parked.
        _cpu.Space = _space.RootAddress.Value;
        if (path.Count > 0 && address < _space.UserEnd && _cpu.Translate(address.Value) is var found && found != Physical(path, address)?.Value)
        {
            Differ($"KVM_TRANSLATE of {address}", new Outcome($"{Physical(path, address)}", 0, 0, 0), new Outcome($"{found:x}", 0, 0, 0), path, before);
        }
    }

    private void Differ(string what, Outcome software, Outcome hardware, List<Step> path, ulong[] before)
    {
        var entries = string.Join(", ", path.Select((step, i) => $"level {step.Level} [{step.Index}] {before[i]:x16}"));
        throw new InvalidOperationException($"{Story()}{what}: software {software}, hardware {hardware}; entries before: {entries}");
    }

    private void Tell(FormattableString what) => _story.AppendLine(what.ToString(CultureInfo.InvariantCulture));

    private string Story() => _story.ToString();

    private T Pick<T>(params ReadOnlySpan<T> from) => from[_random.Next(from.Length)];

    private readonly record struct Step(Frame Table, int Level, int Index);

    private readonly record struct Outcome(string Name, ulong Value, ulong Address, uint Code);
}
