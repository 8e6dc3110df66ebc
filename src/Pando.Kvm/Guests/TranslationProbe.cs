using Iced.Intel;
using Pando.Kvm.Physical;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Guests;

/// <summary>Finds out by trying whether the CPU walks the machine's tables or a hypervisor's shadow of them.</summary>
/// <remarks>
/// Ring 3 reads a page; the host changes the entry to another page and has KVM flush the vCPU's TLB; ring 3 reads
/// again. A CPU that walks the tables sees the change. No feature bit says it: a hypervisor below this one may shadow too.
/// </remarks>
internal static class TranslationProbe
{
    private const ulong CodeAddress = 0x40_0000;
    private const ulong DataAddress = 0x40_1000;
    private const ulong FirstValue = 0x1111;
    private const ulong SecondValue = 0x2222;

    internal static TranslationKind Probe(VirtualProcessor processor, PrivateMemory memory, OwnTables space)
    {
        var code = memory.AllocatePage();
        var first = memory.AllocatePage();
        var second = memory.AllocatePage();
        var assembler = new Assembler(64);
        assembler.mov(rax, __qword_ptr[rdi]);
        assembler.int3();
        MachineCode.Assemble(assembler, CodeAddress, []).Bytes.CopyTo(memory.Memory.Bytes(code - memory.PhysicalBase, 4096));
        memory.Word(first) = FirstValue;
        memory.Word(second) = SecondValue;
        space.Leaf(CodeAddress, 1, OwnTables.User) = code | OwnTables.User;
        space.Leaf(DataAddress, 1, OwnTables.User) = first | OwnTables.User;
        processor.Space = space.Root;
        if (Read(processor) != FirstValue)
        {
            throw new KvmException("a vCPU read another value than the one in memory; this host's KVM is not to be trusted");
        }

        space.Leaf(DataAddress, 1, OwnTables.User) = second | OwnTables.User;
        processor.RequestFlush();
        return Read(processor) == SecondValue ? TranslationKind.Hardware : TranslationKind.Shadow;
    }

    private static ulong Read(VirtualProcessor processor)
    {
        processor.Registers.Rip = CodeAddress;
        processor.Registers.Rdi = DataAddress;
        var exit = processor.Run();
        return exit.Kind == ExitKind.Breakpoint
            ? processor.Registers.Rax
            : throw new KvmException($"a vCPU's first three instructions ended by {exit.Kind} {exit.Vector}. {exit.Failure}");
    }
}
