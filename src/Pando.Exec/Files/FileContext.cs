using Pando.Exec.Native;

namespace Pando.Exec.Files;

/// <summary>What paths mean to a process: its working directory; and its umask. Shared by CLONE_FS. Safe for threads.</summary>
/// <param name="directory">The working directory; the context's from now on.</param>
/// <param name="umask">The umask.</param>
internal sealed class FileContext(OpenDescription directory, int umask)
{
    private readonly Lock _lock = new();
    private OpenDescription _directory = directory;
    private int _users = 1;

    /// <summary>The umask.</summary>
    internal int Umask { get; set; } = umask;

    /// <summary>Keeps the working directory for a call.</summary>
    internal DescriptorUse UseDirectory()
    {
        lock (_lock)
        {
            return new DescriptorUse(_directory.TryKeep() ? _directory : null);
        }
    }

    /// <summary>Changes it, to a descriptor that is the context's from now on.</summary>
    internal void Change(OpenDescription directory)
    {
        OpenDescription before;
        lock (_lock)
        {
            before = _directory;
            _directory = directory;
        }

        before.Release();
    }

    /// <summary>Counts another process that shares it.</summary>
    internal FileContext Share()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>One of its own for a child.</summary>
    internal FileContext Copy()
    {
        lock (_lock)
        {
            _ = _directory.TryKeep();
            return new FileContext(_directory, Umask);
        }
    }

    /// <summary>A user less.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            _directory.Release();
        }
    }

    /// <summary>The context of a directory of the host's.</summary>
    /// <exception cref="DirectoryNotFoundException">It cannot be opened.</exception>
    internal static FileContext At(string path, int umask)
    {
        long descriptor = Host.CallWithPath(
            CallNumber.Openat, Host.AtFdCwd, [.. System.Text.Encoding.UTF8.GetBytes(path), 0], Host.OpenPath | Host.OpenDirectory | Host.OpenCloseOnExec);
        if (descriptor < 0)
        {
            throw new DirectoryNotFoundException($"'{path}' cannot be a working directory (error {-descriptor}).");
        }

        return new FileContext(new OpenDescription((int)descriptor), umask);
    }
}
