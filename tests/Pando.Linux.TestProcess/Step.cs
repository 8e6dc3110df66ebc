using System.Globalization;
using System.Text;

namespace Pando.Linux.TestProcess;

/// <summary>One step of the script, parsed before any fork: "[NUMBER:]verb,word,word,...". With a number it is done by
/// that process alone; "!NUMBER:" leaves out that one and the first, which then show what processes have without it.</summary>
internal readonly record struct Step(int Only, Verb Verb, ulong Address, ulong Shift, ulong Size, ulong Value, int Rights, byte[]? Path = null)
{
    /// <summary>True if the process with this number does it.</summary>
    public bool IsFor(int number) => Only == -1 || Only == number || (Only < -1 && number != 0 && number != -1 - Only);

    /// <summary>Words are key=value: at (hexadecimal), shift (bytes for each process number), size, value, rights
    /// (r, rw or none), path (without commas), hex (the path's bytes).</summary>
    public static Step Parse(string text)
    {
        var isException = text[0] == '!';
        var colon = char.IsAsciiDigit(text[0]) || isException ? text.IndexOf(':', StringComparison.Ordinal) : -1;
        var only = colon < 0 ? -1 : isException ? -1 - int.Parse(text[1..colon], CultureInfo.InvariantCulture) : int.Parse(text[..colon], CultureInfo.InvariantCulture);
        var words = text[(colon + 1)..].Split(',');
        var step = new Step(only, Enum.Parse<Verb>(words[0], ignoreCase: true), 0, 0, 0, 0, 1);
        foreach (var word in words.Skip(1))
        {
            var pair = word.Split('=');
            step = pair[0] switch
            {
                "at" => step with { Address = ulong.Parse(pair[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) },
                "shift" => step with { Shift = ulong.Parse(pair[1], CultureInfo.InvariantCulture) },
                "size" => step with { Size = ulong.Parse(pair[1], CultureInfo.InvariantCulture) },
                "value" => step with { Value = ulong.Parse(pair[1], CultureInfo.InvariantCulture) },
                "path" => step with { Path = Encoding.UTF8.GetBytes(pair[1] + "\0") },
                "hex" => step with { Path = [.. Convert.FromHexString(pair[1]), 0] },
                "rights" => step with { Rights = pair[1] switch { "rw" => 3, "none" => 0, _ => 1 } },
                _ => throw new ArgumentException($"unknown word '{word}'"),
            };
        }

        return step;
    }
}
