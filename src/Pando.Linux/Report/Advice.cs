namespace Pando.Linux.Report;

/// <summary>Advice that can be pasted: what it is for, lines of settings, bytes saved (null if not computed), cost.</summary>
public sealed record Advice(string Title, int ObjectNumber, long? SavedBytes, IReadOnlyList<string> Lines, string Cost);
