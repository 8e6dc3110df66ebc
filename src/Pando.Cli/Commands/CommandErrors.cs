using System.CommandLine;
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
        Console.Error.WriteLine($"pando: {string.Join(" ", parsed.Errors.Select(e => e.Message))} See: pando {parsed.CommandResult.Command.Name} --help".Replace("pando pando", "pando", StringComparison.Ordinal));
        return BadInput;
    }

    /// <summary>Runs a command's action; input that it cannot use becomes one line.</summary>
    public static int Guard(Func<int> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (e is ReportException or SnapshotException or IOException or UnauthorizedAccessException)
        {
            return Fail(e.Message);
        }
    }

    /// <summary>One line and the exit code.</summary>
    public static int Fail(string message)
    {
        Console.Error.WriteLine($"pando: {message}");
        return BadInput;
    }
}
