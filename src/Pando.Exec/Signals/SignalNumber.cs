namespace Pando.Exec.Signals;

/// <summary>Linux's signals by their numbers on x86-64 (signal(7)); real-time signals are 32 to 64.</summary>
#pragma warning disable CS1591 // The names are the documentation.
internal static class SignalNumber
{
    internal const int Hangup = 1;
    internal const int Interrupt = 2;
    internal const int Quit = 3;
    internal const int IllegalInstruction = 4;
    internal const int Trap = 5;
    internal const int Abort = 6;
    internal const int Bus = 7;
    internal const int FloatingPoint = 8;
    internal const int Kill = 9;
    internal const int Segmentation = 11;
    internal const int Pipe = 13;
    internal const int Alarm = 14;
    internal const int Terminate = 15;
    internal const int Child = 17;
    internal const int Continue = 18;
    internal const int Stop = 19;
    internal const int TerminalStop = 20;
    internal const int TerminalInput = 21;
    internal const int TerminalOutput = 22;
    internal const int Urgent = 23;
    internal const int WindowChange = 28;
    internal const int BadCall = 31;
    internal const int FirstRealTime = 32;
    internal const int Last = 64;

    /// <summary>The bit of a signal in a set.</summary>
    internal static ulong Bit(int signal) => 1UL << (signal - 1);

    /// <summary>The signals that stop a process by default.</summary>
    internal static readonly ulong Stops = Bit(Stop) | Bit(TerminalStop) | Bit(TerminalInput) | Bit(TerminalOutput);

    /// <summary>Those that nobody can block, catch or ignore.</summary>
    internal static readonly ulong Unblockable = Bit(Kill) | Bit(Stop);

    /// <summary>Those that an instruction causes, taken before others.</summary>
    internal static readonly ulong Synchronous =
        Bit(Segmentation) | Bit(Bus) | Bit(IllegalInstruction) | Bit(Trap) | Bit(FloatingPoint) | Bit(BadCall);

    /// <summary>Those whose default is to be ignored.</summary>
    internal static readonly ulong IgnoredByDefault = Bit(Child) | Bit(Continue) | Bit(Urgent) | Bit(WindowChange);
}
