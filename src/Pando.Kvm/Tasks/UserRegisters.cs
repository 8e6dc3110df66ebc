using System.Runtime.InteropServices;

namespace Pando.Kvm.Tasks;

/// <summary>The general registers of ring 3, by their names on x86-64. A plain value; no member checks anything.</summary>
/// <remarks>Its fields stand in the order of struct kvm_regs (linux asm/kvm.h), so that a vCPU takes them as they are.</remarks>
[StructLayout(LayoutKind.Sequential)]
public record struct UserRegisters
{
    /// <summary>RAX: a system call's number, then its result.</summary>
    public ulong Rax { get; set; }

    /// <summary>RBX.</summary>
    public ulong Rbx { get; set; }

    /// <summary>RCX; SYSCALL leaves the return address in it.</summary>
    public ulong Rcx { get; set; }

    /// <summary>RDX: a call's third argument.</summary>
    public ulong Rdx { get; set; }

    /// <summary>RSI: a call's second argument.</summary>
    public ulong Rsi { get; set; }

    /// <summary>RDI: a call's first argument.</summary>
    public ulong Rdi { get; set; }

    /// <summary>RSP, the stack pointer.</summary>
    public ulong Rsp { get; set; }

    /// <summary>RBP.</summary>
    public ulong Rbp { get; set; }

    /// <summary>R8: a call's fifth argument.</summary>
    public ulong R8 { get; set; }

    /// <summary>R9: a call's sixth argument.</summary>
    public ulong R9 { get; set; }

    /// <summary>R10: a call's fourth argument.</summary>
    public ulong R10 { get; set; }

    /// <summary>R11; SYSCALL leaves the flags in it.</summary>
    public ulong R11 { get; set; }

    /// <summary>R12.</summary>
    public ulong R12 { get; set; }

    /// <summary>R13.</summary>
    public ulong R13 { get; set; }

    /// <summary>R14.</summary>
    public ulong R14 { get; set; }

    /// <summary>R15.</summary>
    public ulong R15 { get; set; }

    /// <summary>RIP, the next instruction.</summary>
    public ulong Rip { get; set; }

    /// <summary>RFLAGS. Those that ring 3 may not own are dropped when it runs.</summary>
    public ulong Rflags { get; set; }
}
