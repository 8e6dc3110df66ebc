using System.Buffers.Binary;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Conformance.Tests.Kernel;

/// <summary>
/// The program that a real process runs under the test: a loop that reads a request, makes a system call or an access,
/// and answers. It is a static ELF file of one page, so that nothing is mapped in the process but what the test has
/// mapped, and the page that holds the program, and the stack.
/// </summary>
internal static class AgentProgram
{
    private const ulong Base = 0x400000;
    private const int HeaderSize = 64 + (2 * 56);
    private const uint NoRandomAddresses = 0x0040000; // ADDR_NO_RANDOMIZE
    private const int BufferSize = 512; // a request at 0, an answer at 64, scratch from 128 on

    /// <summary>Where the first five arguments of a system call stand. What is put there clears the upper half.</summary>
    private static readonly AssemblerRegister32[] Arguments = [edi, esi, edx, r10d, r8d];

    /// <summary>Where in the agent's buffer the test may put what system calls point at.</summary>
    public const int ScratchOffset = 128;

    /// <summary>The contents of the executable file.</summary>
    public static byte[] Build()
    {
        var code = Assemble();
        byte[] file = new byte[HeaderSize + code.Length];
        var span = file.AsSpan();

        // System V ABI, ELF-64: the header, then two program headers.
        ReadOnlySpan<byte> identity = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1];
        identity.CopyTo(span);
        Half(16, 2); // ET_EXEC
        Half(18, 62); // EM_X86_64
        Word(20, 1);
        Long(24, Base + HeaderSize); // e_entry
        Long(32, 64); // e_phoff
        Half(52, 64);
        Half(54, 56);
        Half(56, 2);

        Word(64, 1); // PT_LOAD
        Word(68, 5); // read, execute
        Long(80, Base);
        Long(88, Base);
        Long(96, (ulong)file.Length);
        Long(104, (ulong)file.Length);
        Long(112, 4096);

        // Without it old kernels make all that is readable executable.
        Word(120, 0x6474e551); // PT_GNU_STACK
        Word(124, 6);
        code.CopyTo(span[HeaderSize..]);
        return file;

        void Half(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), value);
        void Word(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at), value);
        void Long(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at), value);
    }

    private static byte[] Assemble()
    {
        var c = new Assembler(64);
        var ready = c.CreateLabel();
        var loop = c.CreateLabel();
        var load = c.CreateLabel();
        var store = c.CreateLabel();
        var fork = c.CreateLabel();
        var child = c.CreateLabel();
        var send = c.CreateLabel();
        var answer = c.CreateLabel();
        var faulted = c.CreateLabel();
        var exit = c.CreateLabel();
        var handler = c.CreateLabel();
        var restorer = c.CreateLabel();
        var path = c.CreateLabel();

        // Begin once more without random addresses and without an environment, so that every run is like the last.
        Call(SystemCall.Personality, uint.MaxValue);
        c.test(eax, NoRandomAddresses);
        c.jnz(ready);
        c.mov(edi, eax);
        c.or(edi, NoRandomAddresses);
        Call(SystemCall.Personality);

        // And without the right to map the lowest addresses, if this is root (vm.mmap_min_addr, capabilities(7)).
        Call(SystemCall.Prctl, 24, 17); // PR_CAPBSET_DROP, CAP_SYS_RAWIO
        c.lea(rdi, __[path]);
        c.push(0);
        c.push(rdi);
        c.mov(rsi, rsp);
        c.xor(edx, edx);
        Call(SystemCall.Execve);

        c.Label(ref ready);
        c.sub(rsp, BufferSize);
        c.and(rsp, -64);
        c.mov(r14, rsp);
        c.xor(r12d, r12d); // requests
        c.mov(r13d, 1); // answers

        // Signals of accesses: the handler notes them and goes on behind the access.
        c.lea(rax, __[handler]);
        c.mov(__[r14], rax);
        c.mov(__qword_ptr[r14 + 8], 0x44000004); // SA_SIGINFO | SA_RESTORER | SA_NODEFER
        c.lea(rax, __[restorer]);
        c.mov(__[r14 + 16], rax);
        c.mov(__qword_ptr[r14 + 24], 0);
        foreach (int signal in (ReadOnlySpan<int>)[7, 11])
        {
            c.mov(rsi, r14);
            c.xor(edx, edx);
            c.mov(r10d, 8);
            Call(SystemCall.RtSigaction, (uint)signal);
        }

        // The engine has no transparent huge pages of anonymous memory.
        Call(SystemCall.Prctl, 41, 1, 0, 0, 0); // PR_SET_THP_DISABLE
        c.lea(rax, __[r14 + ScratchOffset]);
        c.xor(ebx, ebx);
        c.jmp(answer);

        c.Label(ref loop);
        c.mov(edi, r12d);
        c.mov(rsi, r14);
        c.mov(edx, 64);
        Call(SystemCall.Read);
        c.cmp(rax, 64);
        c.jne(exit);
        c.xor(ebx, ebx);
        c.mov(rax, __[r14]);
        c.cmp(rax, (int)AgentVerb.Load);
        c.je(load);
        c.cmp(rax, (int)AgentVerb.Store);
        c.je(store);
        c.cmp(rax, (int)AgentVerb.Fork);
        c.je(fork);
        c.cmp(rax, (int)AgentVerb.Send);
        c.je(send);
        c.mov(rax, __[r14 + 8]);
        c.mov(rdi, __[r14 + 16]);
        c.mov(rsi, __[r14 + 24]);
        c.mov(rdx, __[r14 + 32]);
        c.mov(r10, __[r14 + 40]);
        c.mov(r8, __[r14 + 48]);
        c.mov(r9, __[r14 + 56]);
        c.syscall();
        c.jmp(answer);

        c.Label(ref load);
        c.mov(rsi, __[r14 + 8]);
        c.movzx(eax, __byte_ptr[rsi]);
        c.jmp(answer);

        c.Label(ref store);
        c.mov(rsi, __[r14 + 8]);
        c.mov(rdx, __[r14 + 16]);
        c.mov(__byte_ptr[rsi], dl);
        c.xor(eax, eax);
        c.jmp(answer);

        c.Label(ref fork);
        Call(SystemCall.Fork);
        c.test(rax, rax);
        c.jnz(answer);
        c.Label(ref child);
        c.mov(edi, r12d);
        Call(SystemCall.Close);
        c.mov(edi, r13d);
        Call(SystemCall.Close);
        c.mov(r12, __[r14 + 8]);
        c.mov(r13, __[r14 + 16]);
        c.xor(eax, eax);
        c.jmp(answer);

        c.Label(ref send);
        c.xor(eax, eax);

        // The answer, in every case: rax the value, rbx the signal, rdx and rcx its code and address.
        c.Label(ref answer);
        c.mov(__[r14 + 64], rax);
        c.mov(__[r14 + 72], rbx);
        c.mov(__[r14 + 80], rdx);
        c.mov(__[r14 + 88], rcx);
        c.mov(edi, r13d);
        c.lea(rsi, __[r14 + 64]);
        c.mov(edx, 32);
        Call(SystemCall.Write);
        c.cmp(rax, 32);
        c.jne(exit);
        c.cmp(__qword_ptr[r14], (int)AgentVerb.Send);
        c.jne(loop);
        c.mov(edi, r13d);
        c.mov(rsi, __[r14 + 8]);
        c.mov(rdx, __[r14 + 16]);
        Call(SystemCall.Write);
        c.jmp(loop);

        c.Label(ref faulted);
        c.xor(eax, eax);
        c.jmp(answer);

        c.Label(ref exit);
        Call(SystemCall.ExitGroup, 0);

        // rdi the signal, rsi the siginfo, rdx the ucontext, whose registers begin at 40: rbx at 128, rdx 136, rcx 152, rip 168.
        c.Label(ref handler);
        c.mov(eax, edi);
        c.mov(__[rdx + 128], rax);
        c.movsxd(rax, __dword_ptr[rsi + 8]);
        c.mov(__[rdx + 136], rax);
        c.mov(rax, __[rsi + 16]);
        c.mov(__[rdx + 152], rax);
        c.lea(rax, __[faulted]);
        c.mov(__[rdx + 168], rax);
        c.ret();

        c.Label(ref restorer);
        Call(SystemCall.RtSigreturn);

        c.Label(ref path);
        c.db("/proc/self/exe\0"u8.ToArray());

        using var bytes = new MemoryStream();
        c.Assemble(new StreamCodeWriter(bytes), Base + HeaderSize);
        return bytes.ToArray();

        // Arguments that are constants; those that are not stand in their registers.
        void Call(SystemCall call, params ReadOnlySpan<uint> arguments)
        {
            for (int i = 0; i < arguments.Length; i++)
            {
                c.mov(Arguments[i], arguments[i]);
            }

            c.mov(eax, (int)call);
            c.syscall();
        }
    }
}
