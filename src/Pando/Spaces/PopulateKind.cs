namespace Pando.Spaces;

/// <summary>Whether a mapping's pages are faulted in at once.</summary>
public enum PopulateKind
{
    /// <summary>No.</summary>
    None,

    /// <summary>As MAP_POPULATE does: as if every page were read; private writable pages as if written.</summary>
    Read,

    /// <summary>As MADV_POPULATE_WRITE does: as if every page were written.</summary>
    Write,
}
