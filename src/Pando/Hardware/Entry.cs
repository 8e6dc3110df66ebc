using System.Globalization;

namespace Pando.Hardware;

/// <summary>
/// One entry of a page table, as the hardware reads it. What its bits mean is known to its <see cref="EntryFormat"/>
/// alone; zero means "nothing here" in every format.
/// </summary>
public readonly record struct Entry(ulong Raw)
{
    /// <summary>The entry that says that nothing is here.</summary>
    public static Entry None => default;

    /// <summary>Whether nothing is here.</summary>
    public bool IsNone => Raw == 0;

    /// <inheritdoc/>
    public override string ToString() => "0x" + Raw.ToString("x16", CultureInfo.InvariantCulture);
}
