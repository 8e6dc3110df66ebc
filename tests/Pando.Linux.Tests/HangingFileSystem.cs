using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Pando.Linux.Tests;

/// <summary>
/// A FUSE file system of files of 64 MiB, served by this program: "data", which is "link" too, and "other", to which it gives the inode of the
/// first. After <see cref="Hang"/> it goes on giving pages, and no
/// longer answers questions about the file, the file system or other names: who asks waits beyond a kill, until this is disposed.
/// </summary>
internal sealed partial class HangingFileSystem : IDisposable
{
    private const int Header = 40; // struct fuse_in_header
    private const long Size = 64 << 20;
    private const int Lookup = 1, Forget = 2, GetAttributes = 3, Open = 14, Read = 15, StatFileSystem = 17, Release = 18, Flush = 25, Initialise = 26, OpenDirectory = 27, ReleaseDirectory = 29, BatchForget = 42;

    private readonly FileStream _device = new("/dev/fuse", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
    private readonly Thread _server;
    private readonly Lock _lock = new();
    private readonly List<(ulong Unique, int Pid)> _waiting = [];
    private bool _hangs;

    private HangingFileSystem(string path)
    {
        Path = path;
        Directory.CreateDirectory(path);
        var options = $"fd={_device.SafeFileHandle.DangerousGetHandle()},rootmode=40000,user_id=0,group_id=0,allow_other";
        if (Mount("pando-test", path, "fuse.pando-test", 6, options) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            Directory.Delete(path);
            throw new Win32Exception(error);
        }

        _server = new Thread(Serve) { IsBackground = true };
        _server.Start();
    }

    public string Path { get; }

    public string Data => System.IO.Path.Combine(Path, "data");

    /// <summary>The same file under another name.</summary>
    public string Link => System.IO.Path.Combine(Path, "link");

    /// <summary>Another file with the same inode.</summary>
    public string Other => System.IO.Path.Combine(Path, "other");

    /// <summary>How many wait for an answer, whoever they are: others may scan this machine, too.</summary>
    public int Waiting => WaitingPids().Count;

    /// <summary>How many children of this program do.</summary>
    public int WaitingChildren => WaitingPids().Count(pid => File.ReadAllLines($"/proc/{pid}/status").Contains($"PPid:\t{Environment.ProcessId}"));

    /// <summary>Mounts, or skips the test with the reason.</summary>
    public static HangingFileSystem Make()
    {
        if (!Environment.IsPrivilegedProcess || !File.Exists("/dev/fuse"))
        {
            Assert.Skip("Only root may mount a FUSE file system, and /dev/fuse must be there.");
        }

        try
        {
            return new HangingFileSystem(System.IO.Path.Combine("/tmp", "pando-test-" + System.IO.Path.GetRandomFileName()));
        }
        catch (Exception e) when (e is IOException or Win32Exception or UnauthorizedAccessException)
        {
            Assert.Skip($"FUSE cannot be used here: {e.Message}");
            throw;
        }
    }

    public void Hang()
    {
        lock (_lock)
        {
            _hangs = true;
        }
    }

    /// <summary>Takes the mount out of the tree; what is mapped of it stays.</summary>
    public void Detach() => _ = Unmount(Path, 2); // MNT_DETACH

    /// <summary>Whoever maps the file must have ended.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _hangs = false;
            _waiting.ForEach(w => Answer(w.Unique, [], -5)); // EIO
            _waiting.Clear();
        }

        Detach();
        _server.Join(); // the last user's end unmounts it, and the device says so
        _device.Dispose();
        Directory.Delete(Path);
    }

    private List<int> WaitingPids()
    {
        lock (_lock)
        {
            return [.. _waiting.Select(w => w.Pid)];
        }
    }

    private void Serve()
    {
        var buffer = new byte[1 << 20];
        try
        {
            while (true)
            {
                var length = _device.Read(buffer);
                Serve(buffer.AsSpan(0, length));
            }
        }
        catch (IOException)
        {
            // ENODEV: unmounted
        }
    }

    /// <summary>One request: struct fuse_in_header and its body (linux/fuse.h).</summary>
    private void Serve(ReadOnlySpan<byte> request)
    {
        var operation = BinaryPrimitives.ReadInt32LittleEndian(request[4..]);
        var unique = BinaryPrimitives.ReadUInt64LittleEndian(request[8..]);
        var node = BinaryPrimitives.ReadUInt64LittleEndian(request[16..]);
        var body = request[Header..];
        switch (operation)
        {
            case Initialise:
                Answer(unique, [.. Words(7, 31, 65536, 0), .. Halves(16, 12), .. Words(65536, 1), .. Halves(16, 0), .. new byte[32]]);
                return;
            case Lookup:
                var name = body.TrimEnd((byte)0);
                var isKnown = name.SequenceEqual("data"u8) || name.SequenceEqual("link"u8) || name.SequenceEqual("other"u8);
                if (!isKnown && IsKeptWaiting(unique, request))
                {
                    return;
                }

                var found = name.SequenceEqual("data"u8) || name.SequenceEqual("link"u8) ? 2UL : name.SequenceEqual("other"u8) ? 3UL : 0;
                Answer(unique, found > 0 ? [.. Longs((long)found, 0, 1000, 1000, 0), .. Attributes(found)] : [], found > 0 ? 0 : -2);
                return;
            case GetAttributes or StatFileSystem:
                if (IsKeptWaiting(unique, request))
                {
                    return;
                }

                Answer(unique, operation == GetAttributes ? [.. Longs(1000, 0), .. Attributes(node)] : [.. Longs(1000, 10, 10, 10, 10), .. Words(4096, 255, 4096), .. new byte[28]]);
                return;
            case Open or OpenDirectory:
                Answer(unique, [.. Longs(1, 0)]);
                return;
            case Read:
                var offset = BinaryPrimitives.ReadInt64LittleEndian(body[8..]);
                Answer(unique, new byte[Math.Clamp(Size - offset, 0, BinaryPrimitives.ReadUInt32LittleEndian(body[16..]))]);
                return;
            case Forget or BatchForget:
                return;
            default:
                Answer(unique, [], operation is Release or Flush or ReleaseDirectory ? 0 : -38); // ENOSYS
                return;
        }
    }

    private bool IsKeptWaiting(ulong unique, ReadOnlySpan<byte> request)
    {
        lock (_lock)
        {
            if (_hangs)
            {
                _waiting.Add((unique, BinaryPrimitives.ReadInt32LittleEndian(request[32..])));
            }

            return _hangs;
        }
    }

    private void Answer(ulong unique, ReadOnlySpan<byte> body, int error = 0)
    {
        var answer = new byte[16 + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(answer, answer.Length);
        BinaryPrimitives.WriteInt32LittleEndian(answer.AsSpan(4), error);
        BinaryPrimitives.WriteUInt64LittleEndian(answer.AsSpan(8), unique);
        body.CopyTo(answer.AsSpan(16));
        try
        {
            _device.Write(answer);
        }
        catch (IOException)
        {
            // ENOENT: whoever asked has gone.
        }
    }

    /// <summary>struct fuse_attr: node 1 is the directory, 2 and 3 are the files.</summary>
    private static byte[] Attributes(ulong node)
    {
        var size = node == 1 ? 0 : Size;
        return [.. Longs((long)Math.Min(node, 2), size, size / 512, 0, 0, 0), .. Words(0, 0, 0, node == 1 ? 0x41ED : 0x81A4, 1, 0, 0, 0, 4096, 0)];
    }

    private static byte[] Longs(params long[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    private static byte[] Words(params int[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    private static byte[] Halves(params short[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    [LibraryImport("libc", EntryPoint = "mount", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Mount(string source, string target, string type, ulong flags, string data);

    [LibraryImport("libc", EntryPoint = "umount2", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Unmount(string target, int flags);
}
