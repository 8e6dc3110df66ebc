namespace Pando.Spaces;

/// <summary>Why an operation was refused: Linux's error numbers, as in the manual pages of the system calls.</summary>
public enum Errno
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>The address is one that only the privileged may map (vm.mmap_min_addr).</summary>
    EPERM = 1,

    /// <summary>Memory, or address space, is out.</summary>
    ENOMEM = 12,

    /// <summary>The file does not allow what the mapping asks for.</summary>
    EACCES = 13,

    /// <summary>The range is taken (MAP_FIXED_NOREPLACE).</summary>
    EEXIST = 17,

    /// <summary>An argument is not of the form that is wanted.</summary>
    EINVAL = 22,
}
