using Iced.Intel;
using Pando.Kvm.Programs;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Processor;

/// <summary>The ring-0 code: one OUT per exception, so that the first ring-0 instruction is already the exit.</summary>
/// <remarks>
/// Ring-0 code may be emulated at a microsecond an instruction (docs/kvm-findings.md), so it does nothing that the
/// host can do: the exception's frame stays on the ring-0 stack, where the host reads it, and the host returns to
/// ring 3 by setting registers. Two handlers do more: breakpoint goes on to the next space of a round, and the
/// toucher (<see cref="TouchEntry"/>) writes into changed page tables.
/// </remarks>
internal sealed class StubCode
{
    internal const int Exceptions = 32;
    internal const byte BreakpointVector = 3;

    /// <summary>INT3.</summary>
    internal const byte BreakpointInstruction = 0xCC;
    internal const byte InvalidOpcodeVector = 6;
    internal const byte PageFaultVector = 14;

    /// <summary>The port that SYSCALL's entry writes to; a port below 32 is an exception's vector.</summary>
    internal const byte SystemCallPort = 0xF0;

    /// <summary>The port that the toucher writes to at the end of its list.</summary>
    internal const byte TouchedPort = 0xF1;

    private StubCode(byte[] bytes, ReadOnlySpan<ulong> addresses)
    {
        Bytes = bytes;
        Handlers = [.. addresses[..Exceptions]];
        SystemCallEntry = addresses[Exceptions];
        TouchEntry = addresses[Exceptions + 1];
        SpaceLoad = addresses[Exceptions + 2];
        RoundEnd = addresses[Exceptions + 3];
    }

    internal byte[] Bytes { get; }

    /// <summary>The handler's virtual address for each of the <see cref="Exceptions"/> vectors.</summary>
    internal ulong[] Handlers { get; }

    /// <summary>The virtual address for LSTAR.</summary>
    internal ulong SystemCallEntry { get; }

    /// <summary>The toucher's loop: RSI the list of virtual addresses, RCX their number (at least 1).</summary>
    internal ulong TouchEntry { get; }

    /// <summary>In the breakpoint's handler, the instruction that loads the next space; the cursor is past it already.</summary>
    internal ulong SpaceLoad { get; }

    /// <summary>In the breakpoint's handler, where it goes at the queue's end; behind all that goes on in ring 3.</summary>
    internal ulong RoundEnd { get; }

    /// <summary>The port that a handler is about to write to, where its next instruction is its first and does so.</summary>
    internal ushort? PortAt(ulong address)
    {
        var vector = Array.IndexOf(Handlers, address);
        return address == SystemCallEntry ? SystemCallPort
            : vector is >= 0 and not BreakpointVector ? (ushort)vector
            : null;
    }

    /// <summary>True where the exception pushes an error code (Intel SDM vol. 3A, table 7-1).</summary>
    internal static bool HasErrorCode(int vector) => vector is 8 or (>= 10 and <= 14) or 17 or 21 or 29 or 30;

    /// <param name="address">Where it will stand.</param>
    /// <param name="parking">The space that a vCPU is in when a round has ended, as MOV to CR3 loads it; 0: the round's last.</param>
    internal static StubCode Assemble(ulong address, ulong parking)
    {
        var assembler = new Assembler(64);
        var load = assembler.CreateLabel();
        var end = assembler.CreateLabel();
        var handlers = new Label[Exceptions];
        for (var vector = 0; vector < Exceptions; vector++)
        {
            handlers[vector] = assembler.CreateLabel();
            assembler.Label(ref handlers[vector]);
            if (vector == BreakpointVector)
            {
                NextSpace(assembler, ref load, ref end, parking);
            }
            else
            {
                ExitBy(assembler, (byte)vector);
            }
        }

        var systemCall = assembler.CreateLabel();
        assembler.Label(ref systemCall);
        ExitBy(assembler, SystemCallPort);

        var touch = assembler.CreateLabel();
        assembler.Label(ref touch);
        TouchTables(assembler, touch);

        var labels = new List<Label>(handlers) { systemCall, touch, load, end };
        var program = MachineCode.Assemble(assembler, address, labels);
        return new StubCode(program.Bytes, program.Addresses);
    }

    // The host sets RIP before it resumes; the HLT turns a host that forgot into a failure exit.
    private static void ExitBy(Assembler assembler, byte port)
    {
        assembler.@out(port, al);
        assembler.hlt();
    }

    /// <summary>
    /// INT3 from ring 3: loads the next CR3 of the vCPU's run queue and goes on behind the INT3 with the same
    /// registers; at the queue's end exits as breakpoint.
    /// </summary>
    /// <remarks>
    /// The queue's page follows the stack's, and the processor has pushed five words from the stack's top: so its
    /// first word, the cursor, is at [rsp+40] on entry. No register of ring 3 is trusted.
    /// </remarks>
    private static void NextSpace(Assembler assembler, ref Label load, ref Label end, ulong parking)
    {
        assembler.push(rax);
        assembler.mov(rax, __qword_ptr[rsp + 48]);
        assembler.mov(rax, __qword_ptr[rax]);
        assembler.test(rax, rax);
        assembler.je(end);
        assembler.add(__qword_ptr[rsp + 48], 8);
        assembler.Label(ref load);
        assembler.mov(cr3, rax);
        assembler.pop(rax);
        assembler.iretq();
        assembler.Label(ref end);
        if (parking != 0)
        {
            assembler.mov(rax, parking);
            assembler.mov(cr3, rax);
        }

        assembler.pop(rax);
        ExitBy(assembler, BreakpointVector);
    }

    /// <summary>A 2-byte locked OR of 0 into each table: <c>TableToucher</c>, which has it run, says why two bytes.</summary>
    private static void TouchTables(Assembler assembler, Label touch)
    {
        assembler.lodsq();
        assembler.@lock.or(__word_ptr[rax], (sbyte)0);
        assembler.loop(touch);
        ExitBy(assembler, TouchedPort);
    }
}
