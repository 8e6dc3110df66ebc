namespace Pando.Spaces;

/// <summary>The flags of mremap(2), with Linux's numbers.</summary>
[Flags]
public enum RemapFlags
{
    /// <summary>Only in place.</summary>
    None = 0,

    /// <summary>MREMAP_MAYMOVE.</summary>
    MayMove = 1,

    /// <summary>MREMAP_FIXED: to the given address; what is there is unmapped.</summary>
    Fixed = 2,

    /// <summary>MREMAP_DONTUNMAP: the old range stays mapped, empty.</summary>
    DontUnmap = 4,
}
