using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Programs;

/// <summary>Programs that do what a program must not; each is to end alone, by a signal of its own.</summary>
internal static class BrokenPrograms
{
    /// <summary>HLT: general protection.</summary>
    internal static UserProgram Privileged(ulong address) => UserProgram.Assembled("privileged", address, static a => a.hlt());

    /// <summary>OUT to a port: general protection, since ring 3 has no port.</summary>
    internal static UserProgram PortWrite(ulong address) => UserProgram.Assembled("port write", address, static a => a.@out(0x80, al));

    /// <summary>UD2: invalid opcode.</summary>
    internal static UserProgram InvalidOpcode(ulong address) => UserProgram.Assembled("invalid opcode", address, static a => a.ud2());

    /// <summary>A division by zero.</summary>
    internal static UserProgram DivideByZero(ulong address) => UserProgram.Assembled("divide by zero", address, static a =>
    {
        a.xor(ecx, ecx);
        a.div(ecx);
    });

    /// <summary>A jump to the address in RDI.</summary>
    internal static UserProgram Jump(ulong address) => UserProgram.Assembled("jump", address, static a => a.jmp(rdi));

    /// <summary>A jump to itself.</summary>
    internal static UserProgram EndlessLoop(ulong address) => UserProgram.Assembled("endless loop", address, static a =>
    {
        var self = a.CreateLabel();
        a.Label(ref self);
        a.jmp(self);
    });
}
