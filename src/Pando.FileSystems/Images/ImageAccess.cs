namespace Pando.FileSystems.Images;

/// <summary>How an image is opened.</summary>
public enum ImageAccess
{
    /// <summary>For reading, beside whoever else has it. What is mounted changes under the reader.</summary>
    Read,

    /// <summary>
    /// For reading and writing by the opener alone: a block device by O_EXCL, a file by a lock that others see; refused
    /// (<see cref="FileSystemRefusal.InUse"/>) if it is mounted, attached to a loop device or locked.
    /// </summary>
    Exclusive,
}
