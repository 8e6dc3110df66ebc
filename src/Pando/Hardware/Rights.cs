namespace Pando.Hardware;

/// <summary>What user code may do with a page. The same bits as PROT_READ, PROT_WRITE, PROT_EXEC.</summary>
[Flags]
public enum Rights
{
    /// <summary>Nothing (PROT_NONE).</summary>
    None = 0,

    /// <summary>Load.</summary>
    Read = 1,

    /// <summary>Store.</summary>
    Write = 2,

    /// <summary>Fetch instructions.</summary>
    Execute = 4,

    /// <summary>Load and store.</summary>
    ReadWrite = Read | Write,

    /// <summary>Everything.</summary>
    All = Read | Write | Execute,
}
