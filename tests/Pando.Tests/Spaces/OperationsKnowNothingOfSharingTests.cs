using System.Text.RegularExpressions;

namespace Pando.Tests.Spaces;

/// <summary>The measure of the design: no operation asks whether a table is shared.</summary>
public sealed partial class OperationsKnowNothingOfSharingTests
{
    // Every file of AddressSpace: who goes down through slots must see where they lead, and that is OwnTables. A fault asks it once, since
    // it fills files' tables in the file's name.
    private static readonly string[] Operations =
        ["Advise", "Areas", "Faults", "Fork", "Keys", "Leaves", "Map", "MemoryLock", "Protect", "Remap", "UserFaults", "UserPages"];

    // The space's own tables, and a report.
    private static readonly string[] Walks = ["OwnTables.cs", "TableShares.cs"];

    [Fact]
    public void No_operation_contains_a_question_whether_a_table_is_shared()
    {
        foreach (string operation in Operations)
        {
            string source = Comments().Replace(File.ReadAllText(Path.Combine(Folder(), $"AddressSpace.{operation}.cs")), "");
            Assert.DoesNotMatch(Question(), source);
        }
    }

    [Fact]
    public void The_walks_that_see_whose_a_table_is_are_these_and_no_more()
    {
        int Questions(string file) => Question().Count(Comments().Replace(File.ReadAllText(Path.Combine(Folder(), file)), ""));
        Assert.Equal(
            ["AddressSpace.Faults.cs"],
            Directory.EnumerateFiles(Folder(), "AddressSpace*.cs").Where(path => File.ReadAllText(path).Contains(".LeadsToFile(", StringComparison.Ordinal)).Select(path => Path.GetFileName(path)!));
        Assert.Equal(
            Walks,
            Directory.EnumerateFiles(Folder(), "*.cs").Select(path => Path.GetFileName(path)!).Where(file => Questions(file) > 0).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_question_would_be_found()
    {
        Assert.Matches(Question(), "if (Store.IsAttached(slot, level))");
        Assert.Matches(Question(), "record.Kind == FrameKind.FileTable");
        Assert.Matches(Question(), "if (table.AttachCount > 1)");
    }

    [GeneratedRegex(@"IsAttached|FileTable\b|AttachCount|IsSharedTable")]
    private static partial Regex Question();

    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comments();

    private static string Folder()
    {
        var at = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(at.FullName, "Pando.slnx")))
        {
            at = at.Parent ?? throw new DirectoryNotFoundException("The tests run outside of the source tree, which they read.");
        }

        return Path.Combine(at.FullName, "src", "Pando", "Spaces");
    }
}
