namespace Pando.Kvm.Tasks;

/// <summary>Why a program left ring 3.</summary>
public enum UserExitKind
{
    /// <summary>SYSCALL. The number is in RAX, the next instruction is the one behind it.</summary>
    SystemCall,

    /// <summary>A page fault that its address space could not resolve: <see cref="UserExit.Fault"/> says why.</summary>
    PageFault,

    /// <summary>Another exception: <see cref="UserExit.Vector"/>.</summary>
    Exception,

    /// <summary>Somebody asked for it by <see cref="UserContext.Interrupt"/>.</summary>
    Interrupted,

    /// <summary>
    /// The address is mapped, but the host has no bytes for it any more: a host's file was truncated, or a device keeps none.
    /// </summary>
    NoMemory,

    /// <summary>Its address space has ended.</summary>
    SpaceEnded,

    /// <summary>The vCPU failed: <see cref="UserExit.Report"/> has its state. The program cannot go on.</summary>
    Failed,
}
