using Pando.Exec.Files;
using Pando.Exec.Native;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>What is done by path. The old forms of calls are those for the working directory.</summary>
internal static class PathCalls
{
    private const ulong Here = unchecked((ulong)Host.AtFdCwd);
    private const ulong NoFollow = 0x100;     // AT_SYMLINK_NOFOLLOW
    private const ulong RemoveDirectory = 0x200; // AT_REMOVEDIR
    private const ulong CreateFlags = 0x40 | 0x1 | 0x200; // O_CREAT | O_WRONLY | O_TRUNC

    private static readonly PassedCall OpenAt = new(CallNumber.Openat, "d p i i waits =f:2");

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.Openat] = Open;
        set[CallNumber.Open] = static (task, in call) => Open(task, new CallArguments(Here, call.A, call.B, call.C, 0, 0));
        set[CallNumber.Creat] = static (task, in call) => Open(task, new CallArguments(Here, call.A, CreateFlags, call.B, 0, 0));
        Both(set, CallNumber.Newfstatat, "d p out:144 i", CallNumber.Stat, static call => new(Here, call.A, call.B, 0, 0, 0));
        set[CallNumber.Lstat] = static (task, in call) => At.Stat.Serve(task, new CallArguments(Here, call.A, call.B, NoFollow, 0, 0));
        set.Pass(CallNumber.Statx, "d p i i out:256");
        Both(set, CallNumber.Faccessat, "d p i", CallNumber.Access, static call => new(Here, call.A, call.B, 0, 0, 0));
        set.Pass(CallNumber.Faccessat2, "d p i i");
        Both(set, CallNumber.Unlinkat, "d p i", CallNumber.Unlink, static call => new(Here, call.A, 0, 0, 0, 0));
        set[CallNumber.Rmdir] = static (task, in call) => At.Unlink.Serve(task, new CallArguments(Here, call.A, RemoveDirectory, 0, 0, 0));
        set[CallNumber.Mkdirat] = static (task, in call) => At.MakeDirectory.Serve(task, call with { C = Masked(task, call.C) });
        set[CallNumber.Mkdir] = static (task, in call) => At.MakeDirectory.Serve(task, new CallArguments(Here, call.A, Masked(task, call.B), 0, 0, 0));
        set[CallNumber.Mknodat] = static (task, in call) => At.MakeNode.Serve(task, call with { C = Masked(task, call.C) });
        set[CallNumber.Mknod] = static (task, in call) => At.MakeNode.Serve(task, new CallArguments(Here, call.A, Masked(task, call.B), call.C, 0, 0));
        Both(set, CallNumber.Symlinkat, "s d p", CallNumber.Symlink, static call => new(call.A, Here, call.B, 0, 0, 0));
        Both(set, CallNumber.Linkat, "d p d p i", CallNumber.Link, static call => new(Here, call.A, Here, call.B, 0, 0));
        Both(set, CallNumber.Renameat2, "d p d p i", CallNumber.Renameat, static call => call with { E = 0 });
        set[CallNumber.Rename] = static (task, in call) => At.Rename.Serve(task, new CallArguments(Here, call.A, Here, call.B, 0, 0));
        Both(set, CallNumber.Fchmodat, "d p i", CallNumber.Chmod, static call => new(Here, call.A, call.B, 0, 0, 0));
        Both(set, CallNumber.Fchownat, "d p i i i", CallNumber.Chown, static call => new(Here, call.A, call.B, call.C, 0, 0));
        set[CallNumber.Lchown] = static (task, in call) => At.Own.Serve(task, new CallArguments(Here, call.A, call.B, call.C, NoFollow, 0));
        set.Pass(CallNumber.Utimensat, "d p in:32 i");
        set.Pass(CallNumber.Futimesat, "d p in:32");
        set[CallNumber.Utimes] = static (task, in call) => At.Times.Serve(task, new CallArguments(Here, call.A, call.B, 0, 0, 0));
        set[CallNumber.Readlinkat] = ReadLink;
        set[CallNumber.Readlink] = static (task, in call) => ReadLink(task, new CallArguments(Here, call.A, call.B, call.C, 0, 0));
        set[CallNumber.Truncate] = Truncate;
        set[CallNumber.Chdir] = ChangeDirectory;
        set[CallNumber.Fchdir] = ChangeToDescriptor;
        set[CallNumber.Getcwd] = Directory;
        set[CallNumber.Umask] = static (task, in call) =>
        {
            int before = task.Process.Files.Umask;
            task.Process.Files.Umask = (int)call.A & 0x1FF;
            return before;
        };
        set[CallNumber.Statfs] = static (task, in call) => OfOpened(task, call.A, CallNumber.Fstatfs, call.B, 120);
        set.Pass(CallNumber.InotifyInit1, "i =f:0");
        set.Pass(CallNumber.InotifyAddWatch, "f p i");
        set.Pass(CallNumber.InotifyRmWatch, "f i");
        set.Pass(CallNumber.Getxattr, "p s out i");
        set.Pass(CallNumber.Lgetxattr, "p s out i");
        set.Pass(CallNumber.Setxattr, "p s in i i");
        set.Pass(CallNumber.Lsetxattr, "p s in i i");
        set.Pass(CallNumber.Listxattr, "p out i");
        set.Pass(CallNumber.Llistxattr, "p out i");
        set.Pass(CallNumber.Removexattr, "p s");
        set.Pass(CallNumber.Lremovexattr, "p s");
    }

    private static void Both(CallTable.Registrar set, CallNumber number, string arguments, CallNumber old, Func<CallArguments, CallArguments> translate)
    {
        var passed = new PassedCall(number, arguments);
        set[number] = passed.Serve;
        set[old] = (task, in call) => passed.Serve(task, translate(call));
    }

    private static ulong Masked(GuestTask task, ulong mode) => mode & ~(ulong)task.Process.Files.Umask;

    private static long Open(GuestTask task, in CallArguments call)
    {
        const ulong Creates = 0x40 | 0x400000; // O_CREAT, and O_TMPFILE's own bit
        if (task.ReadText(call.B, out long error) is not { } path)
        {
            return error;
        }

        if (ProcFiles.Open(task, path, (int)call.C) is { } answered)
        {
            return answered;
        }

        bool truncates = (call.C & 0x200) != 0;
        long result = OpenAt.Serve(task, (call.C & Creates) != 0 ? call with { D = Masked(task, call.D) } : call);
        if (truncates && result >= 0)
        {
            using var use = task.Process.Descriptors.Use(result);
            FileCalls.FileShrank(task, use.Host);
        }

        return result;
    }

    private static unsafe long ReadLink(GuestTask task, in CallArguments call)
    {
        if (task.ReadText(call.B, out long error) is not { } path)
        {
            return error;
        }

        if ((int)call.D <= 0)
        {
            return -Error.EINVAL;
        }

        if (ProcFiles.Link(task, path) is { } target)
        {
            int length = (int)Math.Min((ulong)target.Length, call.D);
            return task.Write(call.C, target.AsSpan(0, length)) ? length : -Error.EFAULT;
        }

        return At.Link.Serve(task, call);
    }

    private static long Truncate(GuestTask task, in CallArguments call)
    {
        if (task.ReadText(call.A, out long error) is not { } path)
        {
            return error;
        }

        using var directory = task.Process.Files.UseDirectory();
        long opened = Host.CallWithPath(CallNumber.Openat, directory.Host, path, 1 /* O_WRONLY */ | Host.OpenCloseOnExec);
        if (opened < 0)
        {
            return opened;
        }

        long result = Host.Call(CallNumber.Ftruncate, opened, (long)call.B);
        if (result == 0)
        {
            FileCalls.FileShrank(task, (int)opened);
        }

        Host.Close((int)opened);
        return result;
    }

    private static long ChangeDirectory(GuestTask task, in CallArguments call)
    {
        if (task.ReadText(call.A, out long error) is not { } path)
        {
            return error;
        }

        using var directory = task.Process.Files.UseDirectory();
        long opened = Host.CallWithPath(CallNumber.Openat, directory.Host, path, Host.OpenPath | Host.OpenDirectory | Host.OpenCloseOnExec);
        return opened < 0 ? opened : ChangeTo(task, (int)opened);
    }

    private static long ChangeToDescriptor(GuestTask task, in CallArguments call)
    {
        using var use = task.Process.Descriptors.Use((int)call.A);
        if (!use.IsOpen)
        {
            return -Error.EBADF;
        }

        long error = Host.Stat(use.Host, out var stat);
        if (error < 0 || !stat.IsDirectory)
        {
            return error < 0 ? error : -Error.ENOTDIR;
        }

        long own = Host.Duplicate(use.Host);
        return own < 0 ? own : ChangeTo(task, (int)own);
    }

    private static long ChangeTo(GuestTask task, int descriptor)
    {
        // The right to search it.
        long error = Host.CallWithPath(CallNumber.Faccessat2, descriptor, [(byte)'.', 0], 1 /* X_OK */, 0x200 /* AT_EACCESS */);
        if (error < 0)
        {
            Host.Close(descriptor);
            return error;
        }

        task.Process.Files.Change(new OpenDescription(descriptor));
        return 0;
    }

    private static long Directory(GuestTask task, in CallArguments call)
    {
        using var directory = task.Process.Files.UseDirectory();
        byte[]? path = Host.PathOf(directory.Host);
        if (path is null)
        {
            return -Error.ENOENT;
        }

        if (call.B < (ulong)path.Length + 1)
        {
            return call.B == 0 ? -Error.EINVAL : -Error.ERANGE;
        }

        return task.Write(call.A, [.. path, 0]) ? path.Length + 1 : -Error.EFAULT;
    }

    private static unsafe long OfOpened(GuestTask task, ulong pathAt, CallNumber number, ulong target, int length)
    {
        if (task.ReadText(pathAt, out long error) is not { } path)
        {
            return error;
        }

        using var directory = task.Process.Files.UseDirectory();
        long opened = Host.CallWithPath(CallNumber.Openat, directory.Host, path, Host.OpenPath | Host.OpenCloseOnExec);
        if (opened < 0)
        {
            return opened;
        }

        var bytes = new byte[length];
        long result;
        fixed (byte* start = bytes)
        {
            result = Host.Call(number, opened, (nint)start);
        }

        Host.Close((int)opened);
        return result < 0 ? result : task.Write(target, bytes) ? 0 : -Error.EFAULT;
    }

    /// <summary>The newer forms that several older ones are made of.</summary>
    private static class At
    {
        internal static readonly PassedCall Stat = new(CallNumber.Newfstatat, "d p out:144 i");
        internal static readonly PassedCall Unlink = new(CallNumber.Unlinkat, "d p i");
        internal static readonly PassedCall MakeDirectory = new(CallNumber.Mkdirat, "d p i");
        internal static readonly PassedCall MakeNode = new(CallNumber.Mknodat, "d p i i");
        internal static readonly PassedCall Rename = new(CallNumber.Renameat2, "d p d p i");
        internal static readonly PassedCall Own = new(CallNumber.Fchownat, "d p i i i");
        internal static readonly PassedCall Times = new(CallNumber.Futimesat, "d p in:32");
        internal static readonly PassedCall Link = new(CallNumber.Readlinkat, "d p out i");
    }
}
