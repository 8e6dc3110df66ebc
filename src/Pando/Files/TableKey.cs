using Pando.Hardware;


namespace Pando.Files;

/// <summary>
/// What a file's table is: a view of a window of the file. Two slots may lead to one table exactly if they want the
/// same key; the virtual addresses at which they stand do not matter.
/// </summary>
/// <param name="Level">The table's level.</param>
/// <param name="Origin">
/// The file offset at the table's entry 0. Negative where the mapping begins in the middle of the span.
/// </param>
/// <param name="WindowStart">The first file offset that the table may show.</param>
/// <param name="WindowEnd">The first file offset past those that it may show.</param>
/// <param name="Class">See <see cref="TableClass"/>.</param>
internal readonly record struct TableKey(int Level, long Origin, long WindowStart, long WindowEnd, TableClass Class)
{
    /// <summary>The first file offset past the table's span.</summary>
    public long End(TableGeometry geometry) => Origin + geometry.TableSpan(Level);

    /// <summary>
    /// The key of the table of <paramref name="level"/> whose span begins at <paramref name="origin"/>, in a mapping
    /// that shows the file from <paramref name="windowStart"/> to <paramref name="windowEnd"/>.
    /// </summary>
    public static TableKey For(TableGeometry geometry, int level, long origin, long windowStart, long windowEnd, TableClass tableClass) =>
        new(level, origin, Math.Max(windowStart, origin), Math.Min(windowEnd, origin + geometry.TableSpan(level)), tableClass);

    /// <summary>The key of the table that the entry at <paramref name="index"/> leads to.</summary>
    public TableKey Child(TableGeometry geometry, int index) => For(geometry, Level - 1, Origin + (index * geometry.EntrySpan(Level)), WindowStart, WindowEnd, Class);

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Hardware.Level.Name(Level)} table of [0x{WindowStart:x}, 0x{WindowEnd:x}) from 0x{Origin:x}";
}
