using Pando.Files;

namespace Pando.Exec.Memory;

/// <summary>A System V shared memory segment (shmget(2)): a file in the machine's RAM that programs attach.</summary>
/// <param name="id">Its number.</param>
/// <param name="key">Its key; 0 (IPC_PRIVATE) for none.</param>
/// <param name="file">Its memory.</param>
internal sealed class SharedSegment(int id, int key, MemoryFile file)
{
    /// <summary>Its number.</summary>
    internal int Id { get; } = id;

    /// <summary>Its key; none from the moment on that it is removed.</summary>
    internal int Key { get; set; } = key;

    /// <summary>Its memory.</summary>
    internal MemoryFile File { get; } = file;

    /// <summary>Permissions, and SHM_DEST once it is removed.</summary>
    internal int Mode { get; set; }

    /// <summary>Its size as it was asked for.</summary>
    internal long Size { get; init; }

    /// <summary>Who made it.</summary>
    internal int Maker { get; init; }

    /// <summary>Who attached or detached it last.</summary>
    internal int LastUser { get; set; }

    /// <summary>Seconds since 1970 of the last attach, detach, change.</summary>
    internal (long Attach, long Detach, long Change) Times { get; set; }

    /// <summary>How many mappings there are.</summary>
    internal long Attached => File.MappingCount;
}
