using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>A question that cannot be answered; the message is one line that says why and what would work.</summary>
public sealed class ReportException : Exception
{
    /// <summary>An exception without a reason: not for use.</summary>
    public ReportException()
    {
    }

    /// <summary>An exception with its reason.</summary>
    public ReportException(string message)
        : base(message)
    {
    }

    /// <summary>An exception with its reason and cause.</summary>
    public ReportException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Says why there are no maps of a process.</summary>
    internal static ReportException NoMaps(ProcessFacts process) => new(process.StuckState is { } state
        ? $"Process {process.Pid} ({process.Name}) is stuck in the kernel, in state {state}: its memory map cannot be read until it gets on, by any program (ps and top may hang on it). /proc/{process.Pid}/stack shows where it waits."
        : $"The maps of process {process.Pid} ({process.Name}, user {process.User}) may not be read. Run as root, or as that user.");
}
