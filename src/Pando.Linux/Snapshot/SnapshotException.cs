namespace Pando.Linux.Snapshot;

/// <summary>A snapshot file that cannot be used; the message is one line that says why and what would work.</summary>
public sealed class SnapshotException : Exception
{
    /// <summary>An exception without a reason: not for use.</summary>
    public SnapshotException()
    {
    }

    /// <summary>An exception with its reason.</summary>
    public SnapshotException(string message)
        : base(message)
    {
    }

    /// <summary>An exception with its reason and cause.</summary>
    public SnapshotException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
