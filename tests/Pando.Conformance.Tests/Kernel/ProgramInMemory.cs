using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Pando.Conformance.Tests.Kernel;

/// <summary>
/// A program that lies in no directory (memfd_create(2)), so that none need be writable and allow programs. Those that have been
/// started go on when it is disposed.
/// </summary>
internal sealed partial class ProgramInMemory : IDisposable
{
    private const uint CloseOnExec = 1; // MFD_CLOEXEC
    private const uint Executable = 0x10; // MFD_EXEC, since Linux 6.3; must be asked for where vm.memfd_noexec is 1
    private const int InvalidArgument = 22; // EINVAL

    private readonly SafeFileHandle _file;

    /// <exception cref="Win32Exception">The kernel allows no such file.</exception>
    public ProgramInMemory(string name, ReadOnlySpan<byte> contents)
    {
        int file = MakeFile(name, CloseOnExec | Executable);
        if (file < 0 && Marshal.GetLastPInvokeError() == InvalidArgument)
        {
            file = MakeFile(name, CloseOnExec);
        }

        if (file < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }

        _file = new SafeFileHandle(file, ownsHandle: true);
        RandomAccess.Write(_file, contents, 0);
        Path = string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{file}");
    }

    /// <summary>Where it can be started from.</summary>
    public string Path { get; }

    public void Dispose() => _file.Dispose();

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int MakeFile(string name, uint flags);
}
