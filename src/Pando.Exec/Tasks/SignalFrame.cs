using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Pando.Exec.Signals;
using Pando.Kvm.Tasks;

namespace Pando.Exec.Tasks;

/// <summary>The frame that a handler finds on its stack, and what rt_sigreturn(2) takes back from it.</summary>
/// <remarks>
/// Linux arch/x86/include/uapi/asm/sigcontext.h, ucontext.h; arch/x86/kernel/signal_64.c, fpu/signal.c. The extended state stands
/// behind the frame, at a multiple of 64, between the two magic words by which programs know it.
/// </remarks>
internal static class SignalFrame
{
    private const int RedZone = 128;
    private const int FrameLength = 8 + ContextLength + 128;
    private const int ContextLength = 304;
    private const int ContextAt = 8;
    private const int StackAt = ContextAt + 16;
    private const int RegistersAt = ContextAt + 40;
    private const int FloatingPointerAt = RegistersAt + 184;
    private const int MaskAt = ContextAt + 296;
    private const int InformationAt = ContextAt + ContextLength;

    // In the bytes of the FXSAVE image that software may use: struct _fpx_sw_bytes.
    private const int SoftwareBytesAt = 464;
    private const uint Magic1 = 0x4650_5853;
    private const uint Magic2 = 0x4650_5845;
    private const ulong ContextFlags = 1 | 2 | 4; // UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS

    // XSAVE's header stands behind the 512 bytes of FXSAVE's.
    private const int HeaderAt = 512;

    // What of the state is kept: all that UserProcessors lets programs use.
    private const int StateLength = 2688;

    private const ulong DirectionAndTrap = (1 << 10) | (1 << 8);

    /// <summary>Makes the frame of a handler and has the task begin it.</summary>
    /// <param name="task">The task.</param>
    /// <param name="information">The signal.</param>
    /// <param name="action">What to do.</param>
    /// <param name="mask">The mask that the handler's end brings back.</param>
    /// <returns>False where the frame cannot be stored.</returns>
    internal static bool TryPush(GuestTask task, in SignalInformation information, in SignalAction action, ulong mask)
    {
        ref var registers = ref task.Context.Registers;
        ulong top = registers.Rsp - RedZone;
        var alternate = task.AlternateStack;
        if ((action.Flags & SignalAction.OnStack) != 0 && alternate.IsSet && !alternate.Holds(registers.Rsp))
        {
            top = alternate.Start + alternate.Length;
        }

        ulong state = (top - StateLength - 4) & ~63UL;
        ulong frame = ((state - FrameLength) & ~15UL) - 8;
        var bytes = new byte[state + StateLength + 4 - frame];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, action.Restorer);
        WriteContext(task, bytes, mask, state);
        MemoryMarshal.Write(bytes.AsSpan(InformationAt), information);
        WriteState(task, bytes.AsSpan((int)(state - frame)));
        if (!task.System.Memory.TryWrite(task.Process.Memory.Space, frame, bytes))
        {
            return false;
        }

        if ((alternate.Flags & AlternateStack.AutoDisarm) != 0)
        {
            task.AlternateStack = AlternateStack.None;
        }

        registers.Rdi = (ulong)information.Signal;
        registers.Rsi = frame + InformationAt;
        registers.Rdx = frame + ContextAt;
        registers.Rax = 0;
        registers.Rsp = frame;
        registers.Rip = action.Handler;
        registers.Rflags &= ~DirectionAndTrap;
        return true;
    }

    /// <summary>Takes back what the frame at the stack pointer holds.</summary>
    /// <returns>False where it cannot be read or its state is none.</returns>
    internal static bool TryPop(GuestTask task)
    {
        ref var registers = ref task.Context.Registers;
        var space = task.Process.Memory.Space;

        // The return address has been taken off the stack.
        var bytes = new byte[FrameLength - 8];
        if (!task.System.Memory.TryRead(space, registers.Rsp, bytes))
        {
            return false;
        }

        ReadRegisters(bytes.AsSpan(RegistersAt - 8), ref registers);
        task.SignalMask = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(MaskAt - 8)) & ~SignalNumber.Unblockable;
        var stack = bytes.AsSpan(StackAt - 8);
        var alternate = new AlternateStack(
            BinaryPrimitives.ReadUInt64LittleEndian(stack),
            BinaryPrimitives.ReadUInt32LittleEndian(stack[8..]) & ~AlternateStack.OnStack,
            BinaryPrimitives.ReadUInt64LittleEndian(stack[16..]));
        task.AlternateStack = alternate.IsSet ? alternate : AlternateStack.None;
        ulong state = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(FloatingPointerAt - 8));
        return TryReadState(task, state);
    }

    private static void WriteContext(GuestTask task, Span<byte> bytes, ulong mask, ulong state)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[ContextAt..], ContextFlags);
        var alternate = task.AlternateStack;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[StackAt..], alternate.Start);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[(StackAt + 8)..], alternate.Flags | (alternate.Holds(task.Context.Registers.Rsp) ? AlternateStack.OnStack : 0));
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[(StackAt + 16)..], alternate.Length);
        ref readonly var r = ref task.Context.Registers;
        ReadOnlySpan<ulong> words =
        [
            r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15, r.Rdi, r.Rsi, r.Rbp, r.Rbx, r.Rdx, r.Rax, r.Rcx, r.Rsp, r.Rip, r.Rflags,
            Selectors, task.Fault.ErrorCode, (ulong)task.Fault.Vector, mask, task.Fault.Address, state,
        ];
        MemoryMarshal.AsBytes(words).CopyTo(bytes[RegistersAt..]);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[MaskAt..], mask);
    }

    // cs, gs, fs, ss as ring 3 has them on Linux.
    private const ulong Selectors = 0x33 | (0x2BUL << 48);

    private static void ReadRegisters(ReadOnlySpan<byte> bytes, ref UserRegisters r)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes[..(18 * 8)]);
        (r.R8, r.R9, r.R10, r.R11) = (words[0], words[1], words[2], words[3]);
        (r.R12, r.R13, r.R14, r.R15) = (words[4], words[5], words[6], words[7]);
        (r.Rdi, r.Rsi, r.Rbp, r.Rbx) = (words[8], words[9], words[10], words[11]);
        (r.Rdx, r.Rax, r.Rcx, r.Rsp) = (words[12], words[13], words[14], words[15]);
        (r.Rip, r.Rflags) = (words[16], words[17]);
    }

    private static void WriteState(GuestTask task, Span<byte> target)
    {
        Span<byte> state = stackalloc byte[4096];
        task.System.Processors.ReadExtendedState(task.Context, state);
        state[..StateLength].CopyTo(target);
        BinaryPrimitives.WriteUInt32LittleEndian(target[SoftwareBytesAt..], Magic1);
        BinaryPrimitives.WriteUInt32LittleEndian(target[(SoftwareBytesAt + 4)..], StateLength + 4);
        BinaryPrimitives.WriteUInt64LittleEndian(target[(SoftwareBytesAt + 8)..], 0xE7);
        BinaryPrimitives.WriteUInt32LittleEndian(target[(SoftwareBytesAt + 16)..], StateLength);
        BinaryPrimitives.WriteUInt32LittleEndian(target[StateLength..], Magic2);
    }

    private static bool TryReadState(GuestTask task, ulong address)
    {
        Span<byte> state = stackalloc byte[4096];
        state.Clear();
        if (address == 0)
        {
            // As at a program's beginning.
            BinaryPrimitives.WriteUInt16LittleEndian(state, 0x37F);
            BinaryPrimitives.WriteUInt32LittleEndian(state[24..], 0x1F80);
            return task.System.Processors.TryWriteExtendedState(task.Context, state);
        }

        var space = task.Process.Memory.Space;
        if ((address & 63) != 0 || !task.System.Memory.TryRead(space, address, state[..512]))
        {
            return false;
        }

        bool isExtended = BinaryPrimitives.ReadUInt32LittleEndian(state[SoftwareBytesAt..]) == Magic1;
        state[SoftwareBytesAt..512].Clear();
        if (!isExtended)
        {
            state[HeaderAt] = 3;
        }
        else if (!task.System.Memory.TryRead(space, address + 512, state[512..StateLength]))
        {
            return false;
        }

        // Bits of MXCSR that the processor has not make KVM refuse; Linux drops them (fpu/signal.c, mxcsr_feature_mask).
        uint mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(state[24..]);
        BinaryPrimitives.WriteUInt32LittleEndian(state[24..], mxcsr & 0xFFFF);
        return task.System.Processors.TryWriteExtendedState(task.Context, state);
    }
}
