namespace Pando.Conformance.Tests.Kernel;

/// <summary>The system calls that an agent is asked to make, with their numbers on x86-64 (Linux, arch/x86/entry/syscalls/syscall_64.tbl).</summary>
internal enum SystemCall
{
    Close = 3,
    Mmap = 9,
    Mprotect = 10,
    Munmap = 11,
    Mremap = 25,
    Msync = 26,
    Mincore = 27,
    Madvise = 28,
    Getpid = 39,
    Wait4 = 61,
    Ftruncate = 77,
    Mlock = 149,
    Munlock = 150,
    Mlockall = 151,
    Munlockall = 152,
    ExitGroup = 231,
    Openat = 257,
    Fallocate = 285,
    Pipe2 = 293,
    MemfdCreate = 319,
    Mlock2 = 325,
    PkeyMprotect = 329,
    PkeyAlloc = 330,
    Mseal = 462,
}
