using Pando.Exec.Native;
using Pando.Files;

namespace Pando.Exec.Memory;

/// <summary>The host's files that programs have mapped, by inode: all who map one map the same. Safe for threads.</summary>
/// <param name="window">Where they appear in physical memory.</param>
internal sealed class HostFiles(HostWindow window)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(ulong Device, ulong Inode), HostFile> _files = [];

    /// <summary>Opens the file behind a descriptor; whoever asked disposes of the opening, whose file is a <see cref="HostFile"/>.</summary>
    /// <param name="descriptor">A descriptor of the host's that may read.</param>
    /// <param name="path">A path, for reports.</param>
    /// <param name="error">Why there is none: the negative error.</param>
    internal OpenFile? Open(int descriptor, string path, out long error)
    {
        error = Host.Stat(descriptor, out var stat);
        if (error < 0)
        {
            return null;
        }

        lock (_lock)
        {
            if (_files.TryGetValue((stat.Device, stat.Inode), out var known) && known.TryOpen() is { } opened)
            {
                return opened;
            }

            long own = Host.Duplicate(descriptor);
            if (own < 0)
            {
                error = own;
                return null;
            }

            // It lives by those who have opened it, and by its mappings.
            using var file = new HostFile(this, window, (int)own, path, stat);
            _files[file.Identity] = file;
            return file.Open();
        }
    }

    /// <summary>The file of an inode, if somebody has it mapped or open for mapping; not kept.</summary>
    internal HostFile? Find(in HostStat stat)
    {
        lock (_lock)
        {
            return _files.GetValueOrDefault((stat.Device, stat.Inode));
        }
    }

    /// <summary>The file has ended.</summary>
    internal void Remove(HostFile file)
    {
        lock (_lock)
        {
            if (_files.TryGetValue(file.Identity, out var known) && ReferenceEquals(known, file))
            {
                _files.Remove(file.Identity);
            }
        }
    }
}
