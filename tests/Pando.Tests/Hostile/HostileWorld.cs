using System.Text;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Platforms;
using Pando.Spaces;

namespace Pando.Tests.Hostile;

/// <summary>
/// A small machine with something of everything, another machine, and what is left of one that has been disposed of: where the
/// objects come from that hostile calls are made on and with.
/// </summary>
internal sealed class HostileWorld : IDisposable
{
    public const long Page = X64.PageSize;
    public const long Mebi = 1L << 20;
    public static readonly VirtualAddress At = new(0x4000_0000_0000);

    // What is left of a machine has no memory, and changes no more: one for all.
    private static readonly Part Disposed = MakeDisposed();

    public HostileWorld()
    {
        Mine = new Part();
        Other = new Part();
        Mine.Machine.Reclaim();
        Other.Machine.Reclaim();
    }

    public Part Mine { get; }

    public Part Other { get; }

    /// <summary>Everything that can be seen of both machines, as text: every entry of every table too.</summary>
    public string State()
    {
        Mine.Machine.Reclaim();
        Other.Machine.Reclaim();
        var text = new StringBuilder();
        Mine.Describe(text);
        Other.Describe(text);
        return text.ToString();
    }

    public void Audit()
    {
        Mine.Machine.Audit().ThrowIfUnsound();
        Other.Machine.Audit().ThrowIfUnsound();
    }

    public void Dispose()
    {
        Mine.Machine.Dispose();
        Other.Machine.Dispose();
    }

    /// <summary>The objects of a class on which its members are called, each with its name.</summary>
    public IEnumerable<(string Name, object Instance)> Instances(Type type)
    {
        var all = new List<(string, object)>();
        foreach (var (name, part) in (ReadOnlySpan<(string, Part)>)[("live", Mine), ("disposed machine's", Disposed)])
        {
            all.AddRange(part.Objects.Where(pair => type.IsInstanceOfType(pair.Instance)).Select(pair => ($"{name} {pair.Name}", pair.Instance)));
        }

        return all;
    }

    /// <summary>The same with those of the other machine: what may be handed to a member.</summary>
    public IEnumerable<(string Name, object? Value)> Arguments(Type type)
    {
        var all = new List<(string, object?)>();
        foreach (var (name, part) in (ReadOnlySpan<(string, Part)>)[("mine", Mine), ("other machine's", Other), ("disposed machine's", Disposed)])
        {
            all.AddRange(part.Objects.Where(pair => type.IsInstanceOfType(pair.Instance)).Select(pair => ($"{name} {pair.Name}", (object?)pair.Instance)));
        }

        return all;
    }

    private static Part MakeDisposed()
    {
        var part = new Part();
        part.Machine.Dispose();
        return part;
    }

    /// <summary>A machine and what is in it.</summary>
    internal sealed class Part
    {
        private readonly AddressSpace _space;
        private readonly List<MappedFile> _files = [];
        private readonly PmemDevice _device;

        public Part()
        {
            Machine = new Machine(new MachineOptions { Ram = 8 * Mebi });
            _device = Machine.AddPmem(16 * Mebi);
            var dax = Known(_device.CreateFile("data", 4 * Mebi));
            var holes = Known(_device.CreateFile("holes", 2 * Mebi + 100, [new FileExtent(Page, 12 * Mebi, Page)]));
            var memory = Known(Machine.CreateMemoryFile("memory", 16 * Page));
            var huge = Known(Machine.CreateHugeFile("huge", 2 * Mebi));
            var ended = Machine.CreateMemoryFile("ended", Page);
            var endedDax = _device.CreateFile("ended data", Page);
            ended.Dispose();
            endedDax.Dispose();
            var closed = Known(_device.CreateFile("closed", 4 * Page));
            _space = Machine.CreateSpace();
            Map(MapRequest.SharedFile(dax, Rights.ReadWrite), 0);
            Map(MapRequest.PrivateFile(memory, Rights.ReadWrite), 4 * Mebi);
            Map(MapRequest.Anonymous(16 * Page, Rights.ReadWrite), 8 * Mebi);
            Map(MapRequest.SharedFile(memory, Rights.ReadWrite), 10 * Mebi);
            Map(MapRequest.SharedFile(huge, Rights.ReadWrite), 12 * Mebi);
            Map(MapRequest.SharedFile(closed, Rights.Read), 14 * Mebi);
            Map(MapRequest.Anonymous(4 * Page, Rights.Read), 15 * Mebi);
            closed.Dispose();
            Assert.Equal(Errno.None, _space.Seal(At + (15 * Mebi), Page));
            Assert.Equal(Errno.None, _space.RegisterUserFaults(At + (10 * Mebi), 8 * Page, UserFaultModes.Missing, Refuses.Instance));
            var processor = Machine.AddProcessor();
            processor.Switch(_space);
            foreach (long at in (ReadOnlySpan<long>)[0, 4 * Mebi, 8 * Mebi])
            {
                Assert.True(processor.TryWrite(At + at, 1).IsCompleted);
            }

            var exited = Machine.CreateSpace();
            exited.Exit();
            var (shares, idle) = (Machine.TableShares(), Machine.AddProcessor());
            var seat = ProcessorSeat.Take(Machine, static _ => KeepsNothing.Instance);
            Objects =
            [
                ("machine", Machine), ("memory", Machine.Memory), ("device", _device), ("shares", shares),
                ("data", dax), ("holes", holes), ("memory file", memory), ("huge file", huge), ("ended file", ended), ("ended data", endedDax), ("closed", closed),
                ("data's tables", dax.Tables), ("memory's tables", memory.Tables), ("ended tables", ended.Tables),
                ("space", _space), ("exited space", exited), ("processor", processor), ("idle processor", idle), ("seat", seat), ("user memory", new UserMemory(Machine)),
            ];
        }

        public Machine Machine { get; }

        public IReadOnlyList<(string Name, object Instance)> Objects { get; }

        public void Describe(StringBuilder text)
        {
            text.Append(Machine.FramesInUse).Append(' ').Append(_device.FreeBytes).Append(' ').Append(_device.RetiredBytes).AppendLine();
            foreach (var space in Machine.Spaces)
            {
                text.AppendJoin(Environment.NewLine, space.Areas).AppendLine();
                Describe(text, space.Root, Machine.Format.Geometry.Levels);
            }

            foreach (var file in _files.Where(file => !file.HasEnded))
            {
                text.Append(file.Name).Append(' ').Append(file.Size).Append(' ').Append(file.DirtyBytes).AppendJoin(',', file is DaxFile dax ? dax.Extents : []).AppendLine();
                foreach (var table in file.Tables.All())
                {
                    text.Append(file.Tables.KeyOf(table)).Append(" attached ").Append(Machine.Memory.Record(table).AttachCount).AppendLine();
                    Describe(text, table, Machine.Memory.Record(table).Level);
                }
            }
        }

        private void Describe(StringBuilder text, Frame table, int level)
        {
            var entries = Machine.Memory.TableEntries(table);
            for (int i = entries.IndexOfAnyExcept(0UL); i >= 0 && i < X64.Entries; i++)
            {
                var entry = new Entry(entries[i]);
                if (entry.IsNone)
                {
                    continue;
                }

                text.Append(level).Append('[').Append(i).Append("]=").Append(entry).AppendLine();
                if (Machine.Format.IsSlot(entry, level) && Machine.Memory.Record(table).Kind == FrameKind.SpaceTable && !Machine.Store.IsAttached(entry, level))
                {
                    Describe(text, Machine.Store.TableOf(entry, level), level - 1);
                }
            }
        }

        private void Map(MapRequest request, long at) =>
            Assert.Equal(Errno.None, _space.Map(request with { Address = At + at, Placement = MapPlacement.Fixed }).Error);

        private T Known<T>(T file)
            where T : MappedFile
        {
            _files.Add(file);
            return file;
        }
    }

    /// <summary>Resolves nothing.</summary>
    internal sealed class Refuses : IUserFaultHandler
    {
        public static readonly Refuses Instance = new();

        public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access) => false;
    }
}
