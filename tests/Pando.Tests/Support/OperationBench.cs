using System.Text;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Durability;

namespace Pando.Tests.Support;

/// <summary>
/// A machine with a device, and processes that each run on a processor of their own, so that what a processor
/// remembers of a space stays warm and a flush that is missing shows in what it loads.
/// </summary>
internal sealed class OperationBench : IDisposable
{
    public const long Page = 4096;
    public const long Mebi = 1L << 20;
    public const long Gibi = 1L << 30;

    /// <summary>An address that is aligned to every level's span.</summary>
    public static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly List<BenchProcess> _processes = [];
    private readonly List<MappedFile> _files = [];

    public OperationBench(SharingLevels sharing = SharingLevels.All, bool largePages = true, long ram = 64 * Mebi, long device = 8 * Gibi, bool executeOnlyByKey = false)
    {
        Machine = new Machine(new MachineOptions { Ram = ram, Sharing = sharing, LargePages = largePages, ExecuteOnlyByKey = executeOnlyByKey });
        Device = Machine.AddPmem(device);
    }

    /// <summary>The same, on a device with storage of the test's.</summary>
    public OperationBench(ForgettingStorage storage, SharingLevels sharing = SharingLevels.All, bool largePages = true)
    {
        Machine = new Machine(new MachineOptions { Ram = 64 * Mebi, Sharing = sharing, LargePages = largePages });
        Device = Machine.AddPmem(storage.Size, storage);
    }

    public Machine Machine { get; }

    public PmemDevice Device { get; }

    /// <summary>A file in one piece on the device.</summary>
    public DaxFile DaxFile(long size, string name = "file") => Known(Device.CreateFile(name, size));

    /// <summary>A file that has storage only where it is told.</summary>
    public DaxFile DaxFile(long size, IReadOnlyList<FileExtent> extents, string name = "file") => Known(Device.CreateFile(name, size, extents));

    public MemoryFile MemoryFile(long size, long pageSize = Page) => Known(Machine.CreateMemoryFile("memory", size, pageSize));

    public MemoryFile HugeFile(long size) => Known(Machine.CreateHugeFile("huge", size));

    public BenchProcess Start() => Adopt(Machine.CreateSpace());

    /// <summary>Starts several that map a file shared at one address and touch its first page, so that they are warm.</summary>
    public BenchProcess[] StartSharers(int count, MappedFile file, Rights rights = Rights.ReadWrite)
    {
        var processes = new BenchProcess[count];
        for (int i = 0; i < count; i++)
        {
            processes[i] = Start();
            processes[i].Map(MapRequest.SharedFile(file, rights));
            processes[i].Load(At);
        }

        Sound();
        return processes;
    }

    public BenchProcess Adopt(AddressSpace space)
    {
        var process = new BenchProcess(this, space, Machine.AddProcessor());
        _processes.Add(process);
        return process;
    }

    public void Sound() => Machine.Audit().ThrowIfUnsound();

    /// <summary>An operation that succeeds, and leaves the machine sound.</summary>
    public void Does(Errno outcome)
    {
        Assert.Equal(Errno.None, outcome);
        Sound();
    }

    /// <summary>An operation that fails, and changes nothing at all.</summary>
    public void Fails(Errno expected, Func<Errno> operation)
    {
        string before = State();
        Assert.Equal(expected, operation());
        Assert.Equal(before, State());
        Sound();
    }

    public void Fails(Errno expected, Func<MapResult> operation) => Fails(expected, () => operation().Error);

    /// <summary>Everything that can be seen of spaces, files and devices, as text: every entry of every table too.</summary>
    public string State()
    {
        var text = new StringBuilder();
        foreach (var process in _processes.Where(process => !process.Space.HasExited))
        {
            text.AppendLine(process.Space.ToString()).AppendJoin(Environment.NewLine, process.Space.Areas).AppendLine();
            Describe(text, process.Space.Root, Machine.Format.Geometry.Levels);
            process.Space.ProtectedPages.ForEach(page => text.Append("protected ").Append(page).AppendLine());
        }

        foreach (var file in _files.Where(file => !file.HasEnded))
        {
            text.Append(file.Name).Append(' ').Append(file.Size).Append(' ').Append(file.DirtyBytes).Append(' ').Append(file.Tables.ReverseMap.Count)
                .AppendJoin(',', file is DaxFile dax ? dax.Extents : []).AppendLine();
            foreach (var table in file.Tables.All())
            {
                text.Append(file.Tables.KeyOf(table)).Append(" attached ").Append(Machine.Memory.Record(table).AttachCount).AppendLine();
                Describe(text, table, Machine.Memory.Record(table).Level);
            }
        }

        return text.Append(Device.FreeBytes).Append(' ').Append(Device.RetiredBytes).ToString();
    }

    public void Dispose() => Machine.Dispose();

    private void Describe(StringBuilder text, Frame table, int level)
    {
        for (int i = 0; i < X64.Entries; i++)
        {
            var entry = Machine.Store.Read(table, i);
            if (entry.IsNone)
            {
                continue;
            }

            text.Append(level).Append('[').Append(i).Append("]=").Append(entry).AppendLine();
            if (Machine.Format.IsSlot(entry, level) && !Machine.Store.IsAttached(entry, level) && Machine.Memory.Record(table).Kind == FrameKind.SpaceTable)
            {
                Describe(text, Machine.Store.TableOf(entry, level), level - 1);
            }
        }
    }

    private T Known<T>(T file)
        where T : MappedFile
    {
        _files.Add(file);
        return file;
    }
}
