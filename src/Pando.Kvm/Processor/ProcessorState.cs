using Pando.Kvm.Physical;
using Pando.Kvm.Native;

namespace Pando.Kvm.Processor;

/// <summary>The registers that make a vCPU one of these machines': 64-bit mode, paging, the image's descriptors, SYSCALL.</summary>
internal static class ProcessorState
{
    /// <summary>CR4.PGE; a change of it flushes all PCIDs (Intel SDM vol. 3A, 5.10.4.1).</summary>
    internal const ulong Cr4GlobalPages = 1UL << 7;

    /// <summary>CR4.OSXSAVE: XSAVE and its like, and XGETBV, by which programs find what they may use (Intel SDM vol. 1, 13.2).</summary>
    internal const ulong Cr4ExtendedState = 1UL << 18;

    /// <summary>CR0.PG.</summary>
    internal const ulong Cr0Paging = 1UL << 31;

    /// <summary>RFLAGS bit 1, which is always set.</summary>
    internal const ulong FixedFlag = 2;

    /// <summary>
    /// Bit 63 of what MOV to CR3 loads where CR4.PCIDE is set: nothing of the PCID is flushed (Intel SDM vol. 3A,
    /// 5.10.4.1). No part of CR3 itself: KVM_SET_SREGS refuses it.
    /// </summary>
    internal const ulong NoFlush = 1UL << 63;

    // CR0: PE, MP, ET, NE, WP, PG. WP so that ring 0 would respect read-only entries too (Intel SDM vol. 3A, 2.5).
    private const ulong Cr0Value = 0x8001_0033;

    // CR4: PAE, PGE, OSFXSR, OSXMMEXCPT; then by ability LA57 and PCIDE.
    private const ulong Cr4Value = 0x6A0;
    private const ulong Cr4FiveLevels = 1UL << 12;
    private const ulong Cr4Pcid = 1UL << 17;

    // EFER: SCE, LME, LMA, NXE.
    private const ulong EferValue = 0xD01;

    // The flags ring 3 may own: CF PF AF ZF SF TF DF OF AC ID. IF stays clear: nothing interrupts these processors.
    private const ulong UserFlags = 0x24_0DD5;

    internal static KvmSegment UserCode { get; } = Segment(KernelLayout.UserCode, 11, 3, longMode: true);

    internal static KvmSegment UserData { get; } = Segment(KernelLayout.UserData, 3, 3, longMode: false);

    internal static KvmSegment KernelCode { get; } = Segment(KernelLayout.KernelCode, 11, 0, longMode: true);

    internal static KvmSegment KernelData { get; } = Segment(KernelLayout.KernelData, 3, 0, longMode: false);

    /// <summary>The flags that ring 3 goes on with.</summary>
    internal static ulong FlagsOfUser(ulong flags) => (flags & UserFlags) | FixedFlag;

    /// <summary>Ring 3, in no space.</summary>
    internal static KvmSpecialRegisters Initial(int levels, bool hasPcid, int processor, ulong apicBase)
    {
        var special = default(KvmSpecialRegisters);
        special.ApicBase = apicBase;
        special.Cs = UserCode;
        special.Ss = UserData;
        special.Ds = special.Es = special.Fs = special.Gs = special.Ss;
        special.Ldt.Unusable = 1;
        special.Tr.Base = KernelLayout.Virtual(KernelLayout.StackPage(processor));
        special.Tr.Limit = (uint)KernelLayout.TaskStateLength - 1;
        special.Tr.Selector = KernelLayout.TaskState;
        special.Tr.Type = 11; // busy 64-bit TSS
        special.Tr.Present = 1;
        special.Gdt.Base = KernelLayout.Virtual(KernelLayout.GdtPage);
        special.Gdt.Limit = 63;
        special.Idt.Base = KernelLayout.Virtual(KernelLayout.IdtPage);
        special.Idt.Limit = (StubCode.Exceptions * 16) - 1;
        special.Cr0 = Cr0Value;
        special.Cr4 = Cr4Value | (levels == 5 ? Cr4FiveLevels : 0) | (hasPcid ? Cr4Pcid : 0);
        special.Efer = EferValue;
        return special;
    }

    /// <summary>IA32_STAR, IA32_LSTAR, IA32_FMASK (Intel SDM vol. 3A, 6.8.8): ring 0's selectors, the entry, flags to clear.</summary>
    internal static KvmMsrs SystemCallRegisters(ulong entry)
    {
        const ulong SysretBase = (KernelLayout.UserData & ~3) - 8 | 3;
        return new KvmMsrs
        {
            Count = 3,
            First = new KvmMsrEntry { Index = 0xC000_0081, Data = (SysretBase << 48) | ((ulong)KernelLayout.KernelCode << 32) },
            Second = new KvmMsrEntry { Index = 0xC000_0082, Data = entry },
            Third = new KvmMsrEntry { Index = 0xC000_0084, Data = 0x4_0700 }, // AC DF IF TF
        };
    }

    private static KvmSegment Segment(ushort selector, byte type, byte privilege, bool longMode) => new()
    {
        Limit = 0xFFFF_FFFF,
        Selector = selector,
        Type = type,
        Present = 1,
        PrivilegeLevel = privilege,
        DefaultSize = (byte)(longMode ? 0 : 1),
        NotSystem = 1,
        LongMode = (byte)(longMode ? 1 : 0),
        Granularity = 1,
    };
}
