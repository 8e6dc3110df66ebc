using Pando.FileSystems.Nodes;

namespace Pando.FileSystems.Volumes;

/// <summary>Walks through all directories below one. A directory that is found a second time is not entered again: no image keeps the walk for ever.</summary>
internal static class TreeWalk
{
    public static IEnumerable<FoundFile> Below(FileSystem system, FileNode top)
    {
        var entered = new HashSet<ulong> { top.Status.Number };
        var left = new Stack<(byte[] Path, FileNode Directory)>([([], top)]);
        while (left.TryPop(out var next))
        {
            using var entries = Entries(next.Directory).GetEnumerator();
            while (true)
            {
                FileSystemException? damage = null;
                bool isMore = false;
                try
                {
                    isMore = entries.MoveNext();
                }
                catch (FileSystemException e)
                {
                    damage = e;
                }

                if (damage is not null)
                {
                    yield return new FoundFile(next.Path, next.Directory.Status.Number, next.Directory, damage);
                }

                if (!isMore)
                {
                    break;
                }

                var found = Read(system, next.Path, entries.Current);
                if (found.Node is { Status.Kind: FileKind.Directory } directory && entered.Add(found.Number))
                {
                    left.Push((found.Path.ToArray(), directory));
                }

                yield return found;
            }
        }
    }

    /// <summary>The names, with nothing read before the first is asked for.</summary>
    private static IEnumerable<DirectoryEntry> Entries(FileNode directory)
    {
        foreach (var entry in directory.List())
        {
            yield return entry;
        }
    }

    private static FoundFile Read(FileSystem system, byte[] above, DirectoryEntry entry)
    {
        byte[] path = above.Length == 0 ? entry.Name.ToArray() : [.. above, (byte)'/', .. entry.Name.Span];
        if (path.Length >= Names.LongestPath)
        {
            // No program could name it; and a chain of directories could make the paths longer than the image.
            return new FoundFile(path, entry.Number, null, new FileSystemException(FileSystemRefusal.NameTooLong, $"{system.Image.Name}: the path to inode {entry.Number} is longer than {Names.LongestPath} bytes."));
        }

        try
        {
            return new FoundFile(path, entry.Number, system.Node(entry.Number), null);
        }
        catch (FileSystemException e)
        {
            return new FoundFile(path, entry.Number, null, e);
        }
    }
}
