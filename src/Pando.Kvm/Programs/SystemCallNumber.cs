namespace Pando.Kvm.Programs;

/// <summary>
/// What a program asks of the engine by SYSCALL. As on Linux x86-64: the number in RAX, arguments in RDI, RSI, RDX,
/// R10, R8, R9; the result in RAX, an error as its negative errno; RCX and R11 are lost. Lengths and addresses in bytes.
/// </summary>
public enum SystemCallNumber
{
    /// <summary>Ends the process. RDI: its result, which for a workload is the sum it computed.</summary>
    Exit = 0,

    /// <summary>Maps a file. RDI address or 0, RSI length, RDX rights, R10 flags, R8 file, R9 offset. Result: the address.</summary>
    Map = 1,

    /// <summary>RDI address, RSI length.</summary>
    Unmap = 2,

    /// <summary>RDI address, RSI length, RDX rights.</summary>
    Protect = 3,

    /// <summary>RDI old address, RSI old length, RDX new length, R10 flags, R8 new address. Result: the address.</summary>
    Remap = 4,

    /// <summary>RDI address, RSI length, RDX advice.</summary>
    Advise = 5,

    /// <summary>Result: the child's number in the parent, 0 in the child.</summary>
    Fork = 6,

    /// <summary>Writes text for the user. RDI address, RSI length. Result: the bytes written.</summary>
    Write = 7,

    /// <summary>Result: nanoseconds since an arbitrary start; never goes backwards.</summary>
    Time = 8,
}
