using System.CommandLine;

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

    /// <summary>One line and the exit code.</summary>
    public static int Fail(string message)
    {
        Console.Error.WriteLine($"pando: {message}");
        return BadInput;
    }
}
