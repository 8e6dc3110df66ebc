using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.CompilerServices;

namespace Pando.Folders.Tests;

/// <summary>Dependencies among folders, and among projects, go in one direction only.</summary>
public class FoldersAreOneWayTests
{
    // Each project is compiled once for all tests.
    private static readonly Dictionary<string, Lazy<IReadOnlyList<Use>>> Uses = Layering.All.ToDictionary(l => l.Project, l => new Lazy<IReadOnlyList<Use>>(() => FolderUses.Of(l.Assembly, SourceTree.Files(l.Project))));

    public static TheoryData<string> Projects => [.. Layering.All.Select(l => l.Project)];

    private static string BaseLibrary => Path.GetDirectoryName(typeof(object).Assembly.Location)!;

    private static Layers Of(string project) => Layering.All.Single(l => l.Project == project);

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_folder_uses_those_below_it_alone(string project)
    {
        var layers = Of(project);
        var against = Uses[project].Value.Where(u => !layers.MayUse(u.From, u.To)).Select(u => $"{u.Text}   ({u.Symbol})").ToList();

        Assert.True(against.Count == 0, $"src/{project}: these files use a folder that stands above theirs ({nameof(Layering)}.cs has the order):\n{string.Join('\n', against)}");
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void Every_folder_has_its_place_and_every_file_has_the_namespace_of_its_folder(string project)
    {
        var layers = Of(project);
        var root = project; // the namespace, too
        foreach (var (path, text) in SourceTree.Files(project))
        {
            var folder = FolderUses.FolderOf(path);
            Assert.Contains(folder, layers.Folders);
            var expected = Path.GetDirectoryName(path) is { Length: > 0 } directory ? $"{root}.{directory.Replace('/', '.').Replace('\\', '.')}" : root;
            Assert.True(text.Contains($"namespace {expected};", StringComparison.Ordinal) || !text.Contains("namespace ", StringComparison.Ordinal), $"src/{project}/{path} is not in namespace {expected}");
        }
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void The_sources_are_seen_with_their_symbols(string project)
    {
        // A compilation without references would find no use at all, and all would seem well.
        var layers = Of(project);
        var uses = Uses[project].Value.Where(u => layers.MayUse(u.From, u.To)).ToList();
        Assert.True(uses.Count > 40, $"only {uses.Count} uses were found");
        Assert.True(uses.Select(u => u.From).Distinct().Count() >= layers.Folders.Count(f => SourceTree.Files(project).Any(s => FolderUses.FolderOf(s.Path) == f)) - 3);
    }

    [Theory]
    [InlineData("Upper.Thing t = null;", "Upper")]
    [InlineData("const int N = Upper.Thing.Number;", "Upper")] // a constant leaves no trace in IL
    [InlineData("string s = nameof(Upper.Thing);", "Upper")]
    [InlineData("var x = Middle.Maker.Make();", "Middle Upper")] // by var alone
    [InlineData("var x = Middle.Maker.MakeList();", "Middle Upper")]
    [InlineData("int n = Middle.Maker.Make().Size;", "Middle Upper")] // a member of a type that is not named
    [InlineData("void F(object o) { if (o is Upper.Thing) { } }", "Upper")]
    [InlineData("void F() { Middle.Maker.Take(new(1)); }", "Middle Upper")] // new(...) without a name
    [InlineData("int F() => 1.Twice();", "Upper")] // an extension method
    [InlineData("int n = 1; // Upper.Thing", "")]
    public void Every_way_to_use_a_folder_is_seen(string member, string folders)
    {
        var uses = FolderUses.Of("Planted",
        [
            ("Lower/User.cs", $"using P.Upper; namespace P.Lower; class User {{ {(member.Contains('(', StringComparison.Ordinal) && member.StartsWith("var", StringComparison.Ordinal) ? $"void G() {{ {member} }}" : member)} }}"),
            ("Middle/Maker.cs", "namespace P.Middle; static class Maker { public static Upper.Thing Make() => new(1); public static System.Collections.Generic.List<Upper.Thing> MakeList() => []; public static void Take(Upper.Thing t) { } }"),
            ("Upper/Thing.cs", "namespace P.Upper; class Thing(int size) { public const int Number = 1; public int Size => size; } static class Extensions { public static int Twice(this int n) => 2 * n; }"),
        ]);

        Assert.Equal(folders, string.Join(' ', uses.Where(u => u.From == "Lower").Select(u => u.To)));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void What_is_internal_is_shown_to_tests_and_benchmarks_alone(string project)
    {
        var friends = Assembly.LoadFrom(Path.Combine(AppContext.BaseDirectory, Of(project).Assembly + ".dll")).GetCustomAttributes<InternalsVisibleToAttribute>().Select(a => a.AssemblyName);
        Assert.DoesNotContain(friends, f => !f.EndsWith(".Tests", StringComparison.Ordinal) && !f.EndsWith(".Benchmarks", StringComparison.Ordinal));
    }

    [Fact]
    public void Projects_use_the_library_and_of_each_other_what_they_stand_on()
    {
        foreach (var layers in Layering.All)
        {
            using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, layers.Assembly + ".dll"));
            using var image = new PEReader(file);
            var metadata = image.GetMetadataReader();
            var used = metadata.AssemblyReferences.Select(r => metadata.GetString(metadata.GetAssemblyReference(r).Name)).ToList();

            Assert.Equal(Layering.Below(layers.Assembly).Order(), used.Order().Where(u => u.StartsWith("Pando", StringComparison.Ordinal)));
            Assert.Equal(layers == Layering.Kvm ? ["Iced"] : layers == Layering.Linux ? ["System.IO.Hashing"] : [], used.Where(u => !u.StartsWith("Pando", StringComparison.Ordinal) && !File.Exists(Path.Combine(BaseLibrary, u + ".dll"))));
        }
    }
}
