using Pando.Exec.Files;
using Pando.Exec.Native;

namespace Pando.Exec.Programs;

/// <summary>Finds programs by path and loads them.</summary>
internal static class ProgramStart
{
    /// <summary>Loads the program at a path.</summary>
    /// <param name="loader">What loads it.</param>
    /// <param name="files">What relative paths are relative to.</param>
    /// <param name="path">The path, with its zero byte.</param>
    /// <param name="arguments">Each with its zero byte.</param>
    /// <param name="environment">Each with its zero byte.</param>
    /// <param name="error">Why it was not loaded.</param>
    internal static StartedProgram? Load(
        ProgramLoader loader, FileContext files, byte[] path, IReadOnlyList<byte[]> arguments, IReadOnlyList<byte[]> environment, out long error)
    {
        using var directory = files.UseDirectory();
        return LoadAt(loader, files, directory.Host, path, path, arguments, environment, out error);
    }

    /// <summary>The same for a path that is relative to a descriptor of the host's.</summary>
    internal static StartedProgram? LoadAt(
        ProgramLoader loader, FileContext files, int directory, byte[] path, byte[] name, IReadOnlyList<byte[]> arguments, IReadOnlyList<byte[]> environment, out long error)
    {
        long opened = OpenForExecution(directory, path);
        if (opened < 0)
        {
            error = opened;
            return null;
        }

        try
        {
            return loader.Load((int)opened, name, arguments, environment, other => OpenOther(files, other), out error);
        }
        finally
        {
            Host.Close((int)opened);
        }
    }

    private static long OpenOther(FileContext files, byte[] path)
    {
        using var directory = files.UseDirectory();
        return OpenForExecution(directory.Host, path);
    }

    /// <summary>Opens a path for executing; a descriptor of the host's, or the negative error.</summary>
    private static long OpenForExecution(int directory, byte[] path)
    {
        const int ReadOnly = 0;
        long opened = Host.CallWithPath(CallNumber.Openat, directory, path, ReadOnly | Host.OpenCloseOnExec);
        if (opened < 0)
        {
            return opened;
        }

        // As execve(2): a regular file, that may be executed, of a file system that is not mounted noexec.
        Span<long> statfs = stackalloc long[15];
        long error = Host.Stat((int)opened, out var stat);
        if (error == 0 && !stat.IsRegular)
        {
            error = -Error.EACCES;
        }

        if (error == 0)
        {
            error = Host.CallWithPath(CallNumber.Faccessat2, (int)opened, [0], 1 /* X_OK */, Host.AtEmptyPath | 0x200 /* AT_EACCESS */);
        }

        if (error == 0)
        {
            error = IsNoExec((int)opened, statfs) ? -Error.EACCES : 0;
        }

        if (error < 0)
        {
            Host.Close((int)opened);
            return error;
        }

        return opened;
    }

    private static unsafe bool IsNoExec(int descriptor, Span<long> statfs)
    {
        const long NoExec = 8; // ST_NOEXEC
        const int FlagsAt = 10;
        fixed (long* target = statfs)
        {
            return Host.Call(CallNumber.Fstatfs, descriptor, (nint)target) == 0 && (statfs[FlagsAt] & NoExec) != 0;
        }
    }
}
