namespace Pando.Linux.Report;

/// <summary>Advice that can be pasted: what it is for, lines of settings, bytes of page tables saved (null if not computed), cost.</summary>
public sealed record Advice(string Title, int ObjectNumber, long? SavedBytes, IReadOnlyList<string> Lines, string Cost)
{
    /// <summary>The service that it is for ("PostgreSql", "Oracle", ...; "Other" for any program), or empty where it is for the machine or a file.</summary>
    public string Service { get; init; } = "";

    /// <summary>Objects that it is for.</summary>
    public IReadOnlyList<int> ObjectNumbers { get; init; } = [ObjectNumber];

    /// <summary>Huge pages that it needs, and their size in bytes; 0 where it needs none of a pool.</summary>
    public long Pages { get; init; }

    /// <summary>Size of these pages in bytes.</summary>
    public long PageSize { get; init; }

    /// <summary>Memory that it takes beyond what the same objects hold now, in bytes; null if that is not known.</summary>
    public long? MemoryBytes { get; init; }
}
