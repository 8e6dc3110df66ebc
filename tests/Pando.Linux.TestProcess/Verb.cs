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

    /// <summary>MADV_DONTDUMP.</summary>
    DontDump,

    /// <summary>MADV_HUGEPAGE.</summary>
    HugePage,

    /// <summary>Unmap.</summary>
    Unmap,
}
