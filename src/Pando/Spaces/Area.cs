using Pando.Files;
using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>
/// A range of a space's addresses that is mapped in one way (Linux: a VMA). Immutable, but for
/// where it stands in its set; changing an area means to replace it.
/// </summary>
internal sealed class Area(AddressSpace space, AddressRange range, AreaTraits traits, OpenFile? opened, long offset)
{
    /// <summary>Where the area stands in its set.</summary>
    public AreaLinks Links;

    public AddressSpace Space { get; } = space;

    public AddressRange Range { get; } = range;

    public AreaTraits Traits { get; } = traits;

    /// <summary>What was asked for.</summary>
    public Rights Rights => Traits.Rights;

    public bool IsShared => Traits.IsShared;

    /// <summary>Whether spans of the area may be attached to the file's tables.</summary>
    public bool CanAttach => File is not null && !Traits.NeedsOwnTables;

    /// <summary>The file; null for private anonymous memory.</summary>
    public MappedFile? File { get; } = opened?.File;

    /// <summary>How the file was opened that is mapped (Linux: vm_file); null for private anonymous memory.</summary>
    public OpenFile? Opened { get; } = opened;

    /// <summary>The file offset at the start.</summary>
    public long Offset { get; } = offset;

    /// <summary>What is added to a virtual address to get the file offset.</summary>
    public long Delta => Offset - (long)Range.Start.Value;

    public long FileStart => Offset;

    public long FileEnd => Offset + Range.Length;

    /// <summary>
    /// The rights of a slot or a leaf that shows the file itself: a private mapping may not write to it.
    /// </summary>
    public Rights FileRights(EntryFormat format) => format.Effective(Rights) & (IsShared ? Rights.All : ~Rights.Write);

    /// <summary>What the area demands of tables that it attaches to.</summary>
    public TableClass ClassFor(EntryFormat format) => new(
        (Traits.Flags & AreaFlags.Synchronous) != 0,
        MemoryType.WriteBack,
        Traits.ProtectionKey,
        format.HasSlotRights ? Rights.All : FileRights(format));

    /// <summary>Whether an access is allowed, where the hardware gives what it gives with the rights (x86: what may be executed can be read).</summary>
    public bool Allows(AccessKind access, EntryFormat format)
    {
        var needed = access switch
        {
            AccessKind.Read => Rights.Read,
            AccessKind.Write => Rights.Write,
            _ => Rights.Execute,
        };
        return (format.Effective(Rights) & needed) != 0;
    }

    /// <summary>The part of the area in <paramref name="part"/>.</summary>
    public Area Slice(AddressRange part) => new(Space, part, Traits, Opened, File is null ? 0 : Offset + (part.Start - Range.Start));

    /// <summary>The same area with other traits.</summary>
    public Area With(AreaTraits traits) => new(Space, Range, traits, Opened, Offset);

    /// <summary>
    /// Whether <paramref name="next"/>, which begins where this ends, maps on in the same way, so that the two are one area.
    /// Those of files with fixed pages stay apart, as on Linux (hugetlbfs: VM_DONTEXPAND); they may stand in one window all the same.
    /// </summary>
    public bool ContinuesIn(Area next) =>
        Range.End == next.Range.Start
        && File is not { HasFixedPages: true }
        && Traits == next.Traits
        && Opened == next.Opened
        && (File is null || Delta == next.Delta);

    /// <summary>Whether another area shows the same file in the same way, so that both may stand in one window.</summary>
    public bool IsInLineWith(Area other) =>
        File == other.File && Delta == other.Delta && Traits.TranslatesLike(other.Traits);

    public AreaInfo Info => new(Range, Rights, Traits.Flags, File, Offset, Traits.ProtectionKey);

    public override string ToString() => $"{Range} {Rights} {(IsShared ? "shared" : "private")} {File?.Name ?? "anonymous"}+0x{Offset:x}";
}
