using Pando.Files;
using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>What to map: the arguments of mmap(2).</summary>
/// <param name="Length">Bytes, a size_t: a negative number is one from 2^63 on. Rounded up to whole pages.</param>
/// <param name="Rights">PROT_READ, PROT_WRITE, PROT_EXEC.</param>
public readonly record struct MapRequest(long Length, Rights Rights)
{
    /// <summary>The file; null for anonymous memory.</summary>
    public MappedFile? File
    {
        get => Opened?.File;
        init => Opened = value?.Own;
    }

    /// <summary>
    /// How the file was opened that is mapped: there msync and stores with MAP_SYNC report their errors. By default as whoever
    /// made it has it open.
    /// </summary>
    public OpenFile? Opened { get; init; }

    /// <summary>Where in the file the mapping begins; a multiple of 4 KiB.</summary>
    public long Offset { get; init; }

    /// <summary>MAP_SHARED if true, MAP_PRIVATE (copy on write) if not.</summary>
    public bool Shared { get; init; }

    /// <summary>The address; see <see cref="Placement"/>.</summary>
    public VirtualAddress Address { get; init; }

    /// <summary>What <see cref="Address"/> means.</summary>
    public MapPlacement Placement { get; init; }

    /// <summary>Whether to fault the pages in at once.</summary>
    public PopulateKind Populate { get; init; }

    /// <summary>How the file was opened: the most that a shared mapping may ask for, now or by mprotect.</summary>
    public Rights OpenedFor { get; init; } = Rights.All;

    /// <summary>MAP_SYNC (with MAP_SHARED_VALIDATE): a page is write-enabled only when the file's metadata is durable.</summary>
    public bool Synchronous { get; init; }

    /// <summary>MAP_LOCKED: as mlock right after.</summary>
    public bool Locked { get; init; }

    internal AreaTraits Traits => new(
        Rights,
        // A private mapping may always be written: what is written is a copy.
        File is null || Shared ? OpenedFor : OpenedFor | Rights.Write,
        (Shared ? AreaFlags.Shared : 0) | (Synchronous ? AreaFlags.Synchronous : 0) | (Locked ? AreaFlags.Locked : 0),
        ProtectionKey: 0,
        UserFaults: null);

    /// <summary>A shared mapping of a whole file.</summary>
    public static MapRequest SharedFile(MappedFile file, Rights rights)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new MapRequest(file.Size, rights) { File = file, Shared = true };
    }

    /// <summary>A private mapping of a whole file.</summary>
    public static MapRequest PrivateFile(MappedFile file, Rights rights)
    {
        ArgumentNullException.ThrowIfNull(file);
        return new MapRequest(file.Size, rights) { File = file };
    }

    /// <summary>Private anonymous memory.</summary>
    public static MapRequest Anonymous(long length, Rights rights) => new(length, rights);
}
