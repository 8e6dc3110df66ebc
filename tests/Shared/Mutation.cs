using System.Text;
using System.Text.Json.Nodes;

namespace Pando.Tests.Shared;

/// <summary>Changes input as a stranger might: bytes, pieces that are cut, doubled or moved, numbers that are too large.</summary>
internal static class Mutation
{
    private static readonly string[] Pieces =
        ["\0", "\n", "\u001b[2J", "/", "..", "/../../", "//", ":", " - ", " ", "\t", "-1", "0", "18446744073709551615", "18446744073709551616", "99999999999999999999999999", "ffffffffffffffffffff", "\\x", "\\x2d", "\\040", "\\777", ",", "=", "[", "{", "\"", "\u202e", "\ud800", "kB", "null", "1e309"];

    private static readonly string[] Numbers =
        ["0", "1", "-1", "4095", "4096", "2097152", "2147483647", "-2147483648", "4294967296", "1099511627776", "72057594037927936", "4611686018427387904", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "18446744073709551616", "1e308", "0.5", "true"];

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

    /// <summary>Changes a tree of JSON in a few places: values that no machine has, values of another kind, elements that are left out, doubled or moved.</summary>
    public static void Of(JsonNode root, Random random)
    {
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            Change(root, random);
        }
    }

    private static void Change(JsonNode root, Random random)
    {
        // A walk from the root to a random place: large lists do not get all the changes.
        var parent = root;
        while (true)
        {
            switch (parent)
            {
                case JsonArray { Count: > 0 } list:
                    var index = random.Next(list.Count);
                    if (list[index] is { } item and (JsonArray or JsonObject) && random.Next(4) > 0)
                    {
                        parent = item;
                        continue;
                    }

                    Change(list, index, random);
                    return;
                case JsonObject { Count: > 0 } members:
                    var name = members.ElementAt(random.Next(members.Count)).Key;
                    if (members[name] is { } member and (JsonArray or JsonObject) && random.Next(8) > 0)
                    {
                        parent = member;
                        continue;
                    }

                    if (random.Next(6) == 0)
                    {
                        members.Remove(name);
                    }
                    else
                    {
                        members[name] = Other(members[name], random);
                    }

                    return;
                default:
                    return;
            }
        }
    }

    private static void Change(JsonArray list, int index, Random random)
    {
        switch (random.Next(6))
        {
            case 0:
                list.RemoveAt(index);
                break;
            case 1:
                list.Insert(random.Next(list.Count), list[index]?.DeepClone());
                break;
            case 2:
                var moved = list[index];
                list.RemoveAt(index);
                list.Insert(random.Next(list.Count + 1), moved);
                break;
            default:
                list[index] = Other(list[index], random);
                break;
        }
    }

    private static JsonNode? Other(JsonNode? value, Random random) => (value, random.Next(8)) switch
    {
        (_, 0) => null,
        (_, 1) => new JsonArray(),
        (_, 2) => new JsonObject(),
        (_, 3) => JsonValue.Create(Pieces[random.Next(Pieces.Length)]),
        (JsonValue text, _) when text.TryGetValue<string>(out var known) => JsonValue.Create(Of(known, random)),
        (JsonValue number, > 4) when number.TryGetValue<long>(out var known) => JsonValue.Create(Near(known, random)),
        _ => JsonNode.Parse(Numbers[random.Next(Numbers.Length)]),
    };

    private static long Near(long number, Random random) => unchecked(random.Next(6) switch
    {
        0 => number + 1,
        1 => number - 1,
        2 => number << random.Next(1, 40),
        3 => -number,
        4 => number ^ (1L << random.Next(63)),
        _ => number + (4096L << random.Next(40)),
    });
}
