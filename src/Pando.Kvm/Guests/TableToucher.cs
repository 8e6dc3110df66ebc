using Pando.Kvm.Physical;
using Pando.Kvm.Processor;

namespace Pando.Kvm.Guests;

/// <summary>Tells a hypervisor with shadow paging which page tables have changed.</summary>
/// <remarks>
/// <para>Such a hypervisor write-protects the tables it has shadowed and learns of changes from the guest's faulting
/// writes. What this process writes through its own mapping it never learns, and no flush makes it look again: not
/// MOV to CR3, INVLPG, a change of CR4, nor KVM_SET_SREGS (measured, docs/kvm-findings.md).</para>
/// <para>So a vCPU of the machine's own writes into each changed table: a locked OR of 0 with 2 bytes. KVM takes a
/// write narrower than an entry for a sign that the page is no table any more, and drops all it had derived from
/// it (Linux arch/x86/kvm/mmu/mmu.c, detect_write_misaligned), then flushes every vCPU, running or not, before
/// the instruction ends. An aligned 8-byte write would drop that one entry alone.</para>
/// <para>A fault that read the table before the change cannot install it after: KVM reads the entries again under
/// the lock that the drop takes (paging_tmpl.h, gpte_changed).</para>
/// <para>Thread-safe: one caller at a time.</para>
/// </remarks>
internal sealed class TableToucher
{
    private const ulong LargePageSize = 2UL << 20;

    // Where guest-physical memory stands in the toucher's own address space: the upper half's first byte with 4
    // levels, which is canonical with 5 too.
    private const ulong WindowBase = 0xFFFF_8000_0000_0000;

    private readonly Lock _lock = new();
    private readonly VirtualProcessor _processor;
    private readonly KernelImage _image;
    private readonly OwnTables _window;

    internal TableToucher(VirtualProcessor processor, KernelImage image, OwnTables window)
    {
        _processor = processor;
        _image = image;
        _window = window;
    }

    /// <summary>Makes the hypervisor forget what it derived from these tables; returns when no vCPU can use it.</summary>
    /// <param name="tables">Guest-physical addresses of page tables, of any level; their memory must be attached.</param>
    internal void Touch(ReadOnlySpan<ulong> tables)
    {
        lock (_lock)
        {
            _processor.Space = _window.Root;
            while (!tables.IsEmpty)
            {
                var count = Math.Min(tables.Length, KernelLayout.QueueCapacity);
                TouchSome(tables[..count]);
                tables = tables[count..];
            }
        }
    }

    private void TouchSome(ReadOnlySpan<ulong> tables)
    {
        var list = KernelLayout.Virtual(KernelLayout.QueuePage(_processor.Index));
        for (var i = 0; i < tables.Length; i++)
        {
            _image.Word(list + ((ulong)i * 8)) = VirtualOf(tables[i]);
        }

        _processor.Registers.Rsi = list;
        _processor.Registers.Rcx = (ulong)tables.Length;
        _processor.RunKernel(_image.Stub.TouchEntry, StubCode.TouchedPort);
    }

    // Entries go from none to present only, which needs no flush.
    private ulong VirtualOf(ulong guestPhysical)
    {
        var address = WindowBase + guestPhysical;
        ref var leaf = ref _window.Leaf(address, 2, OwnTables.Supervisor);
        leaf = (guestPhysical & ~(LargePageSize - 1)) | OwnTables.Supervisor | OwnTables.LargePage;
        return address;
    }
}
