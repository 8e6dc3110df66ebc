using System.Runtime.InteropServices;

namespace Pando.Hardware;

/// <summary>
/// Copies of the host's memory that the kernel makes (process_vm_readv(2) of this process itself): where a page cannot be had,
/// as past the end of a file that has been truncated, the answer is an error and no signal.
/// </summary>
internal static unsafe partial class KernelCopy
{
    /// <summary>Copies from a host's address. False where not all bytes could be had; some may have been copied.</summary>
    public static bool TryRead(nint host, Span<byte> bytes)
    {
        fixed (byte* target = bytes)
        {
            var local = new Vector { Base = (nint)target, Length = (nuint)bytes.Length };
            var remote = new Vector { Base = host, Length = (nuint)bytes.Length };
            return bytes.IsEmpty || Read(Environment.ProcessId, &local, 1, &remote, 1, 0) == bytes.Length;
        }
    }

    /// <summary>Copies to a host's address. False where not all bytes could be stored; some may have been.</summary>
    public static bool TryWrite(nint host, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* source = bytes)
        {
            var local = new Vector { Base = (nint)source, Length = (nuint)bytes.Length };
            var remote = new Vector { Base = host, Length = (nuint)bytes.Length };
            return bytes.IsEmpty || Write(Environment.ProcessId, &local, 1, &remote, 1, 0) == bytes.Length;
        }
    }

    [LibraryImport("libc", EntryPoint = "process_vm_readv", SetLastError = true)]
    private static partial nint Read(int process, Vector* local, nuint localCount, Vector* remote, nuint remoteCount, nuint flags);

    [LibraryImport("libc", EntryPoint = "process_vm_writev", SetLastError = true)]
    private static partial nint Write(int process, Vector* local, nuint localCount, Vector* remote, nuint remoteCount, nuint flags);

    /// <summary>struct iovec.</summary>
    private struct Vector
    {
        public nint Base;
        public nuint Length;
    }
}
