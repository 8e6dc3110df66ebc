namespace Pando;

/// <summary>Why an operation was refused: Linux's error numbers, as in the manual pages of the system calls.</summary>
public enum Errno
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>It may not be done: a sealed range, or an address that only the privileged may map (vm.mmap_min_addr).</summary>
    EPERM = 1,

    /// <summary>Nothing of the kind is there.</summary>
    ENOENT = 2,

    /// <summary>A transfer failed: the storage is bad, or the file cannot be written.</summary>
    EIO = 5,

    /// <summary>There is no file of that number.</summary>
    EBADF = 9,

    /// <summary>Try again: something else is under way.</summary>
    EAGAIN = 11,

    /// <summary>Memory, or address space, is out.</summary>
    ENOMEM = 12,

    /// <summary>The file does not allow what the mapping asks for.</summary>
    EACCES = 13,

    /// <summary>An address leads to nothing that the operation could work on.</summary>
    EFAULT = 14,

    /// <summary>Somebody else has it.</summary>
    EBUSY = 16,

    /// <summary>The range is taken (MAP_FIXED_NOREPLACE).</summary>
    EEXIST = 17,

    /// <summary>An argument is not of the form that is wanted.</summary>
    EINVAL = 22,

    /// <summary>The file would become too large.</summary>
    EFBIG = 27,

    /// <summary>The device is full.</summary>
    ENOSPC = 28,

    /// <summary>There is no system call of that number.</summary>
    ENOSYS = 38,

    /// <summary>A file offset is past what a file can have.</summary>
    EOVERFLOW = 75,

    /// <summary>The file is of a kind that cannot do it.</summary>
    EOPNOTSUPP = 95,

    /// <summary>The page's memory has failed.</summary>
    EHWPOISON = 133,
}
