namespace Pando.Linux.Analysis;

/// <summary>Tables of one process that are charged to one object, by level, and the empty ones that are put down to
/// it. Fractions come from estimates.</summary>
internal sealed class ObjectTables
{
    /// <summary>Tables that show the object, by level.</summary>
    public double[] Live { get; } = new double[TableAttribution.Levels + 1];

    /// <summary>Of these: tables of private writable mappings, which hold copies of the process's own.</summary>
    public double[] Own { get; } = new double[TableAttribution.Levels + 1];

    /// <summary>Of those that are not its own: the most that the process has for one view of the object (mappings in which address and
    /// offset differ by the same number).</summary>
    public double[] View { get; } = new double[TableAttribution.Levels + 1];

    /// <summary>Tables without entries: best guess, and the least and the most that it can be.</summary>
    public double Empty { get; set; }

    /// <summary>The fewest empty tables that this object can have here.</summary>
    public double EmptyLow { get; set; }

    /// <summary>The most empty tables that this object can have here.</summary>
    public double EmptyHigh { get; set; }

    /// <summary>All tables with entries.</summary>
    public double LiveTotal => Live.Sum();

    /// <summary>The same, for a process with <paramref name="factor"/> times the tables.</summary>
    public ObjectTables Scale(double factor)
    {
        var scaled = new ObjectTables { Empty = Empty * factor, EmptyLow = EmptyLow * factor, EmptyHigh = EmptyHigh * factor };
        for (var level = 0; level < Live.Length; level++)
        {
            scaled.Live[level] = Live[level] * factor;
            scaled.Own[level] = Own[level] * factor;
        }

        return scaled;
    }
}
