namespace Pando.FileSystems;

/// <summary>
/// The one exception of this project: an image, or something in it, cannot be read, for a reason with a name. The message is one line
/// that says what was read, what is wrong with it and, where there is something to do, what.
/// </summary>
public sealed class FileSystemException : Exception
{
    /// <summary>Makes one.</summary>
    public FileSystemException(FileSystemRefusal reason, string message)
        : base(message) => Reason = reason;

    /// <summary>Makes one whose cause was an error of the host.</summary>
    public FileSystemException(FileSystemRefusal reason, string message, Exception? cause)
        : base(message, cause) => Reason = reason;

    /// <summary>Why.</summary>
    public FileSystemRefusal Reason { get; }

    internal static FileSystemException Damaged(string message) => new(FileSystemRefusal.Damaged, message);

    internal static FileSystemException BadChecksum(string structure) => new(FileSystemRefusal.BadChecksum, $"{structure}: the checksum is wrong.");
}
