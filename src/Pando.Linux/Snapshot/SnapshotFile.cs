using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Pando.Linux.Snapshot;

/// <summary>
/// Writes and reads snapshots: one line of text ("pando-scan-snapshot VERSION LENGTH CRC32"), then LENGTH bytes of
/// gzip-compressed JSON. The line comes first so that a newer version or a file cut short is recognised before
/// anything else is tried.
/// </summary>
public static class SnapshotFile
{
    /// <summary>The version this program writes, and the newest that it reads.</summary>
    public const int Version = 1;

    private const string Magic = "pando-scan-snapshot";
    private const int LongestHeader = 256;

    /// <summary>Writes a snapshot; an existing file is replaced only when all is written.</summary>
    public static void Save(MachineSnapshot snapshot, string path)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var body = new MemoryStream();
        using (var gzip = new GZipStream(body, CompressionLevel.Fastest, leaveOpen: true))
        {
            JsonSerializer.Serialize(gzip, snapshot, SnapshotJsonContext.Default.MachineSnapshot);
        }

        var bytes = body.GetBuffer().AsSpan(0, (int)body.Length);
        var header = string.Create(CultureInfo.InvariantCulture, $"{Magic} {Version} {bytes.Length} {Crc32.Of(bytes):x8}\n");
        var temporary = path + ".part";
        using (var file = File.Create(temporary))
        {
            file.Write(Encoding.ASCII.GetBytes(header));
            file.Write(bytes);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Reads a snapshot.</summary>
    /// <exception cref="SnapshotException">The file is no snapshot, is cut short or damaged, or is too new.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static MachineSnapshot Load(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var end = bytes.AsSpan(0, Math.Min(bytes.Length, LongestHeader)).IndexOf((byte)'\n');
        var words = end < 0 ? [] : Encoding.ASCII.GetString(bytes, 0, end).Split(' ');
        if (words.Length < 2 || words[0] != Magic || !int.TryParse(words[1], CultureInfo.InvariantCulture, out var version))
        {
            throw new SnapshotException($"{path} is not a snapshot of pando scan. Make one with: pando scan --save FILE");
        }

        if (version > Version)
        {
            throw new SnapshotException($"{path} is a snapshot of version {version}; this pando reads versions up to {Version}. Use a newer pando to look at it.");
        }

        if (words.Length != 4 || !int.TryParse(words[2], CultureInfo.InvariantCulture, out var length))
        {
            throw new SnapshotException($"{path} has a damaged first line. Save the snapshot again.");
        }

        var body = bytes.AsSpan(end + 1);
        if (body.Length < length)
        {
            throw new SnapshotException($"{path} is cut short: {body.Length} of {length} bytes are there. Copy or save it again.");
        }

        if (body.Length > length || Crc32.Of(body).ToString("x8", CultureInfo.InvariantCulture) != words[3])
        {
            throw new SnapshotException($"{path} is damaged: its contents do not match their checksum. Copy or save it again.");
        }

        try
        {
            using var gzip = new GZipStream(new MemoryStream(bytes, end + 1, length), CompressionMode.Decompress);
            return JsonSerializer.Deserialize(gzip, SnapshotJsonContext.Default.MachineSnapshot)
                ?? throw new SnapshotException($"{path} holds no snapshot.");
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            throw new SnapshotException($"{path} cannot be understood: {e.Message}", e);
        }
    }
}
