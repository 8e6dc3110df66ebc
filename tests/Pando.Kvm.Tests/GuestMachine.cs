using Pando.Kvm.Guests;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;

namespace Pando.Kvm.Tests;

/// <summary>A machine with some memory and page tables written by hand, for tests.</summary>
internal sealed class GuestMachine : IDisposable
{
    internal const ulong Present = 1;
    internal const ulong Writable = 2;
    internal const ulong User = 4;
    internal const ulong Accessed = 0x20;
    internal const ulong Dirty = 0x40;
    internal const ulong LargePage = 0x80;
    internal const ulong NoExecute = 1UL << 63;
    internal const ulong UserPage = Present | Writable | User;
    internal const ulong AddressBits = 0x000F_FFFF_FFFF_F000;
    internal const ulong CodeAddress = 0x40_0000;

    private ulong _next = 0x1000;

    internal GuestMachine(int levels = 4, ulong memoryLength = 64UL << 20, bool largePages = false, bool parks = false)
    {
        Machine = new VirtualMachine(levels, parks);
        Memory = new HostMemory(memoryLength, largePages);
        Machine.AddMemory(0, memoryLength, Memory.Address);
    }

    internal VirtualMachine Machine { get; }

    internal HostMemory Memory { get; }

    /// <summary>Zeroed pages' guest-physical address, aligned to their total size.</summary>
    internal ulong Allocate(ulong pages = 1)
    {
        var size = pages * 4096;
        var address = (_next + size - 1) / size * size;
        _next = address + size;
        return address;
    }

    /// <summary>An empty address space: a root table with the kernel entry.</summary>
    internal ulong CreateSpace()
    {
        var root = Allocate();
        Memory.Word(root + (511 * 8)) = Machine.KernelEntry;
        return root;
    }

    /// <summary>The entry for <paramref name="address"/> at <paramref name="level"/>; makes missing tables above it.</summary>
    internal ref ulong Entry(ulong root, ulong address, int level = 1)
    {
        var table = root;
        for (var above = Machine.Levels; above > level; above--)
        {
            ref var entry = ref Memory.Word(table + (Index(address, above) * 8));
            if (entry == 0)
            {
                entry = Allocate() | UserPage;
            }

            table = entry & AddressBits;
        }

        return ref Memory.Word(table + (Index(address, level) * 8));
    }

    /// <summary>The table that holds the entry for <paramref name="address"/> at <paramref name="level"/>.</summary>
    internal ulong TableOf(ulong root, ulong address, int level = 1) =>
        level == Machine.Levels ? root : Entry(root, address, level + 1) & AddressBits;

    /// <summary>Maps a new page with <paramref name="word"/> at its start; returns its guest-physical address.</summary>
    internal ulong MapPage(ulong root, ulong address, ulong word = 0, ulong bits = UserPage)
    {
        var page = Allocate();
        Memory.Word(page) = word;
        Entry(root, address) = page | bits;
        return page;
    }

    /// <summary>Maps a program's code, execute and read only.</summary>
    internal void Load(ulong root, UserProgram program)
    {
        var page = Allocate();
        program.Code.CopyTo(Memory.Bytes(page, 4096));
        Entry(root, program.Address) = page | Present | User;
    }

    /// <summary>A new vCPU at the start of a program, in a new space that maps nothing but the program.</summary>
    internal (VirtualProcessor Processor, ulong Space) Prepare(UserProgram program)
    {
        var space = CreateSpace();
        Load(space, program);
        var processor = Machine.CreateProcessor();
        Start(processor, space, program);
        return (processor, space);
    }

    /// <summary>Puts a vCPU at the start of a program, with the registers of an earlier one gone.</summary>
    internal static void Start(VirtualProcessor processor, ulong root, UserProgram program)
    {
        processor.Space = root;
        processor.Registers = new KvmRegisters { Rip = program.Address, Rflags = 2 };
    }

    public void Dispose()
    {
        Machine.Dispose();
        Memory.Dispose();
    }

    private static ulong Index(ulong address, int level) => address >> (12 + (9 * (level - 1))) & 511;
}
