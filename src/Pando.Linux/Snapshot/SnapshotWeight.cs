using System.Text.Json;

namespace Pando.Linux.Snapshot;

/// <summary>
/// Weighs the JSON of a snapshot before anything is made of it: a few megabytes of gzip can hold text without end, and text
/// of three letters ("{},") becomes an object of hundreds of bytes.
/// </summary>
internal static class SnapshotWeight
{
    // What a token becomes, roughly, with the list that holds it.
    private const int OfObject = 200;
    private const int OfArray = 40;
    private const int OfText = 32;
    private const int OfValue = 8;

    private const int Chunk = 64 << 10;

    /// <summary>No name, note or flag is longer; the reader would have to hold it whole.</summary>
    private const int LongestValue = 1 << 20;

    /// <summary>Bytes of memory that the snapshot takes, or more than <paramref name="most"/> as soon as it is known to take more. Reads the text in
    /// small pieces, whatever is in it.</summary>
    /// <exception cref="JsonException">It is no JSON, or a single value is too long.</exception>
    public static long Of(Stream json, long most)
    {
        var buffer = new byte[Chunk];
        var state = new JsonReaderState();
        var (length, weight) = (0, 0L);
        while (true)
        {
            var read = json.Read(buffer, length, buffer.Length - length);
            length += read;
            weight += read; // blanks cost time
            var reader = new Utf8JsonReader(buffer.AsSpan(0, length), isFinalBlock: read == 0, state);
            while (reader.Read())
            {
                weight += WeightOf(ref reader);
                if (weight > most)
                {
                    return weight;
                }
            }

            if (weight > most)
            {
                return weight;
            }

            if (read == 0)
            {
                return weight;
            }

            state = reader.CurrentState;
            var used = (int)reader.BytesConsumed;
            buffer.AsSpan(used, length - used).CopyTo(buffer);
            length -= used;
            if (length == buffer.Length)
            {
                if (length >= LongestValue)
                {
                    throw new JsonException($"a single value is longer than {LongestValue} bytes");
                }

                Array.Resize(ref buffer, buffer.Length * 2);
            }
        }
    }

    private static long WeightOf(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.StartObject => OfObject,
        JsonTokenType.StartArray => OfArray,
        JsonTokenType.String or JsonTokenType.PropertyName => OfText + (2L * reader.ValueSpan.Length),
        JsonTokenType.EndObject or JsonTokenType.EndArray => 0,
        _ => OfValue,
    };
}
