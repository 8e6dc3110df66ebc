using System.Runtime.InteropServices;

namespace Pando.Exec.Signals;

/// <summary>siginfo_t, of which the fields for kills, children, faults and timers are named.</summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct SignalInformation
{
    internal const int FromUser = 0;         // SI_USER
    internal const int FromKernel = 0x80;    // SI_KERNEL
    internal const int FromTimer = -2;       // SI_TIMER
    internal const int FromThread = -6;      // SI_TKILL
    internal const int NotMapped = 1;        // SEGV_MAPERR
    internal const int NotAllowed = 2;       // SEGV_ACCERR
    internal const int KeyDenied = 4;        // SEGV_PKUERR
    internal const int BadAddress = 2;       // BUS_ADRERR
    internal const int MemoryFailed = 4;     // BUS_MCEERR_AR
    internal const int ChildExited = 1;      // CLD_EXITED
    internal const int ChildKilled = 2;      // CLD_KILLED
    internal const int ChildDumped = 3;      // CLD_DUMPED
    internal const int ChildStopped = 5;     // CLD_STOPPED
    internal const int ChildContinued = 6;   // CLD_CONTINUED

    [FieldOffset(0)] internal int Signal;
    [FieldOffset(4)] internal int Error;
    [FieldOffset(8)] internal int Code;
    [FieldOffset(16)] internal int Process;
    [FieldOffset(20)] internal uint User;
    [FieldOffset(24)] internal int Status;
    [FieldOffset(24)] internal ulong Value;
    [FieldOffset(32)] internal long UserTime;
    [FieldOffset(40)] internal long SystemTime;
    [FieldOffset(16)] internal ulong Address;

    /// <summary>A signal that a process sends.</summary>
    internal static SignalInformation Of(int signal, int code, int process) =>
        new() { Signal = signal, Code = code, Process = process, User = (uint)Native.Host.Call(Native.CallNumber.Getuid) };

    /// <summary>A signal of an access that went wrong.</summary>
    internal static SignalInformation At(int signal, int code, ulong address) => new() { Signal = signal, Code = code, Address = address };
}
