using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pando.Linux.Snapshot;

/// <summary>Writes a mapping as [start, end, offset, rights, object]: a machine has hundreds of thousands.</summary>
public sealed class MappingFactsConverter : JsonConverter<MappingFacts>
{
    /// <inheritdoc/>
    public override MappingFacts Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        NumberArray.Begin(ref reader);
        return new MappingFacts(NumberArray.Next(ref reader), NumberArray.Next(ref reader), (long)NumberArray.Next(ref reader),
            (MappingRights)NumberArray.Next(ref reader), (int)NumberArray.Last(ref reader));
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, MappingFacts value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartArray();
        writer.WriteNumberValue(value.Start);
        writer.WriteNumberValue(value.End);
        writer.WriteNumberValue((ulong)value.Offset);
        writer.WriteNumberValue((int)value.Rights);
        writer.WriteNumberValue(value.ObjectNumber);
        writer.WriteEndArray();
    }
}
