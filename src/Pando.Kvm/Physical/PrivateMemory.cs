using Pando.Kvm.Native;

namespace Pando.Kvm.Physical;

/// <summary>
/// Guest-physical memory of the machine's own, at the top of what the processor can address: the kernel image, and
/// behind it pages for tables of the machine's own use.
/// </summary>
/// <remarks>As much guest-physical space again follows it, for the marker slot (<see cref="MemorySlots.MoveMarker"/>).</remarks>
internal sealed class PrivateMemory : IDisposable
{
    /// <summary>Its length: 2 MiB for the image; the rest, where the toucher's tables go, maps up to 15.7 TiB.</summary>
    internal const ulong Length = 64UL << 20;

    private readonly HostMemory _memory = new(Length);
    private ulong _next = KernelLayout.Pages * KernelLayout.PageSize;

    internal PrivateMemory(ulong physicalBase) => PhysicalBase = physicalBase;

    internal ulong PhysicalBase { get; }

    internal HostMemory Memory => _memory;

    /// <summary>A zeroed page's guest-physical address. Not thread-safe; pages are never given back.</summary>
    internal ulong AllocatePage()
    {
        if (_next == Length)
        {
            throw new KvmException($"the machine's own {Length >> 20} MiB are used up; it maps page tables in no more than 15 TiB of memory");
        }

        var page = PhysicalBase + _next;
        _next += KernelLayout.PageSize;
        return page;
    }

    /// <summary>The word at a guest-physical address inside this memory.</summary>
    internal ref ulong Word(ulong guestPhysical) => ref _memory.Word(guestPhysical - PhysicalBase);

    /// <summary>The word that is entry <paramref name="index"/> of a table in this memory.</summary>
    internal ref ulong Entry(ulong table, ulong index) => ref Word(table + (index * 8));

    public void Dispose() => _memory.Dispose();
}
