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
        for (var i = 0; i < _cpuid.Count; i++)
        {
            ref readonly var leaf = ref _cpuid.Entries[i];
            switch (leaf.Function)
            {
                case 1:
                    HasPcid = (leaf.Ecx & (1u << 17)) != 0;
                    break;
                case 0x8000_0001:
                    HasGigabytePages = (leaf.Edx & (1u << 26)) != 0;
                    break;
                case 0x8000_0008:
                    PhysicalAddressBits = (int)(leaf.Eax & 0xFF);
                    break;
            }
        }
    }

    /// <summary>The CPUID leaves that vCPUs get: all that KVM supports here.</summary>
    internal ref readonly KvmCpuid Cpuid => ref _cpuid;

    /// <summary>True where vCPUs run with CR4.PCIDE.</summary>
    internal bool HasPcid { get; }

    /// <summary>True where vCPUs know leaves of 1 GiB.</summary>
    internal bool HasGigabytePages { get; }

    /// <summary>MAXPHYADDR of the vCPUs.</summary>
    internal int PhysicalAddressBits { get; }
}
