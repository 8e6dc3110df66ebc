using System.Collections.Concurrent;
using System.Text;
using Pando.Exec.Files;
using Pando.Exec.Memory;
using Pando.Exec.Native;
using Pando.Exec.Programs;
using Pando.Exec.Signals;
using Pando.Kvm.Engine;
using Pando.Kvm.Tasks;
using Pando.Machines;

namespace Pando.Exec.Tasks;

/// <summary>The system that programs see: a machine, its processes, and what they share.</summary>
internal sealed class GuestSystem : IDisposable
{
    private const long WindowLength = 1L << 42;

    private readonly ExecOptions _options;
    private readonly KvmMachine _vcpus;
    private readonly HostWindow _window;
    private readonly ManualResetEventSlim _ended = new();
    private readonly ConcurrentDictionary<GuestTask, int> _waking = new();
    private readonly Timer _waker;
    private GuestProcess? _first;
    private long _processes;
    private long _calls;
    private int _alive;

    // Under _mostLock: the most processes at a time, and whether the tables have been counted since there were as many.
    private readonly Lock _mostLock = new();
    private int _most;
    private bool _counted;
    private TableTotals _tables;

    internal GuestSystem(ExecOptions options, ISystemCalls calls)
    {
        Calls = calls;
        _options = options;
        Host.MakeInterrupting(GuestTask.WakeSignal);
        Machine = new Machine(new MachineOptions { Ram = options.Ram, Sharing = options.Sharing });
        _tables = Machine.Tables();
        int cores = Environment.ProcessorCount;
        _vcpus = new KvmMachine(Machine, Math.Min(cores + 6, KvmMachine.MostProcessors));
        Processors = new UserProcessors(_vcpus, Math.Min(cores, _vcpus.ProcessorCount));
        _window = new HostWindow(Machine, WindowLength, _vcpus.Attach);
        Memory = new UserMemory(Machine);
        HostFiles = new HostFiles(_window);
        Loader = new ProgramLoader(Machine, HostFiles, Memory);
        Futexes = new FutexTable(Memory);
        Segments = new SharedSegments(Machine);
        Trace = options.Trace is { } writer ? new CallTrace(writer) : null;
        _waker = new Timer(_ => WakeThose(), null, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>Who serves the calls.</summary>
    internal ISystemCalls Calls { get; }

    internal Machine Machine { get; }

    internal UserProcessors Processors { get; }

    internal UserMemory Memory { get; }

    internal HostFiles HostFiles { get; }

    internal ProgramLoader Loader { get; }

    internal FutexTable Futexes { get; }

    internal SharedSegments Segments { get; }

    internal ProcessTable Table { get; } = new();

    internal SignalDescriptors SignalDescriptors { get; } = new();

    /// <summary>Where calls are written to; null for nowhere.</summary>
    internal CallTrace? Trace { get; }

    /// <summary>Protects who is whose parent, and who has been waited for.</summary>
    internal Lock Tree { get; } = new();

    /// <summary>The process group in the terminal's foreground; 0 for the first program's.</summary>
    internal int TerminalGroup { get; set; }

    /// <summary>Runs the program of the options to its end; those that it leaves behind are killed.</summary>
    /// <exception cref="ExecException">It cannot be started.</exception>
    internal ExecResult Run()
    {
        var task = Begin();
        _first = task.Process;
        task.Go();
        using (_options.Cancellation.Register(() => task.Process.End(SignalNumber.Kill)))
        {
            _ended.Wait();
        }

        foreach (var process in Table.All)
        {
            process.End(SignalNumber.Kill);
        }

        while (Volatile.Read(ref _alive) > 0)
        {
            Thread.Sleep(1);
        }

        _options.AtEnd?.Invoke(Machine);
        int status = _first.WaitStatus;
        int signal = status & 0x7F;
        return new ExecResult(signal != 0 ? 128 + signal : (status >> 8) & 0xFF, signal, _processes, _calls, _most, _tables);
    }

    /// <summary>A signal from this process's own terminal or user, for the first program's process group.</summary>
    internal void Forward(int signal)
    {
        if (_first is { } first)
        {
            _ = SignalSender.SendGroup(this, TerminalGroup != 0 ? TerminalGroup : first.Group, SignalInformation.Of(signal, SignalInformation.FromKernel, 0));
        }
    }

    /// <summary>Tells the user something about a program.</summary>
    internal void Report(string message)
    {
        lock (_options.Messages)
        {
            _options.Messages.WriteLine($"pando exec: {message}");
        }
    }

    /// <summary>A process has begun.</summary>
    internal void ProcessBegan(GuestProcess process)
    {
        int alive = Interlocked.Increment(ref _alive);
        Interlocked.Increment(ref _processes);
        lock (_mostLock)
        {
            if (alive >= _most)
            {
                _most = alive;
                _counted = false;
            }
        }

        Table.Add(process);
    }

    /// <summary>A process is about to give its memory back.</summary>
    internal void ProcessEnds()
    {
        lock (_mostLock)
        {
            if (!_counted && Volatile.Read(ref _alive) == _most)
            {
                _counted = true;
                _tables = Machine.Tables();
            }
        }
    }

    /// <summary>A process has ended.</summary>
    internal void ProcessEnded(GuestProcess process)
    {
        Interlocked.Add(ref _calls, process.Calls);
        if (process == _first)
        {
            _ended.Set();
        }

        Interlocked.Decrement(ref _alive);
    }

    /// <summary>Signals a task's thread until it is out of the call of the host's that it may be about to wait in.</summary>
    internal void WakeAgain(GuestTask task)
    {
        _waking[task] = 0;
        _waker.Change(1, Timeout.Infinite);
    }

    public void Dispose()
    {
        _waker.Dispose();
        Processors.Dispose();
        _vcpus.Dispose();
        Machine.Dispose();
        _window.Dispose();
    }

    private void WakeThose()
    {
        foreach (var task in _waking.Keys)
        {
            if (!task.TryWakeAgain())
            {
                _waking.TryRemove(task, out _);
            }
        }

        if (!_waking.IsEmpty)
        {
            _waker.Change(1, Timeout.Infinite);
        }
    }

    private GuestTask Begin()
    {
        var files = Files();
        var context = new UserContext();
        var (program, error) = LoadFirst(files);
        if (program is null)
        {
            files.Release();
            throw CannotStart(error);
        }

        var descriptors = new DescriptorTable();
        for (int number = 0; number < 3; number++)
        {
            var given = number < _options.StandardStreams?.Count ? _options.StandardStreams[number] : null;
            long own = Host.Duplicate(given is null ? number : (int)given.DangerousGetHandle());
            if (own >= 0)
            {
                _ = descriptors.Set(number, new OpenDescription((int)own), closeOnExec: false);
            }
        }

        var task = new GuestTask(this, context);
        task.Start();
        var process = new GuestProcess(this, task.Id, null, program.Memory, descriptors, files, new SignalActions()) { Name = program.Name };
        task.Join(process);
        ProcessBegan(process);
        Table.Add(task);
        context.Registers.Rip = program.Entry;
        context.Registers.Rsp = program.Stack;
        return task;
    }

    private FileContext Files()
    {
        try
        {
            return FileContext.At(_options.WorkingDirectory ?? ".", Host.Umask());
        }
        catch (DirectoryNotFoundException exception)
        {
            throw new ExecException(125, exception.Message);
        }
    }

    private (StartedProgram? Program, long Error) LoadFirst(FileContext files)
    {
        var environment = _options.Environment ?? OwnEnvironment();
        string name = _options.Command[0];
        long error = -Error.ENOENT;
        foreach (string path in Candidates(name, environment))
        {
            var program = ProgramStart.Load(Loader, files, Text(path), [.. _options.Command.Select(Text)], [.. environment.Select(Text)], out long refused);
            if (program is not null)
            {
                return (program, 0);
            }

            // As execvp(3): what may not be executed is remembered, and the search goes on.
            if (refused is not (-Error.ENOENT or -Error.ENOTDIR))
            {
                error = refused;
                if (refused != -Error.EACCES)
                {
                    break;
                }
            }
        }

        return (null, error);
    }

    private static string[] OwnEnvironment() =>
        [.. Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().Select(static one => $"{one.Key}={one.Value}")];

    private static byte[] Text(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    private static IEnumerable<string> Candidates(string name, IReadOnlyList<string> environment)
    {
        if (name.Contains('/', StringComparison.Ordinal))
        {
            return [name];
        }

        string path = environment.FirstOrDefault(static one => one.StartsWith("PATH=", StringComparison.Ordinal))?[5..] ?? "/bin:/usr/bin";
        return path.Split(':').Select(directory => directory.Length == 0 ? name : $"{directory}/{name}");
    }

    private ExecException CannotStart(long error)
    {
        string name = _options.Command[0];
        return error switch
        {
            -Error.ENOENT => new ExecException(127, $"'{name}' is not found; give a path, or the name of a program in PATH"),
            -Error.EACCES => new ExecException(126, $"'{name}' may not be executed: it is no file, or lacks the permission"),
            -Error.ENOEXEC => new ExecException(126, $"'{name}' is no program for x86-64 Linux, nor a script that begins with #!"),
            -Error.ENOMEM => new ExecException(125, $"'{name}' does not fit into the machine's RAM; give more with --ram"),
            _ => new ExecException(126, $"'{name}' cannot be executed (error {-error})"),
        };
    }
}
