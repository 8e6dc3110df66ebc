using System.Text.Json;
using System.Text.Json.Serialization;

namespace Pando.Linux.Snapshot;

/// <summary>Writes a run as [mapping, start, end, leaf level].</summary>
public sealed class PopulatedRunConverter : JsonConverter<PopulatedRun>
{
    /// <inheritdoc/>
    public override PopulatedRun Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        NumberArray.Begin(ref reader);
        return new PopulatedRun((int)NumberArray.Next(ref reader), NumberArray.Next(ref reader), NumberArray.Next(ref reader),
            (int)NumberArray.Last(ref reader));
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, PopulatedRun value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartArray();
        writer.WriteNumberValue(value.Mapping);
        writer.WriteNumberValue(value.Start);
        writer.WriteNumberValue(value.End);
        writer.WriteNumberValue(value.LeafLevel);
        writer.WriteEndArray();
    }
}
