using System.Text;
using Pando.Linux.Native;

namespace Pando.Linux.Proc;

/// <summary>Parses /proc/PID/mountinfo: the type of the file system behind each device, without a question to it.</summary>
internal static class MountTable
{
    /// <summary>Device and type of each line "id parent major:minor root point options [field]... - type source options".</summary>
    public static IReadOnlyList<(uint Device, FileSystemType Type)> Parse(ReadOnlySpan<byte> text)
    {
        var found = new List<(uint, FileSystemType)>();
        while (ProcText.TryLine(ref text, out var line))
        {
            Add(line, (device, type) => found.Add((device, type)));
        }

        return found;
    }

    /// <summary>The same of a file, however many mounts are in it.</summary>
    public static void Read(FileContents file, string path, Action<uint, FileSystemType> take) => file.ReadLines(path, line => Add(line, take), out _);

    private static void Add(ReadOnlySpan<byte> line, Action<uint, FileSystemType> take)
    {
        _ = ProcText.Word(ref line);
        _ = ProcText.Word(ref line);
        var numbers = ProcText.Word(ref line);
        var colon = numbers.IndexOf((byte)':');
        // Names in it have their spaces escaped, so that the first lone dash is the separator.
        var dash = line.IndexOf(" - "u8);
        if (colon < 0 || dash < 0)
        {
            return;
        }

        line = line[(dash + 3)..];
        var type = ProcText.Word(ref line);
        _ = ProcText.Word(ref line);
        var options = ProcText.Word(ref line);
        take(DeviceNumber.Of((ulong)ProcText.Decimal(numbers[..colon]), (ulong)ProcText.Decimal(numbers[(colon + 1)..])),
            new FileSystemType(Encoding.UTF8.GetString(type), Encoding.UTF8.GetString(options)));
    }
}
