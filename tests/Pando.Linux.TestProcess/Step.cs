using System.Globalization;

namespace Pando.Linux.TestProcess;

/// <summary>One step of the script, parsed before any fork: "[ONLY:]verb,word,word,...".</summary>
internal readonly record struct Step(int Only, string Verb, ulong Address, ulong Shift, ulong Size, long Value, int Rights, bool IsPrivate)
{
    /// <summary>Words are key=value: at (hexadecimal), shift (bytes for each process number), size, value, rights
    /// (r, rw), private.</summary>
    public static Step Parse(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var only = colon < 0 ? -1 : int.Parse(text[..colon], CultureInfo.InvariantCulture);
        var words = text[(colon + 1)..].Split(',');
        var step = new Step(only, words[0], 0, 0, 0, 0, 1, false);
        foreach (var word in words.Skip(1))
        {
            var pair = word.Split('=');
            step = pair[0] switch
            {
                "at" => step with { Address = ulong.Parse(pair[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) },
                "shift" => step with { Shift = ulong.Parse(pair[1], CultureInfo.InvariantCulture) },
                "size" => step with { Size = ulong.Parse(pair[1], CultureInfo.InvariantCulture) },
                "value" => step with { Value = long.Parse(pair[1], CultureInfo.InvariantCulture) },
                "rights" => step with { Rights = pair[1] == "rw" ? 3 : 1 },
                "private" => step with { IsPrivate = true },
                _ => throw new ArgumentException($"unknown word '{word}'"),
            };
        }

        return step;
    }
}
