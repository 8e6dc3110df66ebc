namespace Pando.Files;

/// <summary>Where a memory device keeps its bytes.</summary>
public enum PmemBacking
{
    /// <summary>In anonymous memory of the host, committed as it is touched; gone with the machine.</summary>
    Sparse,

    /// <summary>Nowhere: the device has addresses but no bytes. Translations work, loads and stores do not.</summary>
    None,

    /// <summary>In a file of the host, mapped: what is stored is in the file.</summary>
    File,
}
