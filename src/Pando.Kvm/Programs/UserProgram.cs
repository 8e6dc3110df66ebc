using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Programs;

/// <summary>Ring-3 machine code for one address. Parameters are in registers; programs use no stack and no SSE.</summary>
internal sealed class UserProgram
{
    private UserProgram(string name, ulong address, byte[] code)
    {
        Name = name;
        Address = address;
        Code = code;
    }

    internal string Name { get; }

    /// <summary>Where the code must be mapped; execution starts at its first byte.</summary>
    internal ulong Address { get; }

    internal byte[] Code { get; }

    /// <summary>Assembles what <paramref name="write"/> writes, followed by an exit with RAX as the result.</summary>
    internal static UserProgram EndingWithExit(string name, ulong address, Action<Assembler> write) =>
        Assembled(name, address, assembler =>
        {
            write(assembler);
            assembler.mov(rdi, rax);
            Call(assembler, SystemCallNumber.Exit);
        });

    /// <summary>Assembles exactly what <paramref name="write"/> writes.</summary>
    internal static UserProgram Assembled(string name, ulong address, Action<Assembler> write)
    {
        var assembler = new Assembler(64);
        write(assembler);
        return new UserProgram(name, address, MachineCode.Assemble(assembler, address, []).Bytes);
    }

    /// <summary>A system call whose arguments are in their registers already.</summary>
    internal static void Call(Assembler assembler, SystemCallNumber number)
    {
        assembler.mov(eax, (int)number);
        assembler.syscall();
    }
}
