using System.Text;
using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Volumes;

/// <summary>What a walk through directories came by.</summary>
/// <param name="Path">The names from the directory that the walk began at, with slashes between them.</param>
/// <param name="Number">The inode's number.</param>
/// <param name="Node">The inode; null if it cannot be read.</param>
/// <param name="Damage">Why it cannot be read, or not be listed; null if it can.</param>
public sealed record FoundFile(ReadOnlyMemory<byte> Path, ulong Number, FileNode? Node, FileSystemException? Damage)
{
    /// <summary>The path as text; bytes that are no UTF-8 are replaced.</summary>
    public string Text => Encoding.UTF8.GetString(Path.Span);
}
