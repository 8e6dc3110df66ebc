using Pando.Kvm.Native;
using Pando.Kvm.Physical;

namespace Pando.Kvm.Processor;

/// <summary>The machine's own pages, filled as <see cref="KernelLayout"/> lays them out.</summary>
/// <remarks>Written once, before the first vCPU runs; after that only processors write (their stacks and cursors).</remarks>
internal sealed class KernelImage
{
    // Entries of the image's own tables, always present, with A and D set so that no walk has to write them
    // (Intel SDM vol. 3A, 5.5.4). Supervisor: the U/S bit stays clear at every level.
    private const ulong SupervisorEntry = 0x63;

    // On the way to the page of programs U/S is set; the leaves below decide. That page is read-only.
    private const ulong SlotEntry = 0x67;
    private const ulong UserCodeEntry = 0x25;

    private readonly HostMemory _memory;
    private readonly ulong _physicalBase;

    /// <summary>Builds the image in the first <see cref="KernelLayout.Pages"/> pages of <paramref name="memory"/>.</summary>
    /// <param name="memory">Where.</param>
    /// <param name="physicalBase">Its guest-physical address.</param>
    /// <param name="fiveLevels">Whether root tables are of level 5.</param>
    /// <param name="parking">See <see cref="StubCode.Assemble"/>.</param>
    internal KernelImage(HostMemory memory, ulong physicalBase, bool fiveLevels, ulong parking)
    {
        _memory = memory;
        _physicalBase = physicalBase;
        ParkingSpace = parking & ~ProcessorState.NoFlush;
        Stub = StubCode.Assemble(KernelLayout.Virtual(KernelLayout.StubPage), parking);
        RootEntry = Physical(fiveLevels ? KernelLayout.Level4Page : KernelLayout.Level3Page) | SlotEntry;
        WriteTables();
        WriteDescriptors();
        WriteGates();
        CommonCode.Bytes.CopyTo(_memory.Bytes(KernelLayout.UserCodePage * KernelLayout.PageSize, CommonCode.Bytes.Length));
        Stub.Bytes.CopyTo(_memory.Bytes(KernelLayout.StubPage * KernelLayout.PageSize, Stub.Bytes.Length));
        for (var processor = 0; processor < KernelLayout.MaximumProcessors; processor++)
        {
            WriteTaskState(processor);
        }
    }

    internal StubCode Stub { get; }

    /// <summary>
    /// CR3 of a vCPU whose round has ended: a space of the machine's own, under PCID 0, that no user's space ends
    /// under; the next round begins from it without a flush. 0 where there is none.
    /// </summary>
    internal ulong ParkingSpace { get; }

    /// <summary>What entry <see cref="KernelLayout.RootIndex"/> of every root table must hold.</summary>
    internal ulong RootEntry { get; }

    /// <summary>The word at a virtual address inside the image.</summary>
    internal ref ulong Word(ulong virtualAddress) => ref _memory.Word(virtualAddress - KernelLayout.VirtualBase);

    internal ulong Physical(int page) => _physicalBase + ((ulong)page * KernelLayout.PageSize);

    private void WriteTables()
    {
        ref ulong Entry(int page, int index) => ref _memory.Word(((ulong)page * KernelLayout.PageSize) + ((ulong)index * 8));

        Entry(KernelLayout.Level4Page, 511) = Physical(KernelLayout.Level3Page) | SlotEntry;
        Entry(KernelLayout.Level3Page, 0) = Physical(KernelLayout.Level2Page) | SlotEntry;
        Entry(KernelLayout.Level2Page, 0) = Physical(KernelLayout.Level1Page) | SlotEntry;
        for (var page = KernelLayout.GdtPage; page < KernelLayout.Pages; page++)
        {
            Entry(KernelLayout.Level1Page, page) = Physical(page) | (page == KernelLayout.UserCodePage ? UserCodeEntry : SupervisorEntry);
        }
    }

    // Descriptors: Intel SDM vol. 3A, 3.4.5. Flat segments; in 64-bit mode only type, privilege and L matter.
    private void WriteDescriptors()
    {
        ref ulong Descriptor(int selector) =>
            ref _memory.Word((KernelLayout.GdtPage * KernelLayout.PageSize) + (ulong)(selector & ~7));

        Descriptor(KernelLayout.KernelCode) = 0x00AF_9B00_0000_FFFF;
        Descriptor(KernelLayout.KernelData) = 0x00CF_9300_0000_FFFF;
        Descriptor(KernelLayout.UserData) = 0x00CF_F300_0000_FFFF;
        Descriptor(KernelLayout.UserCode) = 0x00AF_FB00_0000_FFFF;
    }

    // Interrupt gates: Intel SDM vol. 3A, 7.14.1. Breakpoint alone may be raised by ring 3's INT3.
    private void WriteGates()
    {
        const ulong PresentInterruptGate = 0x8E00UL << 32;
        const ulong RingThree = 0x6000UL << 32;
        for (var vector = 0; vector < StubCode.Exceptions; vector++)
        {
            var handler = Stub.Handlers[vector];
            var gate = (KernelLayout.IdtPage * KernelLayout.PageSize) + ((ulong)vector * 16);
            _memory.Word(gate) = (handler & 0xFFFF)
                | ((ulong)KernelLayout.KernelCode << 16)
                | PresentInterruptGate
                | (vector == StubCode.BreakpointVector ? RingThree : 0)
                | ((handler >> 16 & 0xFFFF) << 48);
            _memory.Word(gate + 8) = handler >> 32;
        }
    }

    // 64-bit TSS: Intel SDM vol. 3A, 9.7. RSP0 at byte 4 (not aligned to 8, so written as bytes); the I/O map's
    // base lies beyond the limit: every port is forbidden to ring 3.
    private void WriteTaskState(int processor)
    {
        var task = _memory.Bytes((ulong)KernelLayout.StackPage(processor) * KernelLayout.PageSize, (int)KernelLayout.TaskStateLength);
        BitConverter.TryWriteBytes(task[4..], KernelLayout.StackTop(processor));
        BitConverter.TryWriteBytes(task[102..], (ushort)KernelLayout.TaskStateLength);
    }
}
