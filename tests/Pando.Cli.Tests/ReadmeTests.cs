namespace Pando.Cli.Tests;

public class ReadmeTests
{
    private static readonly string Readme = ReadText("README.md");

    [Fact]
    public void The_library_example_is_the_one_that_is_compiled_here()
    {
        var lines = ReadText("ReadmeExample.cs").Split('\n').SkipWhile(line => !line.Contains("<example>", StringComparison.Ordinal)).Skip(1)
            .TakeWhile(line => !line.Contains("</example>", StringComparison.Ordinal))
            .Select(line => line.Length > 8 ? line[8..].Replace("output.WriteLine", "Console.WriteLine", StringComparison.Ordinal) : "");
        Assert.Contains(string.Join('\n', lines), Readme, StringComparison.Ordinal);
    }

    [Fact]
    public void The_library_example_prints_what_the_readme_says()
    {
        using var output = new StringWriter { NewLine = "\n" };
        ReadmeExample.Run(output);
        Assert.Contains($"```text\n{output}```", Readme, StringComparison.Ordinal);
    }

    private static string ReadText(string name) =>
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, name)).ReplaceLineEndings("\n");
}
