namespace Pando.Folders.Tests;

/// <summary>A file uses a symbol that another folder's file declares.</summary>
/// <param name="File">The using file, below the project ("Proc/MapsParser.cs").</param>
/// <param name="From">Its folder; empty if it stands in none.</param>
/// <param name="To">The other folder.</param>
/// <param name="Symbol">One of the symbols, for people.</param>
internal sealed record Use(string File, string From, string To, string Symbol)
{
    /// <summary>"Proc/MapsParser.cs -> Report".</summary>
    public string Text => $"{File} -> {(To.Length == 0 ? "." : To)}";
}
