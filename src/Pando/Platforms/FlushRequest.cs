using Pando.Hardware;
using Pando.Tables;

namespace Pando.Platforms;

/// <summary>What a processor is to forget. Good for the call that it is an argument of.</summary>
public readonly ref struct FlushRequest
{
    private readonly object _asker;
    private readonly SharedTableOwner? _owner;

    internal FlushRequest(object asker, FlushKind kind, SpaceTables space, AddressRange range, bool upperEntries)
    {
        _asker = asker;
        Kind = kind;
        Space = space;
        Range = range;
        UpperEntries = upperEntries;
    }

    internal FlushRequest(object asker, SharedTableOwner owner, AddressRange everything)
    {
        _asker = asker;
        Kind = FlushKind.File;
        _owner = owner;
        Range = everything;
        UpperEntries = true;
    }

    /// <summary>Why it is asked.</summary>
    public FlushKind Kind { get; }

    /// <summary>The space, unless a file's entries have changed.</summary>
    public SpaceTables? Space { get; }

    /// <summary>The addresses, in bytes, of each space concerned. A larger page that overlaps them goes as a whole.</summary>
    public AddressRange Range { get; }

    /// <summary>Whether entries that point at tables have changed too: what is kept of those goes as well as leaves.</summary>
    public bool UpperEntries { get; }

    /// <summary>Whether something of a space is to be forgotten. Takes no lock.</summary>
    /// <exception cref="ArgumentNullException">There is no space.</exception>
    public bool Concerns(SpaceTables space)
    {
        ArgumentNullException.ThrowIfNull(space);
        return _owner is null ? ReferenceEquals(space, Space) : space.MayShow(_owner);
    }

    /// <summary>Answers: from here on no access uses what was to be forgotten.</summary>
    /// <param name="kept">Whether anything of a space concerned may have been kept; it is counted.</param>
    public FlushAnswer Answer(bool kept) => new(_asker, kept);
}
