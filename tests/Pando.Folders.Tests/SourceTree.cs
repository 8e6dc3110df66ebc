namespace Pando.Folders.Tests;

/// <summary>The source tree that the tests were built from.</summary>
internal static class SourceTree
{
    private static readonly string Root = Find();

    /// <summary>C# files of a project below src/, by their path in it, with '/' between folders.</summary>
    public static IEnumerable<(string Path, string Text)> Files(string project)
    {
        var folder = System.IO.Path.Combine(Root, "src", project);
        return Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(file => (Path: System.IO.Path.GetRelativePath(folder, file).Replace('\\', '/'), File: file))
            .Where(f => !f.Path.StartsWith("obj/", StringComparison.Ordinal) && !f.Path.StartsWith("bin/", StringComparison.Ordinal))
            .OrderBy(f => f.Path, StringComparer.Ordinal)
            .Select(f => (f.Path, File.ReadAllText(f.File)));
    }

    private static string Find()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(at.FullName, "Pando.slnx")))
        {
            at = at.Parent ?? throw new DirectoryNotFoundException("The tests run outside of the source tree, which they read.");
        }

        return at.FullName;
    }
}
