using System.Text;
using Pando.Linux.Native;
using Pando.Linux.Text;

namespace Pando.Linux.Proc;

/// <summary>One line of /proc/PID/mountinfo: device ("0:27", decimal), the directory of the file system that is shown
/// (<c>Root</c>), where (<c>Point</c>), the mount's options, the file system's type and its own options.</summary>
internal sealed record MountPoint(string Device, string Root, string Point, string Options, string Type, string SuperOptions)
{
    private const int MostLinks = 40; // as the kernel has it

    /// <summary>Parses the file, in its order: of two at one place the later is seen.</summary>
    public static IReadOnlyList<MountPoint> Parse(ReadOnlySpan<byte> text)
    {
        var found = new List<MountPoint>();
        while (ProcText.TryLine(ref text, out var line))
        {
            if (OfLine(line) is { } mount)
            {
                found.Add(mount);
            }
        }

        return found;
    }

    /// <summary>The same of a file, of which only those mounts are kept that are wanted.</summary>
    public static IReadOnlyList<MountPoint> Read(FileContents file, string path, Func<MountPoint, bool> isWanted)
    {
        var found = new List<MountPoint>();
        file.ReadLines(path, line =>
        {
            if (OfLine(line) is { } mount && isWanted(mount))
            {
                found.Add(mount);
            }
        }, out _);
        return found;
    }

    private static MountPoint? OfLine(ReadOnlySpan<byte> line)
    {
        // id parent major:minor root point options [field]... - type source options; spaces in names are escaped.
        _ = ProcText.Word(ref line);
        _ = ProcText.Word(ref line);
        var device = ProcText.Word(ref line);
        var root = ProcText.Word(ref line);
        var point = ProcText.Word(ref line);
        var options = ProcText.Word(ref line);
        var dash = line.IndexOf(" - "u8);
        if (point.IsEmpty || dash < 0)
        {
            return null;
        }

        line = line[(dash + 3)..];
        var type = ProcText.Word(ref line);
        _ = ProcText.Word(ref line);
        return new MountPoint(Encoding.ASCII.GetString(device), Unescape(root), Unescape(point), Printable.Decode(options), Printable.Decode(type), Unescape(ProcText.Word(ref line)));
    }

    /// <summary>True if the path is the mount point or lies below it.</summary>
    public bool Shows(string path) =>
        path.StartsWith(Point, StringComparison.Ordinal) && (Point.EndsWith('/') || path.Length == Point.Length || path[Point.Length] == '/');

    /// <summary>True if no file system on the way to the path waits for anybody: the walk asks each. The one at "/" is left out: this program was itself started from it.</summary>
    private static bool AnswerAtOnce(IReadOnlyList<MountPoint> mounts, string path) =>
        mounts.Count > 0 && mounts.Where(m => m.Point != "/" && m.Shows(path)).GroupBy(m => m.Point).Select(g => g.Last()).All(m => new FileSystemType(m.Type).AnswersAtOnce);

    /// <summary>The path without links in it, if no file system on the way waits for anybody; null if one may. Each directory is asked for the next name, and links lead elsewhere.</summary>
    public static string? Follow(IReadOnlyList<MountPoint> mounts, string path)
    {
        var left = new Stack<string>(path.Split('/').Reverse());
        var at = "";
        for (var links = 0; left.TryPop(out var name);)
        {
            if (name is "" or ".")
            {
                continue;
            }

            if (!AnswerAtOnce(mounts, at.Length == 0 ? "/" : at) || links > MostLinks)
            {
                return null;
            }

            if (name == "..")
            {
                at = at[..Math.Max(0, at.LastIndexOf('/'))];
                continue;
            }

            if (LinkAt($"{at}/{name}") is not { } target)
            {
                at = $"{at}/{name}";
                continue;
            }

            links++;
            at = target.StartsWith('/') ? "" : at;
            foreach (var part in target.Split('/').Reverse())
            {
                left.Push(part);
            }
        }

        return AnswerAtOnce(mounts, at.Length == 0 ? "/" : at) ? at : null;
    }

    private static string? LinkAt(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // what is asked for then is refused as well
        }
    }

    /// <summary>True if the file system's own options have this word.</summary>
    public bool Has(string option) => SuperOptions.Split(',').Contains(option);

    /// <summary>Spaces, tabs, line ends and backslashes stand there as \040, \011, \012 and \134 (mangle in fs/seq_file.c).</summary>
    private static string Unescape(ReadOnlySpan<byte> word)
    {
        if (!word.Contains((byte)'\\'))
        {
            return Printable.Decode(word);
        }

        var bytes = new byte[word.Length];
        var length = 0;
        for (var i = 0; i < word.Length; i++)
        {
            if (word[i] == (byte)'\\' && i + 3 < word.Length && IsOctal(word[i + 1]) && IsOctal(word[i + 2]) && IsOctal(word[i + 3]))
            {
                bytes[length++] = (byte)(((word[i + 1] - '0') << 6) | ((word[i + 2] - '0') << 3) | (word[i + 3] - '0'));
                i += 3;
            }
            else
            {
                bytes[length++] = word[i];
            }
        }

        return Printable.Decode(bytes.AsSpan(0, length));
    }

    private static bool IsOctal(byte letter) => letter is >= (byte)'0' and <= (byte)'7';
}
