namespace Pando.Cli.Run;

/// <summary>Input that cannot be used. The message is one line: what is wrong, and what would work.</summary>
internal sealed class InputException(string message) : Exception(message);
