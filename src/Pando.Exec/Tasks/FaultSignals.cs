using Pando.Exec.Signals;
using Pando.Kvm.Tasks;
using Pando.Spaces;

namespace Pando.Exec.Tasks;

/// <summary>What an instruction that went wrong means to its program (arch/x86/kernel/traps.c, arch/x86/mm/fault.c).</summary>
internal static class FaultSignals
{
    /// <summary>Sends the task the signal of an exit.</summary>
    internal static void Send(GuestTask task, in UserExit exit)
    {
        task.System.Trace?.Fault(task, exit);
        ulong at = task.Context.Registers.Rip;
        switch (exit.Kind)
        {
            case UserExitKind.PageFault:
                task.Fault = (14, exit.ErrorCode, exit.Address);
                SendFor(task, exit.Fault, exit.Address);
                break;
            case UserExitKind.NoMemory:
                task.Fault = (14, 4, at);
                SignalSender.Force(task, SignalInformation.At(SignalNumber.Bus, SignalInformation.BadAddress, at));
                break;
            case UserExitKind.Exception:
                task.Fault = (exit.Vector, exit.ErrorCode, 0);
                SignalSender.Force(task, Of(exit.Vector, at));
                break;
            case UserExitKind.SpaceEnded:
                task.Process.End(SignalNumber.Kill);
                break;
            default:
                task.System.Report($"process {task.Process.Id}: a vCPU failed. {exit.Report}");
                task.Process.End(SignalNumber.Kill);
                break;
        }
    }

    private static void SendFor(GuestTask task, FaultKind kind, ulong address)
    {
        switch (kind)
        {
            case FaultKind.OutOfMemory:
                task.System.Report($"process {task.Process.Id} ({task.Process.Name}) is killed: the machine's RAM is used up; give more with --ram");
                SignalSender.Force(task, SignalInformation.At(SignalNumber.Kill, SignalInformation.FromKernel, 0));
                break;
            case FaultKind.BusError:
                SignalSender.Force(task, SignalInformation.At(SignalNumber.Bus, SignalInformation.BadAddress, address));
                break;
            case FaultKind.HardwarePoison:
                SignalSender.Force(task, SignalInformation.At(SignalNumber.Bus, SignalInformation.MemoryFailed, address));
                break;
            case FaultKind.NotAllowed:
                SignalSender.Force(task, SignalInformation.At(SignalNumber.Segmentation, SignalInformation.NotAllowed, address));
                break;
            case FaultKind.DeniedByKey:
                SignalSender.Force(task, SignalInformation.At(SignalNumber.Segmentation, SignalInformation.KeyDenied, address));
                break;
            default:
                SignalSender.Force(task, SignalInformation.At(SignalNumber.Segmentation, SignalInformation.NotMapped, address));
                break;
        }
    }

    private static SignalInformation Of(int vector, ulong at) => vector switch
    {
        0 => SignalInformation.At(SignalNumber.FloatingPoint, 1 /* FPE_INTDIV */, at),
        1 => SignalInformation.At(SignalNumber.Trap, 2 /* TRAP_TRACE */, at),
        3 => SignalInformation.At(SignalNumber.Trap, SignalInformation.FromKernel, 0),
        4 => SignalInformation.At(SignalNumber.Segmentation, SignalInformation.FromKernel, 0),
        6 => SignalInformation.At(SignalNumber.IllegalInstruction, 2 /* ILL_ILLOPN */, at),
        16 or 19 => SignalInformation.At(SignalNumber.FloatingPoint, 7 /* FPE_FLTINV */, at),
        11 or 12 => SignalInformation.At(SignalNumber.Bus, SignalInformation.FromKernel, 0),
        17 => SignalInformation.At(SignalNumber.Bus, 1 /* BUS_ADRALN */, 0),
        _ => SignalInformation.At(SignalNumber.Segmentation, SignalInformation.FromKernel, 0),
    };
}
