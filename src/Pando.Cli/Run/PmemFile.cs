using System.Buffers.Binary;
using Pando.Linux.Text;

namespace Pando.Cli.Run;

/// <summary>
/// The file given as --pmem, for as long as the command runs. A file that the command has made or filled out is put
/// back as it was unless <see cref="Keep"/> is called.
/// </summary>
internal sealed class PmemFile : IDisposable
{
    // What the proof stores, with room to spare: a store to a mapped file on a full disk ends the process.
    private const long SpaceForSamples = 64L << 20;

    private readonly bool _existed;
    private readonly long _lengthBefore;
    private bool _keep;

    private PmemFile(string path, bool existed, long lengthBefore)
    {
        Path = path;
        _existed = existed;
        _lengthBefore = lengthBefore;
    }

    public string Path { get; }

    /// <summary>Checks that the file can be used, and touches nothing.</summary>
    /// <exception cref="InputException">It cannot.</exception>
    public static void Check(string path, long memory)
    {
        if (path.Length == 0)
        {
            throw new InputException("--pmem: the name of the file is empty; give a path, as in --pmem pmem.img");
        }

        string full = System.IO.Path.GetFullPath(path);
        if (Directory.Exists(full))
        {
            throw new InputException($"--pmem: '{path}' is a directory; give the path of a file, which is made if it does not exist");
        }

        string directory = System.IO.Path.GetDirectoryName(full)!;
        if (!Directory.Exists(directory))
        {
            throw new InputException($"--pmem: there is no directory '{System.IO.Path.GetDirectoryName(path)}'; make it first, or give another path");
        }

        if (File.Exists(full))
        {
            var info = new FileInfo(full);
            if ((File.GetAttributes(full) & (FileAttributes.Device | FileAttributes.ReadOnly)) != 0)
            {
                throw new InputException($"--pmem: '{path}' is not a file that can be written; give an ordinary file, or one that does not exist yet");
            }

            if (info.Length > 0 && info.Length < memory)
            {
                throw new InputException($"--pmem: '{path}' has {ByteText.Precise(info.Length)}, the memory has {ByteText.Precise(memory)}; use --memory {ByteSize.Exact(info.Length)} or less, or a file that does not exist yet (it is made sparse)");
            }
        }

        long free = new DriveInfo(directory).AvailableFreeSpace;
        if (free < SpaceForSamples)
        {
            throw new InputException($"--pmem: the disk of '{path}' has {ByteText.Precise(free)} left, the proof stores up to {ByteText.Precise(SpaceForSamples)}; use another disk");
        }
    }

    /// <summary>Makes the file, sparse, if it does not exist or is empty.</summary>
    /// <exception cref="InputException">It cannot be made that large, or not be written.</exception>
    public static PmemFile Open(string path, long memory)
    {
        bool existed = File.Exists(path);
        var file = new PmemFile(path, existed, existed ? new FileInfo(path).Length : 0);
        try
        {
            using var handle = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
            if (RandomAccess.GetLength(handle) == 0)
            {
                RandomAccess.SetLength(handle, memory);
            }

            return RandomAccess.GetLength(handle) >= memory ? file : throw new IOException("it does not take a length");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            file.Dispose();
            throw new InputException($"--pmem: '{path}' cannot be used as {ByteText.Precise(memory)} of memory ({FirstSentence(e.Message)}); use another disk or less --memory");
        }
    }

    /// <summary>The word at an offset, read from the file as any other program would.</summary>
    public ulong ReadWord(long offset)
    {
        using var handle = File.OpenHandle(Path);
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        return RandomAccess.Read(handle, bytes, offset) == bytes.Length ? BinaryPrimitives.ReadUInt64LittleEndian(bytes) : 0;
    }

    /// <summary>Leaves the file as it is now.</summary>
    public void Keep() => _keep = true;

    public void Dispose()
    {
        if (!_keep && !_existed)
        {
            File.Delete(Path);
        }
        else if (!_keep && _lengthBefore == 0 && new FileInfo(Path).Length > 0)
        {
            using var handle = File.OpenHandle(Path, FileMode.Open, FileAccess.Write);
            RandomAccess.SetLength(handle, 0);
        }
    }

    private static string FirstSentence(string message) => message.ReplaceLineEndings(" ").Split([". ", " (Parameter"], StringSplitOptions.None)[0].TrimEnd('.');
}
