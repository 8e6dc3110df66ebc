using System.Text.Json;

namespace Pando.Linux.Snapshot;

/// <summary>Reads a JSON array of a known number of unsigned numbers.</summary>
internal static class NumberArray
{
    public static void Begin(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw new JsonException("An array of numbers was expected.");
        }
    }

    public static ulong Next(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.Number)
        {
            throw new JsonException("A number was expected.");
        }

        return reader.GetUInt64();
    }

    public static ulong Last(ref Utf8JsonReader reader)
    {
        var value = Next(ref reader);
        if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray)
        {
            throw new JsonException("The array has too many numbers.");
        }

        return value;
    }
}
