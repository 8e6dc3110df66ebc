namespace Pando.Linux.TestProcess;

/// <summary>What a step does; the names, in lower case, are the words of the script.</summary>
internal enum Verb
{
    None,

    /// <summary>Call the process "path" (or "hex").</summary>
    Name,

    /// <summary>Make a memfd of "size" bytes, called "path" or "hex" where given; later steps map it.</summary>
    Memfd,

    /// <summary>The same with huge pages of 2 MiB.</summary>
    Hugetlb,

    /// <summary>Open the file "path"; later steps map it.</summary>
    File,

    /// <summary>Open the file "path" for reading alone; later steps map it.</summary>
    ReadFile,

    /// <summary>Make a System V segment of "size" bytes (of huge pages if "value" is not 0), and attach it at "at".</summary>
    Segment,

    /// <summary>Map shared memory without a file.</summary>
    SharedAnonymous,

    /// <summary>Make a file of memfd_secret of "size" bytes; later steps map it.</summary>
    Secret,

    /// <summary>Work in the directory "path".</summary>
    Directory,

    /// <summary>Leave the namespaces of "value" (CLONE_NEW* flags) for new ones.</summary>
    Unshare,

    /// <summary>Make a process that sleeps in this one's address space; it is killed at the end of this one.</summary>
    SharedSpace,

    /// <summary>The first thread ends; another one waits for the end of input. No step may follow.</summary>
    LeaderEnds,

    /// <summary>Make "value" children, which carry on with the next step.</summary>
    Fork,

    /// <summary>Map the memfd or file from byte "value" of it on, shared.</summary>
    Map,

    /// <summary>The same, private.</summary>
    Private,

    /// <summary>Map private memory.</summary>
    Anonymous,

    /// <summary>Read a byte every "value" bytes.</summary>
    Touch,

    /// <summary>Write a byte every "value" bytes.</summary>
    Write,

    /// <summary>Change rights.</summary>
    Protect,

    /// <summary>MADV_DONTNEED in pieces of "value" bytes.</summary>
    DontNeed,

    /// <summary>MADV_GUARD_INSTALL (Linux 6.13): entries that are markers.</summary>
    Guard,

    /// <summary>MADV_DONTDUMP.</summary>
    DontDump,

    /// <summary>MADV_HUGEPAGE.</summary>
    HugePage,

    /// <summary>Unmap.</summary>
    Unmap,
}
