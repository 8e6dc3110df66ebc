using System.Runtime.InteropServices;
using Pando.Kvm.Native;

namespace Pando.Kvm.Guests;

/// <summary>Whether this host's /dev/kvm can run Pando's processors.</summary>
/// <param name="IsUsable">True where a <c>VirtualMachine</c> can be created.</param>
/// <param name="Reason">Why not, in one line; empty where it can.</param>
public readonly record struct KvmAvailability(bool IsUsable, string Reason)
{
    /// <summary>The device that KVM is reached through.</summary>
    public const string Device = "/dev/kvm";

    private const int ApiVersion = 12; // fixed since Linux 2.6.22 (api.rst 4.1)

    // What CPUID says of LA57 a hypervisor may pass on without being able to run it (kvm_pvm does): it is tried, once.
    private static readonly Lazy<string> WhyNoFiveLevels = new(TryFiveLevels);

    /// <summary>
    /// Asks the running kernel: an open and a few calls. With 5 levels, the first call in a process also runs a vCPU for a
    /// moment, since what a host says of them is not always so.
    /// </summary>
    /// <param name="levels">Levels of page tables that the processors are to walk: 4, or 5 (LA57).</param>
    public static KvmAvailability Check(int levels = 4)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return No($"KVM processors need Linux on x86-64; this is {RuntimeInformation.RuntimeIdentifier}");
        }

        var device = LibC.Open(Device, LibC.OpenReadWrite | LibC.OpenCloseOnExec, 0);
        if (device < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            return No($"{Device} cannot be opened: {KvmException.NameOf(error)} ({Marshal.GetPInvokeErrorMessage(error)})");
        }

        try
        {
            return Inspect(device, levels);
        }
        finally
        {
            _ = LibC.Close(device);
        }
    }

    private static KvmAvailability Inspect(int device, int levels)
    {
        var version = LibC.Ioctl(device, KvmRequest.GetApiVersion, 0);
        if (version != ApiVersion)
        {
            return No($"{Device} speaks API version {version}; {ApiVersion} is needed");
        }

        // Registers travel in the shared page: each ioctl alone was measured at 5 us under a nested hypervisor.
        const ulong NeededSync = KvmRun.SyncRegisters | KvmRun.SyncSpecialRegisters | KvmRun.SyncEvents;
        var sync = (ulong)Math.Max(0, LibC.Ioctl(device, KvmRequest.CheckExtension, KvmCapability.SyncRegisters));
        if ((sync & NeededSync) != NeededSync)
        {
            return No($"{Device} lacks KVM_CAP_SYNC_REGS (Linux 4.17); it offers {sync:x}");
        }

        if (LibC.Ioctl(device, KvmRequest.CheckExtension, KvmCapability.ReadOnlyMemory) <= 0)
        {
            return No($"{Device} lacks KVM_CAP_READONLY_MEM (Linux 3.7)");
        }

        if (levels < 5)
        {
            return new KvmAvailability(true, "");
        }

        string reason = OffersFiveLevels(device)
            ? WhyNoFiveLevels.Value
            : $"{Device} offers its guests no 5-level paging (CPUID 7.0 ECX bit 16, LA57)";
        return new KvmAvailability(reason.Length == 0, reason);
    }

    private static string TryFiveLevels()
    {
        try
        {
            using var machine = new VirtualMachine(5);
            return "";
        }
        catch (KvmException exception)
        {
            return exception.Message;
        }
    }

    /// <summary>Whether the kernel says that a guest may have LA57.</summary>
    internal static unsafe bool OffersFiveLevels(int device)
    {
        var cpuid = new KvmCpuid { Count = KvmCpuid.Capacity };
        if (LibC.Ioctl(device, KvmRequest.GetSupportedCpuid, &cpuid) < 0)
        {
            return false;
        }

        for (var i = 0; i < cpuid.Count; i++)
        {
            if (cpuid.Entries[i] is { Function: 7, Index: 0, Ecx: var bits })
            {
                return (bits & (1u << 16)) != 0;
            }
        }

        return false;
    }

    private static KvmAvailability No(string reason) => new(false, reason);
}
