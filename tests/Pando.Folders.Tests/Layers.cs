namespace Pando.Folders.Tests;

/// <summary>One project below src/, its assembly's name, and its folders from the lowest up.</summary>
internal sealed record Layers(string Project, string Assembly, IReadOnlyList<string> Folders)
{
    /// <summary>True if a file of one folder may use what a file of the other declares.</summary>
    public bool MayUse(string from, string to) => from == to || Rank(to) < Rank(from);

    /// <summary>The folder's place; a folder without one is an error of its own.</summary>
    private int Rank(string folder)
    {
        for (var i = 0; i < Folders.Count; i++)
        {
            if (Folders[i] == folder)
            {
                return i;
            }
        }

        throw new InvalidOperationException($"The folder {folder} of src/{Project} has no place in {nameof(Layering)}.cs.");
    }

    public override string ToString() => Project;
}
