using System.Runtime.InteropServices;

namespace Pando.Linux.Native;

/// <summary>
/// Reads whole files of /proc into one buffer that grows and is used again. Not for use by several threads at once:
/// each has its own.
/// </summary>
internal sealed unsafe class FileContents(Heartbeat? heart = null)
{
    private byte[] _buffer = GC.AllocateUninitializedArray<byte>(64 * 1024);

    /// <summary>Beats after each call.</summary>
    public Heartbeat Heart { get; } = heart ?? new();

    /// <summary>Reads a file. On failure the result is empty and <paramref name="error"/> the error number.</summary>
    public ReadOnlySpan<byte> Read(string path, out int error) => Read(path, 0, int.MaxValue, out error);

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

                nint read;
                fixed (byte* buffer = _buffer)
                {
                    read = LibC.Read(file, buffer + length, (nuint)(_buffer.Length - length));
                }

                if (read < 0)
                {
                    error = Marshal.GetLastPInvokeError();
                    if (error == LibC.Interrupted)
                    {
                        continue;
                    }

                    return default; // ESRCH: the process ended between open and read
                }

                Heart.Beat();
                if (read == 0)
                {
                    error = 0;
                    return _buffer.AsSpan(0, length);
                }

                length += (int)read;
            }
        }
        finally
        {
            _ = LibC.Close(file);
        }
    }
}
