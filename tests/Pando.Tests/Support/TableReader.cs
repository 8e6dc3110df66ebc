using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Support;

/// <summary>
/// Walks a space's tables as the x86-64 manual tells (SDM vol. 3A, 4.6): an access is allowed if every entry on the
/// way allows it, and no protection key denies it. It knows of entries only what their format says, and nothing of areas, files or owners.
/// </summary>
internal sealed class TableReader(EntryFormat format, PhysicalMemory memory) : ITranslator
{
    private readonly EntryFormat _format = format;
    private readonly PhysicalMemory _memory = memory;

    public EntryFormat Format => _format;

    public PhysicalAddress? Translate(AddressSpace space, VirtualAddress address, AccessKind access) =>
        Walk(space, address) is var (leaf, level, rights) && (rights & Wanted(access)) != 0
        && (access == AccessKind.Execute || _format.ProtectionKeyOf(leaf, level) != space.ExecuteOnlyKey)
            ? _format.TargetOf(leaf, level) + (long)(address.Value & (ulong)(_format.Geometry.EntrySpan(level) - 1))
            : null;

    /// <summary>The leaf that shows an address, the level of its table, and the rights of all entries on the way combined.</summary>
    public (Entry Leaf, int Level, Rights Rights)? Walk(AddressSpace space, VirtualAddress address)
    {
        var rights = Rights.All;
        var table = space.Root;
        for (int level = _format.Geometry.Levels; level >= Level.Pte; level--)
        {
            var entry = new Entry(_memory.EntryAt(table, _format.Geometry.Index(address.Value, level)));
            if (entry.IsNone)
            {
                return null;
            }

            rights &= _format.RightsOf(entry, level);
            if (_format.IsLeaf(entry, level))
            {
                return (entry, level, rights);
            }

            table = _memory.FrameAt(_format.TargetOf(entry, level));
        }

        throw new InvalidOperationException($"The walk to {address} ends in a slot at the lowest level.");
    }

    private static Rights Wanted(AccessKind access) => access switch
    {
        AccessKind.Read => Rights.Read,
        AccessKind.Write => Rights.Write,
        _ => Rights.Execute,
    };
}
