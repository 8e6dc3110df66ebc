namespace Pando.Kvm.Processor;

/// <summary>Why a vCPU came back to the host.</summary>
internal enum ExitKind
{
    /// <summary>#PF: <see cref="ProcessorExit.Address"/> and <see cref="ProcessorExit.ErrorCode"/> as the processor gave them.</summary>
    PageFault,

    /// <summary>An exception other than page fault and breakpoint: see <see cref="ProcessorExit.Vector"/>.</summary>
    Exception,

    /// <summary>INT3 where the run queue is empty: the end of a round, or of a program that has none.</summary>
    Breakpoint,

    /// <summary>SYSCALL: the number is in RAX, RIP is behind the instruction already.</summary>
    SystemCall,

    /// <summary>Another thread asked for it with <see cref="VirtualProcessor.Stop"/>.</summary>
    Stopped,

    /// <summary>The time given to Run is over.</summary>
    TimeLimit,

    /// <summary>
    /// The translation leads to guest-physical memory (<see cref="ProcessorExit.Address"/>) that no slot holds, or
    /// that was attached read-only and was written. The instruction was not carried out and cannot be resumed.
    /// </summary>
    NoMemory,

    /// <summary>KVM or the stub gave up: see <see cref="ProcessorExit.Failure"/>. Reset the vCPU before it runs again.</summary>
    Failed,
}
