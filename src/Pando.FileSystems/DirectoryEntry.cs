using System.Text;

namespace Pando.FileSystems;

/// <summary>A name in a directory.</summary>
/// <param name="Name">1 to 255 bytes, with no zero and no slash among them; not "." or "..".</param>
/// <param name="Number">The inode's number; not checked before the inode is read.</param>
/// <param name="Kind">What it says that the inode is; <see cref="FileKind.Unknown"/> where it does not.</param>
public readonly record struct DirectoryEntry(ReadOnlyMemory<byte> Name, ulong Number, FileKind Kind)
{
    /// <summary>The name as text; bytes that are no UTF-8 are replaced.</summary>
    public string Text => Encoding.UTF8.GetString(Name.Span);
}
