using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Programs;

/// <summary>Programs that use memory. Each exits with a sum that the host can compute too (<see cref="WorkloadSums"/>).</summary>
internal static class Workloads
{
    /// <summary>Knuth's MMIX generator: x = x * Multiplier + Increment; its high bits pick the page.</summary>
    internal const ulong RandomMultiplier = 6364136223846793005;

    internal const ulong RandomIncrement = 1442695040888963407;

    /// <summary>Sums RDX words, RSI bytes apart, from RDI.</summary>
    internal static UserProgram SequentialRead(ulong address) => UserProgram.EndingWithExit("sequential read", address, WriteSequentialRead);

    /// <summary>
    /// The same sum in one space after another: R8 holds RDI's and R9 RDX's start value, R15 the sum of all spaces.
    /// INT3 separates the spaces; the one behind the last space exits.
    /// </summary>
    internal static UserProgram SequentialReadRound(ulong address) => Round("sequential read, round", address, WriteSequentialRead);

    /// <summary>
    /// Reads RDX words, RSI bytes apart, from RDI, and adds 1, locked, to the word behind each; in one space after
    /// another, as <see cref="SequentialReadRound"/>.
    /// </summary>
    internal static UserProgram ReadAndCountRound(ulong address) => Round("read and count, round", address, static assembler =>
    {
        var next = assembler.CreateLabel();
        assembler.xor(eax, eax);
        assembler.Label(ref next);
        assembler.add(rax, __qword_ptr[rdi]);
        assembler.@lock.inc(__qword_ptr[rdi + 8]);
        assembler.add(rdi, rsi);
        assembler.dec(rdx);
        assembler.jne(next);
    });

    /// <summary>
    /// Sums, in one space after another, R9 words, each at the start of a random one of RSI units of R13 bytes from
    /// R8; R12 is the seed, which goes on from space to space; R15 the sum of all spaces.
    /// </summary>
    internal static UserProgram RandomReadRound(ulong address) => UserProgram.Assembled("random read, round", address, static assembler =>
    {
        var nextSpace = assembler.CreateLabel();
        var next = assembler.CreateLabel();
        assembler.mov(r10, RandomMultiplier);
        assembler.mov(r11, RandomIncrement);
        assembler.Label(ref nextSpace);
        assembler.mov(rcx, r9);
        assembler.Label(ref next);
        assembler.imul(r12, r10);
        assembler.add(r12, r11);
        assembler.mov(rax, r12);
        assembler.mul(rsi);
        assembler.imul(rdx, r13);
        assembler.add(r15, __qword_ptr[r8 + rdx]);
        assembler.dec(rcx);
        assembler.jne(next);
        assembler.int3();
        assembler.jmp(nextSpace);
    });

    /// <summary>Sums RDX words, each at the start of a random one of RSI units of R9 bytes from RDI; R8 is the seed.</summary>
    internal static UserProgram RandomRead(ulong address) => UserProgram.EndingWithExit("random read", address, assembler =>
    {
        var next = assembler.CreateLabel();
        assembler.mov(rcx, rdx);
        assembler.xor(ebx, ebx);
        assembler.mov(r10, RandomMultiplier);
        assembler.mov(r11, RandomIncrement);
        assembler.Label(ref next);
        assembler.imul(r8, r10);
        assembler.add(r8, r11);
        assembler.mov(rax, r8);
        assembler.mul(rsi); // RDX: the unit, from the seed's high bits
        assembler.imul(rdx, r9);
        assembler.add(rbx, __qword_ptr[rdi + rdx]);
        assembler.dec(rcx);
        assembler.jne(next);
        assembler.mov(rax, rbx);
    });

    /// <summary>
    /// Writes RDX words, RSI bytes apart, from RDI: the word's address times the generator's multiplier, plus R8.
    /// Exits with the sum of what it wrote.
    /// </summary>
    internal static UserProgram Write(ulong address) => UserProgram.EndingWithExit("write", address, assembler =>
    {
        var next = assembler.CreateLabel();
        assembler.xor(eax, eax);
        assembler.mov(r10, RandomMultiplier);
        assembler.Label(ref next);
        assembler.mov(rbx, rdi);
        assembler.imul(rbx, r10);
        assembler.add(rbx, r8);
        assembler.mov(__qword_ptr[rdi], rbx);
        assembler.add(rax, rbx);
        assembler.add(rdi, rsi);
        assembler.dec(rdx);
        assembler.jne(next);
    });

    /// <summary>Adds 1, locked, to each of RDX counters, RSI bytes apart, from RDI, R8 times over. Exits with the additions made.</summary>
    internal static UserProgram LockedIncrement(ulong address) => UserProgram.EndingWithExit("locked increment", address, assembler =>
    {
        var again = assembler.CreateLabel();
        var next = assembler.CreateLabel();
        assembler.xor(eax, eax);
        assembler.Label(ref again);
        assembler.mov(rbx, rdi);
        assembler.mov(rcx, rdx);
        assembler.Label(ref next);
        assembler.@lock.add(__qword_ptr[rbx], 1);
        assembler.inc(rax);
        assembler.add(rbx, rsi);
        assembler.dec(rcx);
        assembler.jne(next);
        assembler.dec(r8);
        assembler.jne(again);
    });

    /// <summary>Follows RDX pointers from RDI: each word holds the next one's address. Exits with the last.</summary>
    internal static UserProgram PointerChase(ulong address) => UserProgram.EndingWithExit("pointer chase", address, assembler =>
    {
        var next = assembler.CreateLabel();
        assembler.mov(rax, rdi);
        assembler.Label(ref next);
        assembler.mov(rax, __qword_ptr[rax]);
        assembler.dec(rdx);
        assembler.jne(next);
    });

    private static UserProgram Round(string name, ulong address, Action<Assembler> write) => UserProgram.Assembled(name, address, assembler =>
    {
        var nextSpace = assembler.CreateLabel();
        assembler.Label(ref nextSpace);
        assembler.mov(rdi, r8);
        assembler.mov(rdx, r9);
        write(assembler);
        assembler.add(r15, rax);
        assembler.int3();
        assembler.jmp(nextSpace);
    });

    private static void WriteSequentialRead(Assembler assembler)
    {
        var next = assembler.CreateLabel();
        assembler.xor(eax, eax);
        assembler.Label(ref next);
        assembler.add(rax, __qword_ptr[rdi]);
        assembler.add(rdi, rsi);
        assembler.dec(rdx);
        assembler.jne(next);
    }
}
