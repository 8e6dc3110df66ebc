namespace Pando.Kvm.Programs;

/// <summary>The flags of <see cref="SystemCallNumber.Map"/>, with Linux's numbers (asm-generic/mman-common.h, linux/mman.h).</summary>
[Flags]
public enum MapFlags : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>MAP_SHARED.</summary>
    Shared = 0x1,

    /// <summary>MAP_PRIVATE.</summary>
    Private = 0x2,

    /// <summary>MAP_FIXED.</summary>
    Fixed = 0x10,

    /// <summary>MAP_ANONYMOUS: no file.</summary>
    Anonymous = 0x20,

    /// <summary>MAP_POPULATE: pages are faulted in at once.</summary>
    Populate = 0x8000,

    /// <summary>MAP_SYNC.</summary>
    Synchronous = 0x80000,

    /// <summary>MAP_FIXED_NOREPLACE.</summary>
    FixedNoReplace = 0x100000,

    /// <summary>All of these.</summary>
    Known = Shared | Private | Fixed | Anonymous | Populate | Synchronous | FixedNoReplace,
}
