using Pando.Kvm.Native;

namespace Pando.Kvm.Processor;

/// <summary>What the vCPUs of this host can do, as KVM says it. (What it says of LA57 is not always so: see <c>KvmAvailability</c>.)</summary>
internal sealed unsafe class ProcessorAbilities
{
    private readonly KvmCpuid _cpuid;

    /// <summary>Asks KVM.</summary>
    /// <param name="device">/dev/kvm, open.</param>
    /// <exception cref="KvmException">It does not tell.</exception>
    internal ProcessorAbilities(int device)
    {
        _cpuid.Count = KvmCpuid.Capacity;
        fixed (KvmCpuid* cpuid = &_cpuid)
        {
            if (LibC.Ioctl(device, KvmRequest.GetSupportedCpuid, cpuid) < 0)
            {
                throw KvmException.FromErrno("KVM_GET_SUPPORTED_CPUID");
            }
        }

        // CPUID leaves: Intel SDM vol. 2A, CPUID.
        PhysicalAddressBits = 36;
        bool hasXsave = false;
        ulong components = 0;
        for (var i = 0; i < _cpuid.Count; i++)
        {
            ref readonly var leaf = ref _cpuid.Entries[i];
            switch (leaf.Function)
            {
                case 1:
                    HasPcid = (leaf.Ecx & (1u << 17)) != 0;
                    hasXsave = (leaf.Ecx & (1u << 26)) != 0;
                    break;
                case 0xD when leaf.Index == 0:
                    components = leaf.Eax | ((ulong)leaf.Edx << 32);
                    break;
                case 0x8000_0001:
                    HasGigabytePages = (leaf.Edx & (1u << 26)) != 0;
                    break;
                case 0x8000_0008:
                    PhysicalAddressBits = (int)(leaf.Eax & 0xFF);
                    break;
            }
        }

        const ulong SmallComponents = 0xE7;
        ExtendedComponents = hasXsave ? components & SmallComponents : 0;
    }

    /// <summary>
    /// The bits of XCR0 that programs may have: x87, SSE, AVX, AVX-512. 0 where the processor has no XSAVE. What is larger than
    /// KVM's fixed structure (AMX) is left out, and CPUID then says so to programs.
    /// </summary>
    internal ulong ExtendedComponents { get; }

    /// <summary>The CPUID leaves that vCPUs get: all that KVM supports here.</summary>
    internal ref readonly KvmCpuid Cpuid => ref _cpuid;

    /// <summary>True where vCPUs run with CR4.PCIDE.</summary>
    internal bool HasPcid { get; }

    /// <summary>True where vCPUs know leaves of 1 GiB.</summary>
    internal bool HasGigabytePages { get; }

    /// <summary>MAXPHYADDR of the vCPUs.</summary>
    internal int PhysicalAddressBits { get; }
}
