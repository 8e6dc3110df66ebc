using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Pando.Kvm.Native;

namespace Pando.Kvm.Tests;

/// <summary>Sizes and offsets as the C compiler reports them for linux/kvm.h and asm/kvm.h of x86-64.</summary>
public class KvmInterfaceTests
{
    [Fact]
    public void Structures_have_the_sizes_of_the_kernel_header()
    {
        Assert.Equal(
            (144, 24, 16, 312, 32, 24, 40, 16, 2352),
            (Unsafe.SizeOf<KvmRegisters>(), Unsafe.SizeOf<KvmSegment>(), Unsafe.SizeOf<KvmDescriptorTable>(),
                Unsafe.SizeOf<KvmSpecialRegisters>(), Unsafe.SizeOf<KvmMemoryRegion>(), Unsafe.SizeOf<KvmTranslation>(),
                Unsafe.SizeOf<KvmCpuidEntry>(), Unsafe.SizeOf<KvmMsrEntry>(), Unsafe.SizeOf<KvmRun>()));

        // Headers of 8 and 4 bytes with their arrays behind them.
        Assert.Equal(
            (8 + (KvmCpuid.Capacity * 40), 8 + (3 * 16), 4 + 8),
            (Unsafe.SizeOf<KvmCpuid>(), Unsafe.SizeOf<KvmMsrs>(), Unsafe.SizeOf<KvmSignalMask>()));
    }

    [Theory]
    [InlineData(nameof(KvmRun.ImmediateExit), 1)]
    [InlineData(nameof(KvmRun.ExitReason), 8)]
    [InlineData(nameof(KvmRun.IoDirection), 32)]
    [InlineData(nameof(KvmRun.IoPort), 34)]
    [InlineData(nameof(KvmRun.MmioAddress), 32)]
    [InlineData(nameof(KvmRun.MmioData), 40)]
    [InlineData(nameof(KvmRun.MmioLength), 48)]
    [InlineData(nameof(KvmRun.MmioIsWrite), 52)]
    [InlineData(nameof(KvmRun.InternalError), 32)]
    [InlineData(nameof(KvmRun.InternalDataCount), 36)]
    [InlineData(nameof(KvmRun.InternalData), 40)]
    [InlineData(nameof(KvmRun.ValidRegisters), 288)]
    [InlineData(nameof(KvmRun.DirtyRegisters), 296)]
    [InlineData(nameof(KvmRun.Registers), 304)]
    [InlineData(nameof(KvmRun.SpecialRegisters), 448)]
    [InlineData(nameof(KvmRun.Events), 760)]
    public void Fields_of_kvm_run_are_where_the_kernel_puts_them(string field, int offset) =>
        Assert.Equal(offset, (int)Marshal.OffsetOf<KvmRun>(field));

    [Theory]
    [InlineData(nameof(KvmSpecialRegisters.Gdt), 192)]
    [InlineData(nameof(KvmSpecialRegisters.Cr0), 224)]
    [InlineData(nameof(KvmSpecialRegisters.Efer), 264)]
    [InlineData(nameof(KvmSpecialRegisters.Interrupts), 280)]
    public void Fields_of_kvm_sregs_are_where_the_kernel_puts_them(string field, int offset) =>
        Assert.Equal(offset, (int)Marshal.OffsetOf<KvmSpecialRegisters>(field));

    [Fact]
    public void Requests_carry_the_size_of_their_structure()
    {
        // _IOC: the size is in bits 16 to 29 (asm-generic/ioctl.h).
        static int Size(uint request) => (int)(request >> 16 & 0x3FFF);

        Assert.Equal(
            (144, 312, 32, 24, 8, 8, 4),
            (Size(KvmRequest.SetRegisters), Size(KvmRequest.SetSpecialRegisters), Size(KvmRequest.SetUserMemoryRegion),
                Size(KvmRequest.Translate), Size(KvmRequest.SetCpuid2), Size(KvmRequest.SetMsrs), Size(KvmRequest.SetSignalMask)));
        Assert.Equal(64, Unsafe.SizeOf<KvmVcpuEvents>());
    }

    [Fact]
    public void A_refused_call_says_which_call_which_error_and_what_to_do()
    {
        Assert.Equal(-1, LibC.Close(-1));
        var refused = KvmException.FromErrno("close of -1");
        Assert.Equal(9, refused.Error);
        Assert.StartsWith("close of -1 failed: EBADF (Bad file descriptor). ", refused.Message, StringComparison.Ordinal);
    }
}
