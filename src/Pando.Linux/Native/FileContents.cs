using System.Runtime.InteropServices;

namespace Pando.Linux.Native;

/// <summary>
/// Reads whole files of /proc into one buffer that grows and is used again. Not for use by several threads at once:
/// each has its own.
/// </summary>
internal sealed unsafe class FileContents(Heartbeat? heart = null)
{
    // Of what grows with what strangers do (maps, smaps, mountinfo) lines are read; all else the kernel keeps far shorter.
    private const int LongestFile = 64 << 20;
    private const int ReadSize = 64 * 1024;

    // A line of maps is longer only where directories are nested beyond PATH_MAX.
    private const int LongestLine = 16 * 1024;

    private byte[] _buffer = GC.AllocateUninitializedArray<byte>(ReadSize);

    /// <summary>Beats after each call.</summary>
    public Heartbeat Heart { get; } = heart ?? new();

    /// <summary>What is done with a line, which is without its end.</summary>
    public delegate void LineTaker(ReadOnlySpan<byte> line);

    /// <summary>Reads a file. On failure the result is empty and <paramref name="error"/> the error number (EFBIG above 64 MiB).</summary>
    public ReadOnlySpan<byte> Read(string path, out int error) => Read(path, 0, LongestFile, out error);

    /// <summary>The first bytes of a file of /proc that its process may make as long as it likes (cmdline); empty on failure.</summary>
    public ReadOnlySpan<byte> ReadStart(string path, int most)
    {
        var text = Read(path, 0, most, out var error);
        return error == 0 ? text : error == LibC.TooLarge ? _buffer.AsSpan(0, most) : default;
    }

    /// <summary>
    /// Reads a file of any length line by line, in the memory of one line; of a line that is longer than 16 KiB what is beyond is left out. On
    /// failure, which may come after some lines, <paramref name="error"/> is the error number. The number of lines is returned.
    /// </summary>
    public long ReadLines(string path, LineTaker take, out int error)
    {
        var file = LibC.Open(path, LibC.ReadOnly | LibC.CloseOnExec);
        if (file < 0)
        {
            error = Marshal.GetLastPInvokeError();
            return 0;
        }

        try
        {
            Heart.Beat();
            var (lines, length, isCut) = (0L, 0, false);
            while (true)
            {
                var read = Read(file, length, ReadSize, out error);
                length += read;
                var text = _buffer.AsSpan(0, length);
                for (var end = text.IndexOf((byte)'\n'); end >= 0; end = text.IndexOf((byte)'\n'))
                {
                    Take(text[..end]);
                    text = text[(end + 1)..];
                }

                if (error != 0 || read == 0)
                {
                    if (error == 0 && text.Length > 0)
                    {
                        Take(text);
                    }

                    return lines;
                }

                if (text.Length > LongestLine)
                {
                    if (!isCut)
                    {
                        Take(text);
                    }

                    (isCut, length) = (true, 0);
                }
                else
                {
                    text.CopyTo(_buffer);
                    length = text.Length;
                }
            }

            void Take(ReadOnlySpan<byte> line)
            {
                if (!isCut)
                {
                    lines++;
                    take(line.Length > LongestLine ? line[..LongestLine] : line);
                }

                isCut = false;
            }
        }
        finally
        {
            _ = LibC.Close(file);
        }
    }

    /// <summary>
    /// Reads a file that strangers may have put there: an ordinary one of at most so many bytes. A pipe, a device, a link or a
    /// longer file gives nothing; none of them is waited for.
    /// </summary>
    public ReadOnlySpan<byte> ReadPlain(string path, int longest)
    {
        var text = Read(path, LibC.NoWaiting | LibC.NoTerminal | LibC.NoLink, longest, out var error);
        return error == 0 ? text : default;
    }

    private ReadOnlySpan<byte> Read(string path, int flags, int longest, out int error)
    {
        var file = LibC.Open(path, LibC.ReadOnly | LibC.CloseOnExec | flags);
        if (file < 0)
        {
            error = Marshal.GetLastPInvokeError();
            return default;
        }

        try
        {
            Heart.Beat();
            if (flags != 0 && !FileFacts.IsPlain(file))
            {
                error = LibC.NotPermitted;
                return default;
            }

            var length = 0;
            while (true)
            {
                if (length > longest)
                {
                    error = LibC.TooLarge;
                    return default;
                }

                if (length == _buffer.Length)
                {
                    Array.Resize(ref _buffer, _buffer.Length * 2);
                }

                var read = Read(file, length, _buffer.Length - length, out error);
                if (error != 0 || read == 0)
                {
                    return error != 0 ? default : _buffer.AsSpan(0, length); // ESRCH: the process ended between open and read
                }

                length += read;
            }
        }
        finally
        {
            _ = LibC.Close(file);
        }
    }

    /// <summary>One call into the buffer; 0 at the end of the file, and on failure.</summary>
    private int Read(int file, int at, int most, out int error)
    {
        if (_buffer.Length < at + most)
        {
            Array.Resize(ref _buffer, at + most);
        }

        while (true)
        {
            nint read;
            fixed (byte* buffer = _buffer)
            {
                read = LibC.Read(file, buffer + at, (nuint)most);
            }

            error = read < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (error != LibC.Interrupted)
            {
                Heart.Beat();
                return (int)Math.Max(read, 0);
            }
        }
    }
}
