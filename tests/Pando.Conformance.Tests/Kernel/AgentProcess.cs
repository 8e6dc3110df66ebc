using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Pando.Linux.Native;
using Pando.Linux.Proc;
using Pando.Linux.Snapshot;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Kernel;

/// <summary>
/// A real process that does what it is told: system calls and accesses at any address, forks. What the kernel knows
/// of it is read from /proc. Not safe for threads.
/// </summary>
/// <remarks>
/// Nothing is mapped in it but its one page of code, its stack and the kernel's own pages (<see cref="Own"/>), so that
/// its areas and page tables are those that the test asked for.
/// </remarks>
internal sealed class AgentProcess : IDisposable
{
    private const string KeyLine = "ProtectionKey:";

    private readonly Process? _process;
    private readonly FileStream _requests;
    private readonly FileStream _answers;
    private readonly SafeFileHandle _maps;
    private readonly SafeFileHandle _status;
    private readonly Lazy<(PageMap? Map, bool HasScan, int Error)> _pages;
    private readonly ObjectTable _objects;
    private byte[] _text = new byte[1 << 16];
    private bool _ended;

    private AgentProcess(Process? process, int pid, FileStream requests, FileStream answers, ObjectTable objects, AgentProcess? parent)
    {
        _process = process;
        Pid = pid;
        _requests = requests;
        _answers = answers;
        _objects = objects;
        Scratch = parent?.Scratch ?? (ulong)Receive().Value;
        _maps = File.OpenHandle($"/proc/{pid}/maps");
        _status = File.OpenHandle($"/proc/{pid}/status");
        _pages = new(() =>
        {
            var map = PageMap.Open($"/proc/{pid}/pagemap", new Heartbeat(), out int error);
            return (map, map?.HasScan() ?? false, error);
        });
        if (parent is null)
        {
            UnmapKernelPages();
        }

        Own = parent?.Own ?? [.. Areas().Select(area => (area.Start, area.End))];
    }

    public int Pid { get; }

    /// <summary>Memory that what system calls point at can be put in; <see cref="ScratchSize"/> bytes.</summary>
    public ulong Scratch { get; }

    public const int ScratchSize = 256;

    /// <summary>The ranges that were mapped when it began: its code and its stack.</summary>
    public IReadOnlyList<(ulong Start, ulong End)> Own { get; }

    /// <summary>Its userfaultfd, once there is one (<see cref="TryAddUserFaults"/>).</summary>
    public UserFaultFile? UserFaults { get; private set; }

    /// <summary>Answers what the agent's faults ask, which it waits for.</summary>
    public Action<UserFaultQuestion>? Asked { get; set; }

    private PageMap Pages =>
        _pages.Value.Map ?? throw new InvalidOperationException($"/proc/{Pid}/pagemap cannot be opened: error {_pages.Value.Error}.");

    /// <summary>Why agents cannot run here; null if they can. One is started to see.</summary>
    public static string? WhyNot()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return "the kernel to compare with is Linux on x86-64, and this is another";
        }

        try
        {
            using var agent = Start();
            return null;
        }
        catch (Win32Exception exception) when ((Errno)exception.NativeErrorCode is Errno.EACCES or Errno.EPERM)
        {
            return $"the program of the agents, which lies in memory, may not be started ({exception.Message})";
        }
    }

    /// <summary>Starts a process of its own.</summary>
    /// <exception cref="Win32Exception">The program cannot be started.</exception>
    public static AgentProcess Start()
    {
        using var program = new ProgramInMemory("pando-agent", AgentProgram.Build());
        var process = Process.Start(new ProcessStartInfo(program.Path) { RedirectStandardInput = true, RedirectStandardOutput = true })!;

        // The pipes of Process know of encodings and buffers; the agent's are plain. Its first answer says that it has begun once more
        // from itself, so that the program is not needed.
        return new AgentProcess(process, process.Id, Open(process.Id, 0, FileAccess.Write), Open(process.Id, 1, FileAccess.Read), new ObjectTable(), null);
    }

    /// <summary>Makes a system call: its result, or an error number negated.</summary>
    public long Call(SystemCall call, params ReadOnlySpan<ulong> arguments)
    {
        var request = new AgentRequest { Verb = (ulong)AgentVerb.Call, First = (ulong)call };
        var words = MemoryMarshal.CreateSpan(ref request.Second, 6);
        arguments.CopyTo(words);
        return Ask(request).Value;
    }

    public AgentAnswer Load(ulong address) => Ask(new AgentRequest { Verb = (ulong)AgentVerb.Load, First = address });

    public AgentAnswer Store(ulong address, byte value) =>
        Ask(new AgentRequest { Verb = (ulong)AgentVerb.Store, First = address, Second = value });

    /// <summary>Puts bytes into the scratch memory; its address.</summary>
    public ulong Put(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, ScratchSize);
        for (int i = 0; i < bytes.Length; i++)
        {
            Store(Scratch + (ulong)i, bytes[i]);
        }

        return Scratch;
    }

    /// <summary>Reads the agent's memory.</summary>
    public byte[] Read(ulong address, int count)
    {
        Ask(new AgentRequest { Verb = (ulong)AgentVerb.Send, First = address, Second = (ulong)count });
        byte[] bytes = new byte[count];
        _answers.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Forks; the child answers over pipes of its own. Its number, or null and the error number.</summary>
    public AgentProcess? Fork(out int error)
    {
        int input = MakePipe(out int inputEnd);
        int output = MakePipe(out int outputEnd);
        var requests = Open(Pid, inputEnd, FileAccess.Write);
        var answers = Open(Pid, output, FileAccess.Read);
        long pid = Ask(new AgentRequest { Verb = (ulong)AgentVerb.Fork, First = (ulong)input, Second = (ulong)outputEnd }).Value;
        foreach (int file in (ReadOnlySpan<int>)[input, inputEnd, output, outputEnd])
        {
            Call(SystemCall.Close, (ulong)file);
        }

        error = pid < 0 ? (int)-pid : 0;
        if (pid < 0)
        {
            requests.Dispose();
            answers.Dispose();
            return null;
        }

        Receive(answers);
        var child = new AgentProcess(null, (int)pid, requests, answers, _objects, this);
        child.Call(SystemCall.Close, (ulong)inputEnd);
        child.Call(SystemCall.Close, (ulong)output);
        return child;
    }

    /// <summary>The areas as /proc/PID/maps has them, but for what lies above user addresses.</summary>
    public MappingFacts[] Areas() => MapsParser.Parse(ReadAll(_maps), _objects).Where(area => area.Start < 1UL << 63).ToArray();

    /// <summary>The name and inode of an object of <see cref="Areas"/>.</summary>
    public ObjectFacts ObjectOf(int number) => _objects.ToFacts()[number];

    /// <summary>VmPTE: page tables below the root, in pages of 4 KiB.</summary>
    public long Tables() =>
        (StatusParser.Parse(ReadAll(_status)).TableBytes ?? throw new InvalidOperationException("/proc/PID/status has no VmPTE.")) / 4096;

    /// <summary>
    /// What was advised and locked, as VmFlags in /proc/PID/smaps has it: the area's first address, its flags, and its protection key (0
    /// where the processor has none).
    /// </summary>
    public IEnumerable<(ulong Start, AreaFlags Flags, int Key)> AreaFlags()
    {
        ulong start = 0;
        int key = 0;
        foreach (string line in File.ReadLines($"/proc/{Pid}/smaps"))
        {
            if (line.StartsWith("VmFlags:", StringComparison.Ordinal))
            {
                var flags = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Aggregate(Spaces.AreaFlags.None, (flags, word) => flags | FlagOf(word));
                yield return (start, (flags & Spaces.AreaFlags.LockedOnFault) != 0 ? flags & ~Spaces.AreaFlags.Locked : flags, key);
            }
            else if (line.StartsWith(KeyLine, StringComparison.Ordinal))
            {
                key = int.Parse(line.AsSpan(KeyLine.Length), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
            }
            else if (line.IndexOf('-', StringComparison.Ordinal) is > 0 and var dash && ulong.TryParse(line.AsSpan(0, dash), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong at))
            {
                (start, key) = (at, 0);
            }
        }
    }

    /// <summary>The words of Linux's show_smap_vma_flags (fs/proc/task_mmu.c). What is locked on fault is "lo" and "lf".</summary>
    private static AreaFlags FlagOf(string word) => word switch
    {
        "lo" => Spaces.AreaFlags.Locked,
        "lf" => Spaces.AreaFlags.LockedOnFault,
        "dc" => Spaces.AreaFlags.DontFork,
        "wf" => Spaces.AreaFlags.WipeOnFork,
        "dd" => Spaces.AreaFlags.DontDump,
        "hg" => Spaces.AreaFlags.HugePages,
        "nh" => Spaces.AreaFlags.NoHugePages,
        "sr" => Spaces.AreaFlags.Sequential,
        "rr" => Spaces.AreaFlags.Random,
        "mg" => Spaces.AreaFlags.Mergeable,
        "sl" => Spaces.AreaFlags.Sealed,
        "um" => Spaces.AreaFlags.UserMissing,
        "uw" => Spaces.AreaFlags.UserWriteProtect,
        "ui" => Spaces.AreaFlags.UserMinor,
        _ => 0,
    };

    /// <summary>Why the kernel does not tell the entries of this agent's page tables; null if it does.</summary>
    public string? WhyNoPageEntries() =>
        _pages.Value.Map is null ? $"/proc/PID/pagemap cannot be opened (error {_pages.Value.Error})"
        : !Own.Any(own => (PageEntry(own.Start) >> 63) != 0) ? "/proc/PID/pagemap tells nothing"
        : null;

    /// <summary>Gives the agent a userfaultfd, if it has none. False where there can be none, with the reason.</summary>
    public bool TryAddUserFaults(out string? whyNot)
    {
        whyNot = null;
        UserFaults ??= UserFaultFile.TryOpen(this, out whyNot);
        return UserFaults is not null;
    }

    /// <summary>The kernel's entry for a page: 0 if there is none. Bit 63 present, 62 swapped, 0-54 the frame (for root).</summary>
    public ulong PageEntry(ulong address) => Pages.EntryAt(address);

    /// <summary>
    /// Whether an entry shows a page, or says where it was swapped out to. The mark of a page that is protected and not there
    /// (PTE_MARKER_UFFD_WP) looks like the latter; no load brings anything for it.
    /// </summary>
    public static bool IsPage(ulong entry) => (entry >> 63) != 0 || ((entry >> 62) != 0 && (entry & (1UL << 57)) == 0);

    /// <summary>The same for each page of a range.</summary>
    public ulong[] PageEntries(ulong address, long length)
    {
        ulong[] entries = new ulong[length / 4096];
        using var file = File.OpenHandle($"/proc/{Pid}/pagemap");
        var bytes = MemoryMarshal.AsBytes(entries.AsSpan());
        for (int read = 0; read < bytes.Length;)
        {
            int count = RandomAccess.Read(file, bytes[read..], (long)(address / 4096 * 8) + read);
            read += count > 0 ? count : throw new InvalidOperationException($"/proc/{Pid}/pagemap ends at {address + (ulong)(read / 8 * 4096):x}.");
        }

        return entries;
    }

    /// <summary>The 2 MiB windows of an area in which the kernel has entries, as addresses of their first bytes.</summary>
    public List<ulong> PopulatedWindows(in MappingFacts area)
    {
        const ulong Window = 2UL << 20;
        var runs = new List<PopulatedRun>();
        if (!Pages.TryAddRuns(runs, 0, area, 1, _pages.Value.HasScan))
        {
            throw new InvalidOperationException($"/proc/{Pid}/pagemap cannot be read.");
        }

        var windows = new List<ulong>();
        foreach (var run in runs)
        {
            for (ulong at = run.Start & ~(Window - 1); at < run.End; at += Window)
            {
                windows.Add(at);
            }
        }

        return windows;
    }

    /// <summary>Ends the process, and waits until its memory is given back.</summary>
    public void Exit()
    {
        if (_ended)
        {
            return;
        }

        _ended = true;

        // Whoever still waits for an answer goes on without it.
        UserFaults?.Dispose();
        UserFaults = null;
        try
        {
            Send(new AgentRequest { Verb = (ulong)AgentVerb.Call, First = (ulong)SystemCall.ExitGroup });

            // A process gives up its memory before its files, so the pipe's end says that it is done.
            while (_answers.ReadByte() >= 0)
            {
            }
        }
        catch (IOException)
        {
            // It has ended already.
        }
    }

    public void Dispose()
    {
        Exit();
        _requests.Dispose();
        _answers.Dispose();
        _maps.Dispose();
        _status.Dispose();
        if (_pages.IsValueCreated)
        {
            _pages.Value.Map?.Dispose();
        }

        _process?.Dispose();
    }

    private static FileStream Open(int pid, int file, FileAccess access) =>
        new(
            string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/fd/{file}"),
            new FileStreamOptions { Access = access, Mode = FileMode.Open, Share = FileShare.ReadWrite, BufferSize = 0 });

    /// <summary>
    /// The kernel's own pages (vdso, vvar) are not needed, and would have tables of their own after a fork. On a kernel that
    /// seals them they stay.
    /// </summary>
    private void UnmapKernelPages()
    {
        foreach (var area in Areas().Where(area => _objects.ToFacts()[area.ObjectNumber].Name.StartsWith("[v", StringComparison.Ordinal)))
        {
            Call(SystemCall.Munmap, area.Start, area.Length);
        }
    }

    private int MakePipe(out int end)
    {
        long result = Call(SystemCall.Pipe2, Scratch, 0);
        if (result < 0)
        {
            throw new InvalidOperationException($"pipe2 failed with error {-result}.");
        }

        var files = MemoryMarshal.Cast<byte, int>(Read(Scratch, 8));
        end = files[1];
        return files[0];
    }

    private AgentAnswer Ask(in AgentRequest request)
    {
        Send(request);
        while (UserFaults is { } faults && faults.WaitsBefore((int)_answers.SafeFileHandle.DangerousGetHandle()))
        {
            if (faults.TryRead() is { } question)
            {
                (Asked ?? throw new InvalidOperationException($"Nobody answers {question}."))(question);
            }
        }

        return Receive();
    }

    private void Send(in AgentRequest request) => _requests.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<AgentRequest>(in request)));

    private AgentAnswer Receive() => Receive(_answers);

    private static AgentAnswer Receive(FileStream answers)
    {
        var answer = default(AgentAnswer);
        answers.ReadExactly(MemoryMarshal.AsBytes(new Span<AgentAnswer>(ref answer)));
        return answer;
    }

    private ReadOnlySpan<byte> ReadAll(SafeFileHandle file)
    {
        int length = 0;
        while (true)
        {
            int read = RandomAccess.Read(file, _text.AsSpan(length), length);
            if (read == 0)
            {
                return _text.AsSpan(0, length);
            }

            length += read;
            if (length == _text.Length)
            {
                Array.Resize(ref _text, _text.Length * 2);
            }
        }
    }
}
