using System.CommandLine;
using Pando.Cli.Views;
using Pando.FileSystems;
using Pando.Linux.Analysis;
using Pando.Linux.Snapshot;

namespace Pando.Cli.Commands;

/// <summary>Bad input: one line on standard error that says what is wrong and what would work, exit code 2.</summary>
internal static class CommandErrors
{
    public const int BadInput = 2;

    /// <summary>Reports arguments that could not be parsed.</summary>
    public static int Report(ParseResult parsed)
    {
        var reasons = string.Join(" ", parsed.Errors.Select(e => OneLine(e.Message)));
        var name = parsed.CommandResult.Command is RootCommand ? "pando" : $"pando {parsed.CommandResult.Command.Name}";
        return Fail($"{reasons} See: {name} --help");
    }

    /// <summary>The parser's messages, without its line breaks and names of .NET types.</summary>
    private static string OneLine(string message) => string.Join(' ', message
        .Replace("as expected type 'System.Nullable`1[System.Int32]'", "as a whole number", StringComparison.Ordinal)
        .Replace("as expected type 'System.Nullable`1[System.Double]'", "as a number", StringComparison.Ordinal)
        .Replace("as expected type 'System.Int32'", "as a whole number", StringComparison.Ordinal)
        .Split([' ', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Runs a command's action; input that it cannot use becomes one line.</summary>
    public static int Guard(Func<int> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is ReportException or SnapshotException or FileSystemException or IOException or UnauthorizedAccessException)
        {
            return Fail(e.Message);
        }
    }

    /// <summary>One line and the exit code.</summary>
    public static int Fail(string message)
    {
        new LineWriter(Console.Error).Line($"pando: {message}");
        return BadInput;
    }
}
