using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Pando.Folders.Tests;

/// <summary>
/// Finds what the folders of a project use of each other, by the compiler's own symbols: names of types and members wherever they stand (constants and
/// nameof too, which leave no trace in IL), constructors of new(...), operators, and the types of var. Comments do not count.
/// </summary>
internal static class FolderUses
{
    // As the projects are compiled (ImplicitUsings, and the checked build, which has the most code).
    private const string ImplicitUsings = "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;";

    private static readonly CSharpParseOptions Options = new(LanguageVersion.Latest, DocumentationMode.None, preprocessorSymbols: ["PANDO_CHECKED", "DEBUG", "NET", "NET10_0", "NET10_0_OR_GREATER"]);

    // What other source generators would have written is not there: partial methods without a body, JSON contexts. Names of
    // types are known all the same.
    private static readonly HashSet<string> OfMissingReferences = ["CS0246", "CS0234", "CS0400", "CS0012"];

    private static readonly IReadOnlyList<(string Name, MetadataReference Reference)> Platform =
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => (Path.GetFileNameWithoutExtension(path), (MetadataReference)MetadataReference.CreateFromFile(path)))];

    /// <summary>Uses of other folders, one for each file and folder.</summary>
    public static IReadOnlyList<Use> Of(string assembly, IEnumerable<(string Path, string Text)> files)
    {
        var trees = files.Select(f => CSharpSyntaxTree.ParseText(f.Text, Options, f.Path)).ToList();
        var compilation = CSharpCompilation.Create(assembly, [.. trees, CSharpSyntaxTree.ParseText(ImplicitUsings, Options, "")], References(assembly),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable));
        Assert.Empty(compilation.GetDiagnostics().Where(d => OfMissingReferences.Contains(d.Id)).Select(d => d.ToString()).Take(5));
        return [.. trees.SelectMany(tree => Of(compilation.GetSemanticModel(tree), tree)).DistinctBy(u => u.Text).OrderBy(u => u.Text, StringComparer.Ordinal)];
    }

    /// <summary>The first part of the path; empty for a file that stands in no folder.</summary>
    public static string FolderOf(string path) => path.Contains('/', StringComparison.Ordinal) ? path[..path.IndexOf('/', StringComparison.Ordinal)] : "";

    private static IEnumerable<Use> Of(SemanticModel model, SyntaxTree tree)
    {
        var from = FolderOf(tree.FilePath);
        foreach (var node in tree.GetRoot().DescendantNodes(n => n is not UsingDirectiveSyntax))
        {
            if (node is not (SimpleNameSyntax or BaseObjectCreationExpressionSyntax or ConstructorInitializerSyntax or BinaryExpressionSyntax or PrefixUnaryExpressionSyntax or PostfixUnaryExpressionSyntax or ElementAccessExpressionSyntax or CastExpressionSyntax or AssignmentExpressionSyntax)
                || node.Ancestors().OfType<NameSyntax>().LastOrDefault()?.Parent is BaseNamespaceDeclarationSyntax)
            {
                continue;
            }

            var info = model.GetSymbolInfo(node);
            foreach (var symbol in info.Symbol is { } only ? [only] : info.CandidateSymbols)
            {
                foreach (var path in Declarations(symbol))
                {
                    if (FolderOf(path) is var to && to != from)
                    {
                        yield return new Use(tree.FilePath, from, to, symbol.ToDisplayString());
                    }
                }
            }
        }
    }

    /// <summary>The files of this project in which a symbol is declared: a type's first, a member's own.</summary>
    private static IEnumerable<string> Declarations(ISymbol symbol)
    {
        symbol = symbol is IAliasSymbol alias ? alias.Target : symbol;
        symbol = symbol is IMethodSymbol { ReducedFrom: { } reduced } ? reduced : symbol;
        if (symbol is INamespaceSymbol)
        {
            return [];
        }

        if (symbol is IArrayTypeSymbol array)
        {
            return Declarations(array.ElementType);
        }

        if (symbol is IPointerTypeSymbol pointer)
        {
            return Declarations(pointer.PointedAtType);
        }

        var own = symbol.OriginalDefinition.DeclaringSyntaxReferences.Select(r => r.SyntaxTree.FilePath).Where(p => p.Length > 0).Take(1);
        // List<Entry> by var: the arguments are used as well.
        return symbol is INamedTypeSymbol { TypeArguments: { Length: > 0 } arguments } ? own.Concat(arguments.SelectMany(Declarations)) : own;
    }

    /// <summary>All that this program runs on, but for the project itself and what is built on it.</summary>
    private static IEnumerable<MetadataReference> References(string assembly) =>
        Platform.Where(p => p.Name != assembly && (!p.Name.StartsWith("Pando", StringComparison.Ordinal) || Layering.Below(assembly).Contains(p.Name))).Select(p => p.Reference);
}
