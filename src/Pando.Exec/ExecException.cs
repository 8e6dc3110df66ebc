namespace Pando.Exec;

/// <summary>A program could not be started.</summary>
/// <param name="status">The exit status that env(1) uses for it: 126 where it cannot be executed, 127 where it is not found, 125 for the rest.</param>
/// <param name="message">What is wrong, and what would work.</param>
public sealed class ExecException(int status, string message) : Exception(message)
{
    /// <summary>The exit status.</summary>
    public int Status { get; } = status;
}
