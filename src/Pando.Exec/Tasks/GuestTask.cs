using System.Diagnostics;
using Pando.Exec.Native;
using Pando.Exec.Signals;
using Pando.Kvm.Tasks;

namespace Pando.Exec.Tasks;

/// <summary>A task: a thread of a program, on a thread of this process of its own.</summary>
internal sealed class GuestTask
{
    /// <summary>The signal that gets a task's thread out of a call of the host's: one that neither the runtime nor programs use.</summary>
    internal const int WakeSignal = 62;

    private readonly Thread _thread;
    private int _hostThread;
    private int _inHostCall;

    internal GuestTask(GuestSystem system, UserContext context)
    {
        System = system;
        Context = context;
        _thread = new Thread(Main, 512 << 10) { IsBackground = true };
    }

    internal GuestSystem System { get; }

    /// <summary>Its process; from <see cref="Join"/> on.</summary>
    internal GuestProcess Process { get; private set; } = null!;

    /// <summary>Its number (the TID); set when its thread starts, before it runs.</summary>
    internal int Id { get; set; }

    /// <summary>Its registers.</summary>
    internal UserContext Context { get; set; }

    /// <summary>Where it waits for what this process makes happen.</summary>
    internal Parker Parker { get; } = new();

    /// <summary>The signals that it blocks. Changed by itself alone.</summary>
    internal ulong SignalMask { get; set; }

    /// <summary>The signals that it waits for, though it blocks them (sigtimedwait).</summary>
    internal ulong WaitsFor { get; set; }

    /// <summary>The mask to put back when the handler's frame has been made (sigsuspend, ppoll); null for none.</summary>
    internal ulong? SavedMask { get; set; }

    /// <summary>Signals that were sent to it. Under the process's lock.</summary>
    internal PendingSignals Pending { get; } = new();

    /// <summary>The alternate stack for handlers (sigaltstack).</summary>
    internal AlternateStack AlternateStack { get; set; } = AlternateStack.None;

    /// <summary>Where to put 0, and wake a futex, at its end (CLONE_CHILD_CLEARTID).</summary>
    internal ulong ClearAtEnd { get; set; }

    /// <summary>The head of its robust futexes (set_robust_list).</summary>
    internal ulong RobustList { get; set; }

    /// <summary>The call under way, as the trace writes it.</summary>
    internal string? Traced { get; set; }

    /// <summary>The call under way, for restarting.</summary>
    internal ulong CallInRax { get; set; }

    /// <summary>The last exception that became a signal, for the handler's frame: its vector, error code, and the address of a page fault.</summary>
    internal (int Vector, uint ErrorCode, ulong Address) Fault { get; set; }

    /// <summary>Whether only it is to end.</summary>
    internal bool IsEnding { get; set; }

    /// <summary>Whether it is to end for another task's exec.</summary>
    internal bool EndsForExec => Process.Executing is { } other && other != this;

    /// <summary>Starts its thread, whose number at the host becomes the task's: no other process of the host's has it.</summary>
    /// <returns>The number.</returns>
    internal int Start()
    {
        using var ready = new ManualResetEventSlim();
        _ready = ready;
        _thread.Start();
        ready.Wait();
        return Id;
    }

    /// <summary>Makes it a task of a process. False where that is ending: it must not go then.</summary>
    internal bool Join(GuestProcess process)
    {
        Process = process;
        return process.TryAdd(this);
    }

    /// <summary>Ends the thread of a task that never was one.</summary>
    internal void Abandon()
    {
        _abandoned = true;
        _go.Wake();
    }

    /// <summary>Lets a task that has started go on to ring 3.</summary>
    internal void Go() => _go.Wake();

    /// <summary>Gets it out of whatever it is in, so that it looks at its signals and at whether it is to end.</summary>
    internal void Interrupt()
    {
        Context.Interrupt();
        Parker.Wake();
        if (Volatile.Read(ref _inHostCall) != 0)
        {
            _ = Host.Call(CallNumber.Tgkill, Environment.ProcessId, _hostThread, WakeSignal);
            System.WakeAgain(this);
        }
    }

    /// <summary>Whether it waits in a call of the host's though it should look at its signals; then it is signalled again.</summary>
    internal bool TryWakeAgain()
    {
        if (Volatile.Read(ref _inHostCall) == 0 || !MustLook)
        {
            return false;
        }

        _ = Host.Call(CallNumber.Tgkill, Environment.ProcessId, _hostThread, WakeSignal);
        return true;
    }

    /// <summary>Whether there is a reason to leave a wait: a signal to take, or an end.</summary>
    internal bool MustLook
    {
        get
        {
            if (Process.IsEnding || IsEnding || EndsForExec || Process.IsStopped)
            {
                return true;
            }

            lock (Process.Sync)
            {
                return ((Pending.Set | Process.Pending.Set) & (~SignalMask | WaitsFor)) != 0;
            }
        }
    }

    /// <summary>Makes a call of the host's that may wait. A signal for the task ends it.</summary>
    /// <returns>Its result; <see cref="Error.RestartSystemCall"/>, negative, where a signal came.</returns>
    internal long Blocking(CallNumber number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0)
    {
        Interlocked.Exchange(ref _inHostCall, 1);
        try
        {
            // Who interrupts from here on sees the mark, and signals until the call has ended.
            if (MustLook)
            {
                return -Error.RestartSystemCall;
            }

            long result = Host.Call(number, a, b, c, d, e, f);
            return result == -Error.EINTR ? -Error.RestartSystemCall : result;
        }
        finally
        {
            Interlocked.Exchange(ref _inHostCall, 0);
        }
    }

    /// <summary>Copies from its memory; false for EFAULT.</summary>
    internal bool Read(ulong address, Span<byte> bytes) => System.Memory.TryRead(Process.Memory.Space, address, bytes);

    /// <summary>Copies to its memory; false for EFAULT.</summary>
    internal bool Write(ulong address, ReadOnlySpan<byte> bytes) => System.Memory.TryWrite(Process.Memory.Space, address, bytes);

    /// <summary>A value of its memory.</summary>
    internal bool Read<T>(ulong address, out T value)
        where T : unmanaged => System.Memory.TryRead(Process.Memory.Space, address, out value);

    /// <summary>Stores a value in its memory.</summary>
    internal bool Write<T>(ulong address, T value)
        where T : unmanaged => System.Memory.TryWrite(Process.Memory.Space, address, value);

    /// <summary>A path, or another text, with its zero byte; null with the error.</summary>
    internal byte[]? ReadText(ulong address, out long error) =>
        System.Memory.ReadText(Process.Memory.Space, address, Host.LongestPath, out error);

    /// <summary>Whether one of the signals that it does not block waits, or it is to end.</summary>
    internal bool TryTakeSignal(ulong among, out SignalInformation information)
    {
        lock (Process.Sync)
        {
            return Pending.TryTake(among, out information) || Process.Pending.TryTake(among, out information);
        }
    }

    private readonly Parker _go = new();
    private ManualResetEventSlim? _ready;
    private bool _abandoned;

    private void Main()
    {
        _hostThread = Host.CurrentThread();
        Id = _hostThread;
        Host.ClearOwnUmask();
        _ready!.Set();
        _ready = null;
        _ = _go.Wait();
        if (_abandoned)
        {
            return;
        }

        try
        {
            Loop();
        }
        catch (Exception exception)
        {
            System.Report($"process {Process.Id}: pando itself failed: {exception}");
            Process.End(SignalNumber.Kill);
        }

        TaskEnd.Of(this);
    }

    private void Loop()
    {
        long begun = Stopwatch.GetTimestamp();
        while (!SignalDelivery.DeliverAll(this))
        {
            var exit = System.Processors.Run(Context, Process.Memory.Space);
            switch (exit.Kind)
            {
                case UserExitKind.SystemCall:
                    Interlocked.Increment(ref Process.Calls);
                    System.Calls.Serve(this);
                    break;
                case UserExitKind.Interrupted:
                    break;
                default:
                    FaultSignals.Send(this, exit);
                    break;
            }
        }

        Interlocked.Add(ref Process.Ticks, Stopwatch.GetTimestamp() - begun);
    }
}
