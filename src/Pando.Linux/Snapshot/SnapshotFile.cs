using System.Globalization;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;

namespace Pando.Linux.Snapshot;

/// <summary>
/// Writes and reads snapshots: one line of text ("pando-scan-snapshot VERSION LENGTH CRC32"), then LENGTH bytes of
/// gzip-compressed JSON. The line comes first so that a newer version or a file cut short is recognised before
/// anything else is tried.
/// </summary>
/// <remarks>
/// A snapshot may come from a stranger. What is read is bounded before it is read, and what no machine can have is refused:
/// the analysis meets nothing that the scan would not have made.
/// </remarks>
public static class SnapshotFile
{
    /// <summary>The version this program writes, and the newest that it reads.</summary>
    public const int Version = 1;

    private const string Magic = "pando-scan-snapshot";
    private const int LongestHeader = 256;
    private const int LongestReason = 300;

    /// <summary>Writes a snapshot; an existing file is replaced only when all is written.</summary>
    /// <exception cref="SnapshotException">It is larger than what <see cref="Load(string)"/> reads.</exception>
    public static void Save(MachineSnapshot snapshot, string path)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var body = new MemoryStream();
        using (var gzip = new GZipStream(body, CompressionLevel.Fastest, leaveOpen: true))
        {
            JsonSerializer.Serialize(gzip, snapshot, SnapshotJsonContext.Default.MachineSnapshot);
        }

        if (body.Length > SnapshotLimits.MostFileBytes)
        {
            throw new SnapshotException($"The snapshot would have {body.Length} bytes; up to {SnapshotLimits.MostFileBytes} are read again. Look at this machine without --save.");
        }

        var bytes = body.GetBuffer().AsSpan(0, (int)body.Length);
        var header = string.Create(CultureInfo.InvariantCulture, $"{Magic} {Version} {bytes.Length} {Crc32.HashToUInt32(bytes):x8}\n");

        // A name that nobody can have taken (a link in /tmp would be followed), and for its owner alone: it says what all processes map.
        var temporary = $"{path}.{Path.GetRandomFileName()}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            using (var file = new FileStream(temporary, options))
            {
                file.Write(Encoding.ASCII.GetBytes(header));
                file.Write(bytes);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Reads a snapshot.</summary>
    /// <exception cref="SnapshotException">The file is no snapshot, is cut short or damaged, is too new or too large, or holds
    /// what no machine has.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static MachineSnapshot Load(string path) => Load(path, SnapshotLimits.Here);

    /// <summary>The same, with other limits.</summary>
    internal static MachineSnapshot Load(string path, SnapshotLimits limits)
    {
        using var file = File.OpenRead(path);
        return Load(file, path, limits);
    }

    /// <summary>The same from a stream (a pipe, too); <paramref name="path"/> is what messages call it.</summary>
    internal static MachineSnapshot Load(Stream file, string path, SnapshotLimits limits)
    {
        var (length, sum) = ReadHeader(file, path);
        if (length > limits.FileBytes)
        {
            throw new SnapshotException($"{path} is too large: {length} bytes, and snapshots of up to {limits.FileBytes} are read. Look at it on the machine itself: pando scan");
        }

        using var body = ReadBody(file, length, path);
        if (Crc32.HashToUInt32(body.GetBuffer().AsSpan(0, (int)body.Length)).ToString("x8", CultureInfo.InvariantCulture) != sum)
        {
            throw Damaged(path);
        }

        try
        {
            using (var weighed = new GZipStream(body, CompressionMode.Decompress, leaveOpen: true))
            {
                if (SnapshotWeight.Of(weighed, limits.MemoryBytes) > limits.MemoryBytes)
                {
                    throw new SnapshotException($"{path} is too large: its contents take more than the {limits.MemoryBytes >> 20} MiB of memory that are given to a snapshot here. Look at it on a machine with more memory, or on the machine itself: pando scan");
                }
            }

            body.Position = 0;
            using var gzip = new GZipStream(body, CompressionMode.Decompress);
            var snapshot = JsonSerializer.Deserialize(gzip, SnapshotJsonContext.Default.MachineSnapshot);
            return SnapshotCheck.FaultOf(snapshot) is { } fault
                ? throw new SnapshotException($"{path} holds what no machine has: {fault}. Save the snapshot again.")
                : snapshot!;
        }
        catch (Exception e) when (e is JsonException or InvalidDataException)
        {
            throw new SnapshotException($"{path} cannot be understood: {(e.Message.Length > LongestReason ? e.Message[..LongestReason] : e.Message).ReplaceLineEndings(" ")}", e);
        }
    }

    /// <summary>Takes the first line off: how many bytes follow, and their checksum.</summary>
    private static (long Length, string Sum) ReadHeader(Stream file, string path)
    {
        var line = new byte[LongestHeader];
        var end = 0;
        while (end < line.Length && file.ReadByte() is >= 0 and var letter && letter != '\n')
        {
            line[end++] = (byte)letter;
        }

        var words = Encoding.ASCII.GetString(line, 0, end).Split(' ');
        if (end == LongestHeader || words.Length < 2 || words[0] != Magic || !int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var version))
        {
            throw new SnapshotException($"{path} is not a snapshot of pando scan. Make one with: pando scan --save FILE");
        }

        if (version > Version)
        {
            throw new SnapshotException($"{path} is a snapshot of version {version}; this pando reads versions up to {Version}. Use a newer pando to look at it.");
        }

        return words.Length == 4 && long.TryParse(words[2], NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            ? (length, words[3])
            : throw new SnapshotException($"{path} has a damaged first line. Save the snapshot again.");
    }

    /// <summary>Reads as many bytes as are there, and not more than the first line says: memory follows what is read, not what is said.</summary>
    private static MemoryStream ReadBody(Stream file, long length, string path)
    {
        var body = new MemoryStream();
        var chunk = new byte[64 << 10];
        while (body.Length <= length)
        {
            var read = file.Read(chunk, 0, (int)Math.Min(chunk.Length, length + 1 - body.Length));
            if (read == 0)
            {
                break;
            }

            body.Write(chunk, 0, read);
        }

        if (body.Length != length)
        {
            throw body.Length > length ? Damaged(path)
                : new SnapshotException($"{path} is cut short: {body.Length} of {length} bytes are there. Copy or save it again.");
        }

        body.Position = 0;
        return body;
    }

    private static SnapshotException Damaged(string path) => new($"{path} is damaged: its contents do not match their checksum. Copy or save it again.");
}
