using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Spaces;

namespace Pando.Kvm.Tasks;

/// <summary>What ring 3 is for one program, while it is on no vCPU: registers, and the state of x87, SSE and AVX.</summary>
/// <remarks>
/// One thread at a time uses it: whoever is about to have it run by <see cref="UserProcessors.Run"/>. Any thread may call
/// <see cref="Interrupt"/>.
/// </remarks>
public sealed class UserContext
{
    // The standard form of XSAVE: a legacy region, whose control words have these values when a program begins
    // (System V ABI, AMD64, 3.4.1), and a header that says which components differ from their initial state: none.
    private const int ControlWordAt = 0;
    private const int MxcsrAt = 24;
    private const ushort InitialControlWord = 0x37F;
    private const uint InitialMxcsr = 0x1F80;

    private UserRegisters _registers;
    private AddressSpace[] _spaces = [];
    private VirtualProcessor? _running;
    private int _interrupted;

    /// <summary>A program that has not begun: all registers zero, the extended state as it is at a program's start.</summary>
    public UserContext()
    {
        BitConverter.TryWriteBytes(Extended.AsSpan(ControlWordAt), InitialControlWord);
        BitConverter.TryWriteBytes(Extended.AsSpan(MxcsrAt), InitialMxcsr);
    }

    /// <summary>The registers.</summary>
    public ref UserRegisters Registers => ref _registers;

    /// <summary>FS.base, the thread pointer; canonical.</summary>
    public ulong FsBase { get; set; }

    /// <summary>GS.base; canonical.</summary>
    public ulong GsBase { get; set; }

    /// <summary>Whether an interrupt has been asked for that no run has answered yet.</summary>
    public bool IsInterrupted => Volatile.Read(ref _interrupted) != 0;

    /// <summary>The extended state while <see cref="Seat"/> is null.</summary>
    internal byte[] Extended { get; } = new byte[KvmExtendedState.Size];

    /// <summary>The vCPU that has the extended state; protected by the processors' lock.</summary>
    internal TaskSeat? Seat { get; set; }

    /// <summary>
    /// Makes the program's run end as <see cref="UserExitKind.Interrupted"/>: the present one at once, or else the next. Several
    /// before an answer count as one.
    /// </summary>
    public void Interrupt()
    {
        Interlocked.Exchange(ref _interrupted, 1);
        Volatile.Read(ref _running)?.Stop();
    }

    /// <summary>Takes the interrupts that were asked for.</summary>
    internal bool TakeInterrupt() => Interlocked.Exchange(ref _interrupted, 0) != 0;

    /// <summary>Says which vCPU it runs on; who interrupts it later stops that one.</summary>
    internal void BeginOn(VirtualProcessor processor) => Interlocked.Exchange(ref _running, processor);

    /// <summary>It runs on none.</summary>
    internal void End() => Interlocked.Exchange(ref _running, null);

    /// <summary>The space, as processors take it: made once for each.</summary>
    internal AddressSpace[] SpacesOf(AddressSpace space) =>
        _spaces.Length == 1 && ReferenceEquals(_spaces[0], space) ? _spaces : _spaces = [space];
}
