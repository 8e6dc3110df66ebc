namespace Pando.FileSystems;

/// <summary>What stat(2) would say of an inode.</summary>
public sealed record FileStatus
{
    private const int TypeShift = 12;

    /// <summary>The inode's number.</summary>
    public required ulong Number { get; init; }

    /// <summary>Type and rights, as in stat(2).</summary>
    public required int Mode { get; init; }

    /// <summary>Names that lead to it.</summary>
    public required long Links { get; init; }

    /// <summary>The owner's number.</summary>
    public required uint User { get; init; }

    /// <summary>The group's number.</summary>
    public required uint Group { get; init; }

    /// <summary>Bytes.</summary>
    public required long Size { get; init; }

    /// <summary>Units of 512 bytes that are taken, as the inode says.</summary>
    public required long Blocks { get; init; }

    /// <summary>Of a device: major and minor number as Linux's 32-bit dev_t; else 0.</summary>
    public uint Device { get; init; }

    /// <summary>When it was read last.</summary>
    public required FileTime Accessed { get; init; }

    /// <summary>When its contents changed last.</summary>
    public required FileTime Modified { get; init; }

    /// <summary>When the inode changed last.</summary>
    public required FileTime Changed { get; init; }

    /// <summary>Why nothing of it may be stored to.</summary>
    public required StoreRefusal StoreRefusal { get; init; }

    /// <summary>What it is.</summary>
    public FileKind Kind => (Mode >> TypeShift) is var type && Enum.IsDefined((FileKind)type) ? (FileKind)type : FileKind.Unknown;
}
