using Pando.Hardware;

namespace Pando.Tables;

/// <summary>What tells a part of a file that a table of a space may show from all other parts of the file. See <see cref="ReverseMap"/>.</summary>
/// <param name="Start">The first file offset of the part.</param>
/// <param name="Level">The table's level.</param>
/// <param name="Table">The table.</param>
/// <param name="Origin">The file offset that the part puts at the table's entry 0: one table may show one file at two places.</param>
internal readonly record struct PartKey(long Start, int Level, Frame Table, long Origin)
{
    /// <summary>Before all parts of tables of a level.</summary>
    public static PartKey FirstOf(int level) => new(long.MinValue, level, Frame.None, long.MinValue);

    /// <summary>The order of the parts of one level.</summary>
    public int CompareTo(in PartKey other)
    {
        int order = Start.CompareTo(other.Start);
        order = order != 0 ? order : Table.Number.CompareTo(other.Table.Number);
        return order != 0 ? order : Origin.CompareTo(other.Origin);
    }
}
