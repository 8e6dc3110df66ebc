using Pando.Kvm.Programs;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Tests;

/// <summary>Programs of one access, at <see cref="GuestMachine.CodeAddress"/>.</summary>
internal static class SmallPrograms
{
    /// <summary>RAX = the word at RDI.</summary>
    internal static readonly UserProgram LoadWord = UserProgram.Assembled("load", GuestMachine.CodeAddress, static a =>
    {
        a.mov(rax, __qword_ptr[rdi]);
        a.int3();
    });

    /// <summary>The word at RDI = RSI.</summary>
    internal static readonly UserProgram StoreWord = UserProgram.Assembled("store", GuestMachine.CodeAddress, static a =>
    {
        a.mov(__qword_ptr[rdi], rsi);
        a.int3();
    });
}
