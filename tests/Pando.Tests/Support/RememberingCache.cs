using Pando.Hardware;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests.Support;

/// <summary>
/// The worst processor that is allowed: it keeps every translation it has ever seen until it is told to drop it. What
/// it holds must at any rest point still be what the tables say.
/// </summary>
internal sealed class RememberingCache(TableReader reader) : ITranslationCache
{
    private readonly TableReader _reader = reader;
    private readonly EntryFormat _format = reader.Format;
    private readonly Dictionary<(SpaceTables Space, ulong Page), (PhysicalAddress Place, Rights Rights, int Key)> _held = [];

    /// <summary>Remembers how an address is translated, if it is.</summary>
    public void See(AddressSpace space, VirtualAddress address)
    {
        if (_reader.Walk(space, address) is { } found)
        {
            _held[(space, _format.Geometry.PageStart(address).Value)] = (Place(address, found), found.Rights, KeyOf(found));
        }
    }

    /// <summary>The first translation that is held though the tables do not give it any more; null if there is none.</summary>
    public string? FindStale()
    {
        foreach (var ((space, page), (place, rights, key)) in _held)
        {
            var address = new VirtualAddress(page);
            if (_reader.Walk((AddressSpace)space, address) is not { } found || Place(address, found) != place || (rights & ~found.Rights) != 0 || key != KeyOf(found))
            {
                return $"a processor still holds {space}, {address}: {place}, {rights}, key {key}, which the tables do not say any more";
            }
        }

        return null;
    }

    public bool Drop(SpaceTables space, AddressRange range, bool tables) =>
        Remove(key => key.Space == space && range.Overlaps(AddressRange.FromLength(new VirtualAddress(key.Page), _format.Geometry.PageSize)));

    public bool Forget(SpaceTables space) => Remove(key => key.Space == space);

    public bool DropShared(SharedTableOwner owner) => Remove(key => key.Space.MayShow(owner));

    private int KeyOf((Entry Leaf, int Level, Rights Rights) found) => _format.ProtectionKeyOf(found.Leaf, found.Level);

    private PhysicalAddress Place(VirtualAddress address, (Entry Leaf, int Level, Rights Rights) found) =>
        _format.TargetOf(found.Leaf, found.Level) + (long)(_format.Geometry.PageStart(address).Value & (ulong)(_format.Geometry.EntrySpan(found.Level) - 1));

    private bool Remove(Predicate<(SpaceTables Space, ulong Page)> which)
    {
        var keys = _held.Keys.Where(key => which(key)).ToList();
        keys.ForEach(key => _held.Remove(key));
        return keys.Count > 0;
    }
}
