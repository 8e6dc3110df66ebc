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
}
