using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Volumes;

/// <summary>
/// Follows a path as Linux does (path_resolution(7)), as a process whose root is the image's. The directories that it came
/// through are kept: ".." goes back by them, and no further than the root.
/// </summary>
internal sealed class PathWalk
{
    private const int MostLinks = 40; // MAXSYMLINKS of linux/namei.h

    private readonly FileSystem _system;
    private readonly FileNode _root;
    private readonly Stack<FileNode> _above = new();
    private FileNode _at;
    private int _links;

    public PathWalk(FileSystem system, FileNode root) => (_system, _root, _at) = (system, root, root);

    public FileNode? Find(ReadOnlySpan<byte> path, bool followsLast, out FileSystemRefusal refusal)
    {
        refusal = path.Length == 0 || path.Contains((byte)0) ? FileSystemRefusal.NotFound : Follow(path, followsLast);
        return refusal == FileSystemRefusal.None ? _at : null;
    }

    private FileSystemRefusal Follow(ReadOnlySpan<byte> path, bool followsLast)
    {
        if (path.Length >= Names.LongestPath)
        {
            return FileSystemRefusal.NameTooLong;
        }

        if (path[0] == '/')
        {
            _above.Clear();
            _at = _root;
        }

        bool mustBeDirectory = path[^1] == '/';
        for (path = path.Trim((byte)'/'); !path.IsEmpty;)
        {
            int end = path.IndexOf((byte)'/');
            var name = end < 0 ? path : path[..end];
            path = end < 0 ? default : path[end..].TrimStart((byte)'/');
            if (Step(name, path.IsEmpty && !mustBeDirectory && !followsLast) is not FileSystemRefusal.None and var refusal)
            {
                return refusal;
            }
        }

        return mustBeDirectory && _at.Status.Kind != FileKind.Directory ? FileSystemRefusal.NotADirectory : FileSystemRefusal.None;
    }

    private FileSystemRefusal Step(ReadOnlySpan<byte> name, bool staysAtLink)
    {
        if (_at.Status.Kind != FileKind.Directory)
        {
            return FileSystemRefusal.NotADirectory;
        }

        if (Names.IsDot(name))
        {
            return FileSystemRefusal.None;
        }

        if (Names.IsDotDot(name))
        {
            _at = _above.TryPop(out var above) ? above : _root;
            return FileSystemRefusal.None;
        }

        if (name.Length > Names.Longest)
        {
            return FileSystemRefusal.NameTooLong;
        }

        if (Child(name) is not { } child)
        {
            return FileSystemRefusal.NotFound;
        }

        if (child.Status.Kind == FileKind.Link && !staysAtLink)
        {
            return ++_links > MostLinks ? FileSystemRefusal.TooManyLinks : Follow(child.ReadLink(), followsLast: true);
        }

        _above.Push(_at);
        _at = child;
        return FileSystemRefusal.None;
    }

    private FileNode? Child(ReadOnlySpan<byte> name)
    {
        foreach (var entry in _at.List())
        {
            if (entry.Name.Span.SequenceEqual(name))
            {
                return _system.Node(entry.Number);
            }
        }

        return null;
    }
}
