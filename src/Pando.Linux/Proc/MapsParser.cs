using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>Parses /proc/PID/maps.</summary>
public static class MapsParser
{
    /// <summary>Parses the text of the file into mappings in order of address. Objects get their numbers from
    /// <paramref name="objects"/>.</summary>
    public static MappingFacts[] Parse(ReadOnlySpan<byte> text, ObjectTable objects)
    {
        ArgumentNullException.ThrowIfNull(objects);
        var mappings = new List<MappingFacts>(64);
        while (ProcText.TryLine(ref text, out var line))
        {
            Add(mappings, line, objects);
        }

        return [.. mappings];
    }

    /// <summary>The same of a file, however long; null with the error number if it cannot be read to its end. <paramref name="lines"/> is
    /// 0 for a process without memory.</summary>
    internal static MappingFacts[]? Read(FileContents file, string path, ObjectTable objects, out long lines, out int error)
    {
        var mappings = new List<MappingFacts>(64);
        lines = file.ReadLines(path, line => Add(mappings, line, objects), out error);
        return error == 0 ? [.. mappings] : null;
    }

    /// <summary>
    /// Lines of another form, and mappings that no kernel has, are passed over. The kernel writes the file in pieces, and the process
    /// goes on between them: of a mapping that grew meanwhile, and stands there again, what is new is taken.
    /// </summary>
    private static void Add(List<MappingFacts> mappings, ReadOnlySpan<byte> line, ObjectTable objects)
    {
        if (!TryLine(line, objects, out var mapping))
        {
            return;
        }

        var end = mappings.Count == 0 ? 0 : mappings[^1].End;
        if (mapping.Start < end && mapping.End > end)
        {
            mapping = mapping with { Start = end, Offset = mapping.ObjectNumber == ObjectFacts.Anonymous ? mapping.Offset : mapping.Offset + (long)(end - mapping.Start) };
        }

        if (mapping.IsPossibleAbove(end))
        {
            mappings.Add(mapping);
        }
    }

    /// <summary>Parses "start-end rights offset major:minor inode path"; false if the line is of another form.</summary>
    internal static bool TryLine(ReadOnlySpan<byte> line, ObjectTable objects, out MappingFacts mapping)
    {
        mapping = default;
        var start = ProcText.Hexadecimal(line, out var rest);
        if (rest.IsEmpty || rest[0] != (byte)'-')
        {
            return false;
        }

        var end = ProcText.Hexadecimal(rest[1..], out rest);
        var letters = ProcText.Word(ref rest);
        if (letters.Length != 4)
        {
            return false;
        }

        var rights = (letters[0] == (byte)'r' ? MappingRights.Read : 0) | (letters[1] == (byte)'w' ? MappingRights.Write : 0) |
            (letters[2] == (byte)'x' ? MappingRights.Execute : 0) | (letters[3] == (byte)'s' ? MappingRights.Shared : 0);
        var offset = ProcText.Hexadecimal(ProcText.Word(ref rest), out _);
        var major = ProcText.Hexadecimal(ProcText.Word(ref rest), out var minorText);
        var minor = ProcText.Hexadecimal(minorText.IsEmpty ? minorText : minorText[1..], out _);
        var inode = (ulong)ProcText.Decimal(ProcText.Word(ref rest));
        var number = objects.NumberOf(DeviceNumber.Of(major, minor), inode, rest.TrimStart((byte)' '));
        mapping = new MappingFacts(start, end, MappingList.Offset(offset, end - start), rights, number);
        return true;
    }
}
