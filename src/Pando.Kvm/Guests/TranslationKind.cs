namespace Pando.Kvm.Guests;

/// <summary>What the CPU walks when a vCPU's ring 3 misses its TLB.</summary>
public enum TranslationKind
{
    /// <summary>The machine's own page tables, through nested paging (EPT, NPT).</summary>
    Hardware,

    /// <summary>
    /// Tables that the hypervisor derives from the machine's (shadow paging). They are a cache that no TLB flush
    /// empties: an entry changed in memory is seen only after the hypervisor has noticed a guest's write to it.
    /// </summary>
    Shadow,
}
