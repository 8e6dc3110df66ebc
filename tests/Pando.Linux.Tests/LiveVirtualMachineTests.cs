using System.Runtime.InteropServices;
using Pando.Linux.Native;

namespace Pando.Linux.Tests;

/// <summary>A real virtual machine, made and never run by the tests themselves.</summary>
[Collection(nameof(LiveLinux))]
public partial class LiveVirtualMachineTests
{
    private const ulong CreateMachine = 0xAE01; // KVM_CREATE_VM
    private const ulong CreateProcessor = 0xAE41; // KVM_CREATE_VCPU
    private const ulong ProcessorMapSize = 0xAE04; // KVM_GET_VCPU_MMAP_SIZE

    [Fact]
    public unsafe void A_process_with_a_vCPU_is_a_virtual_machine()
    {
        var device = LibC.Open("/dev/kvm", 2 | LibC.CloseOnExec);
        if (device < 0)
        {
            Assert.Skip("/dev/kvm is not there, or may not be opened.");
        }

        var machine = LibC.Ioctl(device, CreateMachine, null);
        var processor = machine < 0 ? -1 : LibC.Ioctl(machine, CreateProcessor, null);
        var size = LibC.Ioctl(device, ProcessorMapSize, null);
        var map = processor < 0 || size <= 0 ? -1 : Map(null, (nuint)size, 3, 1, processor, 0);
        try
        {
            if (map == -1)
            {
                Assert.Skip("KVM makes no virtual machine here.");
            }

            var report = LiveLinux.Scan(exact: false).Report;

            var found = Assert.Single(report.VirtualMachines, v => v.Pid == Environment.ProcessId);
            Assert.Equal(1, found.Processors);
            Assert.Equal(found.GuestBytes / 512, found.RuleBytes);
            Assert.NotEmpty(found.Source);
        }
        finally
        {
            _ = map == -1 ? 0 : Unmap(map, (nuint)size);
            foreach (var file in new[] { processor, machine, device })
            {
                _ = file < 0 ? 0 : LibC.Close(file);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static unsafe partial nint Map(void* address, nuint size, int rights, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint size);
}
