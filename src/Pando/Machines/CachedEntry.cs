using Pando.Hardware;

namespace Pando.Machines;

/// <summary>
/// One cell of a translation cache: a leaf with all that a load or store needs, or an upper entry with the table
/// that it leads to.
/// </summary>
internal struct CachedEntry
{
    /// <summary>The tag of an empty cell. No PCID has all its bits set (<see cref="SpaceContexts"/>).</summary>
    public const ulong NoTag = ulong.MaxValue;

    /// <summary>Which entry it is: the number of its address among those of its level, and the PCID below. See <see cref="EntryCache"/>.</summary>
    public ulong Tag;

    /// <summary>Leaf: the host's address of the page; 0 where its memory keeps no bytes.</summary>
    public nint Host;

    /// <summary>Leaf: where the page lies. Upper entry: where the table lies.</summary>
    public PhysicalAddress Target;

    /// <summary>What all entries on the way down to here grant together (SDM vol. 3A, 4.10.2.2 and 4.10.3.1).</summary>
    public Rights Rights;

    /// <summary>Leaf: its protection key. Whether it denies an access is asked anew for each (SDM vol. 3A, 4.6.2).</summary>
    public byte ProtectionKey;

    /// <summary>Leaf: whether the entry in memory was dirty when it was cached; a store need not mark it again.</summary>
    public bool Dirty;

    /// <summary>Leaf: the accesses that can go ahead without a walk.</summary>
    public readonly Rights Ready => Dirty ? Rights : Rights & ~Rights.Write;
}
