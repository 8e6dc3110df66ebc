using System.Buffers;
using Pando.Exec.Files;
using Pando.Exec.Native;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>
/// A system call that the host serves in the program's place: descriptors become the host's, and what pointers lead to is copied in
/// and out, so that the host never sees an address of the program's.
/// </summary>
/// <remarks>
/// What the arguments are is told by words:
/// <code>
/// i       a number, passed as it is
/// f       a descriptor
/// d       a descriptor of a directory, AT_FDCWD for the working directory
/// p       a path that ends with a zero byte      s  the same for another text
/// in:N    N bytes that the call reads; a null pointer is passed as one
/// out:N   N bytes that it fills                  both:N  N bytes that it reads and fills
/// in      as many bytes as the next argument says
/// out     as many as the next argument says, of which the result is how many are filled
/// </code>
/// and at their end, where it fits: "waits", for a call that may wait, and "=f:K", for one whose result is a new descriptor, closed by
/// exec where argument K has O_CLOEXEC.
/// </remarks>
internal sealed class PassedCall
{
    // As much as one buffer of a call may have; what is longer is cut, as the calls' own rules allow.
    private const int MostBuffer = 16 << 20;

    private readonly CallNumber _number;
    private readonly Argument[] _arguments;
    private readonly bool _waits;
    private readonly int _flagsOfNew = -1;
    private readonly bool _makesDescriptor;

    internal PassedCall(CallNumber number, string arguments)
    {
        _number = number;
        var list = new List<Argument>();
        foreach (string word in arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (word == "waits")
            {
                _waits = true;
            }
            else if (word.StartsWith("=f", StringComparison.Ordinal))
            {
                _makesDescriptor = true;
                _flagsOfNew = word.Length > 2 ? int.Parse(word.AsSpan(3), System.Globalization.CultureInfo.InvariantCulture) : -1;
            }
            else
            {
                int colon = word.IndexOf(':', StringComparison.Ordinal);
                string kind = colon < 0 ? word : word[..colon];
                int length = colon < 0 ? 0 : int.Parse(word.AsSpan(colon + 1), System.Globalization.CultureInfo.InvariantCulture);
                list.Add(new Argument(
                    kind switch
                    {
                        "i" => ArgumentKind.Number,
                        "f" => ArgumentKind.Descriptor,
                        "d" => ArgumentKind.Directory,
                        "p" or "s" => ArgumentKind.Text,
                        "in" => ArgumentKind.In,
                        "out" => ArgumentKind.Out,
                        "both" => ArgumentKind.Both,
                        _ => throw new ArgumentException($"'{word}' is no kind of argument.", nameof(arguments)),
                    },
                    length));
            }
        }

        _arguments = [.. list];
    }

    /// <summary>Serves it.</summary>
    internal unsafe long Serve(GuestTask task, in CallArguments call)
    {
        Span<long> values = stackalloc long[6];
        var buffers = new byte[]?[6];
        var handles = new MemoryHandle[6];
        var kept = new OpenDescription?[6];
        try
        {
            for (int i = 0; i < _arguments.Length; i++)
            {
                long error = Translate(task, call, i, values, buffers, handles, kept);
                if (error < 0)
                {
                    return error;
                }
            }

            long result = _waits
                ? task.Blocking(_number, values[0], values[1], values[2], values[3], values[4], values[5])
                : Host.Call(_number, values[0], values[1], values[2], values[3], values[4], values[5]);
            if (result < 0)
            {
                return result;
            }

            for (int i = 0; i < _arguments.Length; i++)
            {
                if (_arguments[i].Kind is ArgumentKind.Out or ArgumentKind.Both && buffers[i] is { } buffer)
                {
                    int length = _arguments[i].Length != 0 ? buffer.Length : (int)Math.Min(result, buffer.Length);
                    if (!task.Write(call[i], buffer.AsSpan(0, length)))
                    {
                        return -Error.EFAULT;
                    }
                }
            }

            if (!_makesDescriptor)
            {
                return result;
            }

            bool closes = _flagsOfNew >= 0 && (call[_flagsOfNew] & Host.OpenCloseOnExec) != 0;
            return task.Process.Descriptors.Add(new OpenDescription((int)result), closes);
        }
        finally
        {
            for (int i = 0; i < _arguments.Length; i++)
            {
                handles[i].Dispose();
                kept[i]?.Release();
            }
        }
    }

    private unsafe long Translate(
        GuestTask task, in CallArguments call, int i, Span<long> values, byte[]?[] buffers, MemoryHandle[] handles, OpenDescription?[] kept)
    {
        var argument = _arguments[i];
        switch (argument.Kind)
        {
            case ArgumentKind.Number:
                // The length of a buffer is what the buffer has.
                values[i] = i > 0 && _arguments[i - 1] is { Length: 0, Kind: ArgumentKind.In or ArgumentKind.Out or ArgumentKind.Both } && buffers[i - 1] is { } before
                    ? before.Length
                    : (long)call[i];
                return 0;
            case ArgumentKind.Descriptor:
            case ArgumentKind.Directory:
                var use = argument.Kind == ArgumentKind.Directory && (int)call[i] == Host.AtFdCwd
                    ? task.Process.Files.UseDirectory()
                    : task.Process.Descriptors.Use((int)call[i]);
                if (!use.IsOpen && argument.Kind == ArgumentKind.Descriptor)
                {
                    return -Error.EBADF;
                }

                kept[i] = use.IsOpen ? use.Description : null;
                values[i] = use.Host;
                return 0;
            case ArgumentKind.Text:
                buffers[i] = task.ReadText(call[i], out long error);
                if (buffers[i] is null)
                {
                    return error;
                }

                break;
            default:
                int length = argument.Length != 0 ? argument.Length : (int)Math.Min(call[i + 1], MostBuffer);
                if (call[i] == 0)
                {
                    values[i] = 0;
                    return 0;
                }

                buffers[i] = new byte[length];
                if (argument.Kind != ArgumentKind.Out && !task.Read(call[i], buffers[i]))
                {
                    return -Error.EFAULT;
                }

                break;
        }

        handles[i] = buffers[i].AsMemory().Pin();
        values[i] = (nint)handles[i].Pointer;
        return 0;
    }

    private enum ArgumentKind
    {
        Number,
        Descriptor,
        Directory,
        Text,
        In,
        Out,
        Both,
    }

    private readonly record struct Argument(ArgumentKind Kind, int Length);
}
