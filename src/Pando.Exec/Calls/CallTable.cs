using Pando.Exec.Native;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Who serves which system call.</summary>
internal sealed class CallTable : ISystemCalls
{
    private const int Size = 512;

    private static readonly CallHandler?[] Handlers = Make();

    /// <summary>Serves the call in a task's registers, and puts its result there.</summary>
    public void Serve(GuestTask task)
    {
        ref var registers = ref task.Context.Registers;
        ulong number = registers.Rax;
        var call = new CallArguments(registers.Rdi, registers.Rsi, registers.Rdx, registers.R10, registers.R8, registers.R9);
        task.CallInRax = number;
        if (task.System.Trace is not null)
        {
            CallTrace.Begin(task, (CallNumber)number, call);
        }

        long result = Answer(task, number, call);
        if (result != ISystemCalls.NoResult)
        {
            task.Context.Registers.Rax = (ulong)result;
        }

        task.System.Trace?.End(task, (CallNumber)number, result);
    }

    private static long Answer(GuestTask task, ulong number, in CallArguments call)
    {
        if (number >= Size)
        {
            return -Error.ENOSYS;
        }

        if (Handlers[number] is not { } handler)
        {
            return -Error.ENOSYS;
        }

        try
        {
            return handler(task, call);
        }
        catch (ObjectDisposedException) when (task.Process.IsEnding || task.Process.Memory.Space.IsEnding)
        {
            return -Error.EINTR;
        }
        catch (OutOfMemoryException)
        {
            return -Error.ENOMEM;
        }
    }

    private static CallHandler?[] Make()
    {
        var handlers = new CallHandler?[Size];
        var set = new Registrar(handlers);
        FileCalls.Register(set);
        PathCalls.Register(set);
        DescriptorCalls.Register(set);
        SocketCalls.Register(set);
        PollCalls.Register(set);
        MemoryCalls.Register(set);
        SharedMemoryCalls.Register(set);
        ProcessCalls.Register(set);
        SignalCalls.Register(set);
        FutexCalls.Register(set);
        TimeCalls.Register(set);
        IdentityCalls.Register(set);
        LimitCalls.Register(set);
        return handlers;
    }

    /// <summary>Takes the handlers of the rooms, each number once.</summary>
    internal readonly struct Registrar(CallHandler?[] handlers)
    {
        /// <summary>The handler of a number.</summary>
        internal CallHandler this[CallNumber number]
        {
            set
            {
                ref var place = ref handlers[(int)number];
                place = place is null ? value : throw new InvalidOperationException($"{number} is served twice.");
            }
        }

        /// <summary>A call that the host serves as it is, with its arguments translated: see <see cref="PassedCall"/>.</summary>
        internal void Pass(CallNumber number, string arguments) => this[number] = new PassedCall(number, arguments).Serve;
    }
}
