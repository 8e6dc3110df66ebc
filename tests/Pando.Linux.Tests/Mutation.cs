using System.Text;

namespace Pando.Linux.Tests;

/// <summary>Changes input as a stranger might: bytes, pieces that are cut, doubled or moved, numbers that are too large.</summary>
internal static class Mutation
{
    private static readonly string[] Pieces =
        ["\0", "\n", "\u001b[2J", "/", "..", "/../../", "//", ":", " - ", " ", "\t", "-1", "0", "18446744073709551615", "18446744073709551616", "99999999999999999999999999", "ffffffffffffffffffff", "\\x", "\\x2d", "\\040", "\\777", ",", "=", "[", "{", "\"", "\u202e", "\ud800", "kB", "null", "1e309"];

    public static string Of(string text, Random random) => Encoding.UTF8.GetString(Of(Encoding.UTF8.GetBytes(text), random));

    public static byte[] Of(byte[] bytes, Random random)
    {
        var changed = bytes.ToList();
        for (var i = random.Next(1, 5); i > 0; i--)
        {
            var at = random.Next(changed.Count + 1);
            var length = Math.Min(random.Next(1, 20), changed.Count - at);
            switch (random.Next(7))
            {
                case 0 when changed.Count > at:
                    changed[at] = (byte)random.Next(256);
                    break;
                case 1:
                    changed.RemoveRange(at, length);
                    break;
                case 2:
                    changed.InsertRange(at, Encoding.UTF8.GetBytes(Pieces[random.Next(Pieces.Length)]));
                    break;
                case 3:
                    changed.InsertRange(random.Next(changed.Count + 1), [.. changed.Skip(at).Take(length)]);
                    break;
                case 4:
                    changed.RemoveRange(at, changed.Count - at);
                    break;
                case 5 when changed.Count > at:
                    changed[at] ^= (byte)(1 << random.Next(8));
                    break;
                default:
                    changed.Insert(at, (byte)random.Next(256));
                    break;
            }
        }

        return [.. changed];
    }
}
