namespace Pando.Exec.Tasks;

/// <summary>A process's limits (getrlimit(2)). Safe for threads.</summary>
internal sealed class ResourceLimits
{
    /// <summary>The most open files that can be asked for.</summary>
    internal const int MostOpenFiles = 1 << 20;

    private const int Count = 16;
    private const int Stack = 3;
    private const int Core = 4;
    private const int OpenFiles = 7;

    private readonly (ulong Soft, ulong Hard)[] _limits = new (ulong, ulong)[Count];

    internal ResourceLimits()
    {
        Array.Fill(_limits, (ulong.MaxValue, ulong.MaxValue));
        _limits[Stack] = (8 << 20, ulong.MaxValue);
        _limits[Core] = (0, ulong.MaxValue);
        _limits[OpenFiles] = (1024, MostOpenFiles);
    }

    /// <summary>A copy (fork).</summary>
    internal ResourceLimits Copy()
    {
        var copy = new ResourceLimits();
        lock (_limits)
        {
            _limits.CopyTo(copy._limits, 0);
        }

        return copy;
    }

    /// <summary>A limit, by its number below 16; open files are what the table of descriptors has.</summary>
    internal (ulong Soft, ulong Hard) Get(int which, int openFiles)
    {
        lock (_limits)
        {
            return which == OpenFiles ? ((ulong)openFiles, _limits[which].Hard) : _limits[which];
        }
    }

    /// <summary>Sets it.</summary>
    internal void Set(int which, ulong soft, ulong hard)
    {
        lock (_limits)
        {
            _limits[which] = (soft, hard);
        }
    }
}
