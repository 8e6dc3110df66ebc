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
            if (TryLine(line, objects, out var mapping))
            {
                mappings.Add(mapping);
            }
        }

        return [.. mappings];
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
        mapping = new MappingFacts(start, end, (long)offset, rights, number);
        return true;
    }
}
