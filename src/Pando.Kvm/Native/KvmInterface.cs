using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pando.Kvm.Native;

// The kernel's binary interface of /dev/kvm: linux/kvm.h and asm/kvm.h of x86-64 (Linux
// Documentation/virt/kvm/api.rst says what each call does). All of it stands in this one file; the test
// KvmInterfaceTests compares every size and offset with the header's.

/// <summary>Request numbers of the ioctl calls: linux/kvm.h.</summary>
internal static class KvmRequest
{
    internal const uint GetApiVersion = 0xAE00;
    internal const uint CreateVm = 0xAE01;
    internal const uint CheckExtension = 0xAE03;
    internal const uint GetVcpuMapSize = 0xAE04;
    internal const uint GetSupportedCpuid = 0xC008AE05;
    internal const uint CreateVcpu = 0xAE41;
    internal const uint SetMmuPages = 0xAE44;
    internal const uint SetUserMemoryRegion = 0x4020AE46;
    internal const uint Run = 0xAE80;
    internal const uint GetRegisters = 0x8090AE81;
    internal const uint SetRegisters = 0x4090AE82;
    internal const uint GetSpecialRegisters = 0x8138AE83;
    internal const uint SetSpecialRegisters = 0x4138AE84;
    internal const uint Translate = 0xC018AE85;
    internal const uint SetMsrs = 0x4008AE89;
    internal const uint SetSignalMask = 0x4004AE8B;
    internal const uint GetExtendedState = 0x9000AEA4;
    internal const uint SetExtendedState = 0x5000AEA5;
    internal const uint SetControlRegisters = 0x4188AEA7;
    internal const uint SetCpuid2 = 0x4008AE90;
}

/// <summary>Extensions asked for with KVM_CHECK_EXTENSION: linux/kvm.h.</summary>
internal static class KvmCapability
{
    internal const uint SyncRegisters = 74;
    internal const uint ReadOnlyMemory = 81;
}

/// <summary>kvm_run.exit_reason: linux/kvm.h.</summary>
internal static class KvmExitReason
{
    internal const uint Io = 2;
    internal const uint Mmio = 6;
    internal const uint Shutdown = 8;
    internal const uint FailEntry = 9;
    internal const uint InternalError = 17;
    internal const uint MemoryFault = 39;
}

/// <summary>struct kvm_regs.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmRegisters
{
    internal ulong Rax;
    internal ulong Rbx;
    internal ulong Rcx;
    internal ulong Rdx;
    internal ulong Rsi;
    internal ulong Rdi;
    internal ulong Rsp;
    internal ulong Rbp;
    internal ulong R8;
    internal ulong R9;
    internal ulong R10;
    internal ulong R11;
    internal ulong R12;
    internal ulong R13;
    internal ulong R14;
    internal ulong R15;
    internal ulong Rip;
    internal ulong Rflags;
}

/// <summary>struct kvm_segment: the visible selector and the hidden descriptor.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmSegment
{
    internal ulong Base;
    internal uint Limit;
    internal ushort Selector;
    internal byte Type;
    internal byte Present;
    internal byte PrivilegeLevel;
    internal byte DefaultSize;
    internal byte NotSystem;
    internal byte LongMode;
    internal byte Granularity;
    internal byte Available;
    internal byte Unusable;
    internal byte Padding;
}

/// <summary>struct kvm_dtable.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmDescriptorTable
{
    internal ulong Base;
    internal ushort Limit;
    internal ushort Padding0;
    internal ushort Padding1;
    internal ushort Padding2;
}

/// <summary>struct kvm_sregs.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmSpecialRegisters
{
    internal KvmSegment Cs;
    internal KvmSegment Ds;
    internal KvmSegment Es;
    internal KvmSegment Fs;
    internal KvmSegment Gs;
    internal KvmSegment Ss;
    internal KvmSegment Tr;
    internal KvmSegment Ldt;
    internal KvmDescriptorTable Gdt;
    internal KvmDescriptorTable Idt;
    internal ulong Cr0;
    internal ulong Cr2;
    internal ulong Cr3;
    internal ulong Cr4;
    internal ulong Cr8;
    internal ulong Efer;
    internal ulong ApicBase;
    internal InterruptBitmap Interrupts;

    [InlineArray(4)]
    internal struct InterruptBitmap
    {
        internal ulong Word;
    }
}

/// <summary>struct kvm_userspace_memory_region.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMemoryRegion
{
    internal const uint ReadOnlyFlag = 2; // KVM_MEM_READONLY

    internal uint Slot;
    internal uint Flags;
    internal ulong GuestPhysical;
    internal ulong Length;
    internal ulong HostAddress;
}

/// <summary>struct kvm_translation: an address in, the walk's result out.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmTranslation
{
    internal ulong LinearAddress;
    internal ulong PhysicalAddress;
    internal byte Valid;
    internal byte Writable;
    internal byte User;
    internal byte Padding0;
    internal uint Padding1;
}

/// <summary>struct kvm_cpuid_entry2.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmCpuidEntry
{
    internal uint Function;
    internal uint Index;
    internal uint Flags;
    internal uint Eax;
    internal uint Ebx;
    internal uint Ecx;
    internal uint Edx;
    internal uint Padding0;
    internal uint Padding1;
    internal uint Padding2;
}

/// <summary>struct kvm_cpuid2 with room for as many leaves as any processor has today (about 60).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmCpuid
{
    internal const int Capacity = 256;

    internal uint Count;
    internal uint Padding;
    internal Table Entries;

    [InlineArray(Capacity)]
    internal struct Table
    {
        internal KvmCpuidEntry Entry;
    }
}

/// <summary>struct kvm_msr_entry.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMsrEntry
{
    internal uint Index;
    internal uint Reserved;
    internal ulong Data;
}

/// <summary>struct kvm_msrs with the three registers that SYSCALL needs.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMsrs
{
    internal uint Count;
    internal uint Padding;
    internal KvmMsrEntry First;
    internal KvmMsrEntry Second;
    internal KvmMsrEntry Third;
}

/// <summary>struct kvm_signal_mask with the kernel's 8-byte signal set.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal struct KvmSignalMask
{
    internal uint Length;
    internal ulong Signals;
}

/// <summary>struct kvm_xsave: the processor's extended state as XSAVE stores it, in its standard form.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmExtendedState
{
    internal const int Size = 4096;

    internal Region Bytes;

    [InlineArray(Size)]
    internal struct Region
    {
        internal byte First;
    }
}

/// <summary>struct kvm_xcrs, of which XCR0 alone is used.</summary>
[StructLayout(LayoutKind.Explicit, Size = 392)]
internal struct KvmControlRegisters
{
    [FieldOffset(0)] internal uint Count;
    [FieldOffset(4)] internal uint Flags;
    [FieldOffset(8)] internal uint FirstIndex;
    [FieldOffset(16)] internal ulong FirstValue;
}

/// <summary>struct kvm_vcpu_events, of which the exception alone is used.</summary>
[StructLayout(LayoutKind.Explicit, Size = 64)]
internal struct KvmVcpuEvents
{
    [FieldOffset(0)] internal byte ExceptionInjected;
    [FieldOffset(1)] internal byte ExceptionVector;
    [FieldOffset(3)] internal byte ExceptionPending;
}

/// <summary>struct kvm_run: the page that a vCPU and its user share.</summary>
[StructLayout(LayoutKind.Explicit, Size = 2352)]
internal struct KvmRun
{
    internal const ulong SyncRegisters = 1;        // KVM_SYNC_X86_REGS
    internal const ulong SyncSpecialRegisters = 2; // KVM_SYNC_X86_SREGS
    internal const ulong SyncEvents = 4;           // KVM_SYNC_X86_EVENTS

    [FieldOffset(1)] internal byte ImmediateExit;
    [FieldOffset(8)] internal uint ExitReason;

    // KVM_EXIT_IO
    [FieldOffset(32)] internal byte IoDirection;
    [FieldOffset(33)] internal byte IoSize;
    [FieldOffset(34)] internal ushort IoPort;

    // KVM_EXIT_MMIO
    [FieldOffset(32)] internal ulong MmioAddress;
    [FieldOffset(40)] internal ulong MmioData;
    [FieldOffset(48)] internal uint MmioLength;
    [FieldOffset(52)] internal byte MmioIsWrite;

    // KVM_EXIT_MEMORY_FAULT
    [FieldOffset(40)] internal ulong FaultAddress;

    // KVM_EXIT_FAIL_ENTRY
    [FieldOffset(32)] internal ulong FailEntryReason;

    // KVM_EXIT_INTERNAL_ERROR
    [FieldOffset(32)] internal uint InternalError;
    [FieldOffset(36)] internal uint InternalDataCount;
    [FieldOffset(40)] internal ErrorData InternalData;

    [FieldOffset(288)] internal ulong ValidRegisters;
    [FieldOffset(296)] internal ulong DirtyRegisters;
    [FieldOffset(304)] internal KvmRegisters Registers;
    [FieldOffset(448)] internal KvmSpecialRegisters SpecialRegisters;
    [FieldOffset(760)] internal KvmVcpuEvents Events;

    [InlineArray(16)]
    internal struct ErrorData
    {
        internal ulong Word;
    }
}
