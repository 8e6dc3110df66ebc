using Pando.Kvm.Physical;
using Pando.Kvm.Guests;
using Pando.Kvm.Native;

namespace Pando.Kvm.Tests;

public class MemorySlotsTests
{
    private const ulong MiB = 1UL << 20;

    public MemorySlotsTests() => Requires.Kvm();

    [Fact]
    public void Memory_longer_than_a_slot_is_split_and_found_on_both_sides_of_the_seam()
    {
        using var memory = new HostMemory(5 * MiB);
        using var vm = new BareVm();
        var slots = new MemorySlots(vm.Descriptor, maximumSlotLength: 2 * MiB);
        slots.Add(16 * MiB, memory.Length, memory.Address, readOnly: false);

        Assert.Equal(
            [(16 * MiB, 2 * MiB), (18 * MiB, 2 * MiB), (20 * MiB, MiB)],
            slots.All.Select(static s => (s.GuestPhysical, s.Length)));
        Assert.Equal(
            (memory.Address + (nint)(2 * MiB) - 1, memory.Address + (nint)(2 * MiB), 0, 0),
            (slots.HostOf((18 * MiB) - 1), slots.HostOf(18 * MiB), slots.HostOf(21 * MiB), slots.HostOf((16 * MiB) - 1)));
    }

    [Fact]
    public void Removed_memory_can_be_attached_again_and_overlaps_are_refused()
    {
        using var memory = new HostMemory(4 * MiB);
        using var vm = new BareVm();
        var slots = new MemorySlots(vm.Descriptor);
        slots.Add(0, 2 * MiB, memory.Address, readOnly: false);
        slots.Add(4 * MiB, 2 * MiB, memory.Address + (nint)(2 * MiB), readOnly: true);

        Assert.Throws<ArgumentException>(() => slots.Add(MiB, 4 * MiB, memory.Address, readOnly: false));
        Assert.Throws<ArgumentException>(() => slots.Add(8 * MiB, 100, memory.Address, readOnly: false));
        slots.Remove(0, 2 * MiB);
        Assert.Equal(0, slots.HostOf(MiB));
        slots.Add(MiB, 2 * MiB, memory.Address, readOnly: false);

        Assert.Equal(
            [new MemorySlot(0, MiB, 2 * MiB, memory.Address, false), new MemorySlot(1, 4 * MiB, 2 * MiB, memory.Address + (nint)(2 * MiB), true)],
            slots.All);
    }

    [Fact]
    public void The_longest_slot_is_within_what_kvm_accepts() =>
        Assert.InRange(MemorySlots.MaximumSlotLength / 4096, 1UL, (1UL << 31) - 1);

    [Fact]
    public void A_thousand_slots_can_be_attached()
    {
        using var memory = new HostMemory(1000 * 4096);
        using var vm = new BareVm();
        var slots = new MemorySlots(vm.Descriptor);
        for (ulong i = 0; i < 1000; i++)
        {
            slots.Add(i * MiB, 4096, memory.Address + (nint)(i * 4096), readOnly: false);
        }

        Assert.Equal(1000, slots.All.Count);
        Assert.Equal(memory.Address + (777 * 4096), slots.HostOf(777 * MiB));
    }

    private sealed class BareVm : IDisposable
    {
        private readonly int _device = LibC.Open(KvmAvailability.Device, LibC.OpenReadWrite | LibC.OpenCloseOnExec, 0);

        internal BareVm() => Descriptor = LibC.Ioctl(_device, KvmRequest.CreateVm, 0);

        internal int Descriptor { get; }

        public void Dispose()
        {
            _ = LibC.Close(Descriptor);
            _ = LibC.Close(_device);
        }
    }
}
