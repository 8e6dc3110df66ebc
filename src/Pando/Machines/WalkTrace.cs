using System.Text;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>The walk of an address as text, for error reports. It changes nothing: no marks are set.</summary>
internal static class WalkTrace
{
    /// <summary>
    /// Reads the entries on the way to an address, the root's first, up to the first that leads no further. The
    /// caller keeps the tables from being freed.
    /// </summary>
    /// <returns>How many entries were read.</returns>
    public static int Read(TableStore store, Frame root, VirtualAddress address, Span<Entry> entries)
    {
        var table = root;
        int count = 0;
        for (int level = store.Geometry.Levels; level >= Level.Pte; level--)
        {
            var entry = store.Read(table, store.Geometry.Index(address.Value, level));
            entries[count++] = entry;
            if (!store.Format.IsSlot(entry, level) || !store.Memory.IsRam(store.Format.TargetOf(entry, level)))
            {
                break;
            }

            table = store.TableOf(entry, level);
        }

        return count;
    }

    /// <summary>Says what the entries mean, one line each.</summary>
    public static string Describe(EntryFormat format, PhysicalAddress root, VirtualAddress address, ReadOnlySpan<Entry> entries)
    {
        var text = new StringBuilder().Append("walk of ").Append(address).Append(" from the root at ").Append(root)
            .Append(" (").Append(format).Append(')');
        var rights = Rights.All;
        for (int i = 0; i < entries.Length; i++)
        {
            int level = format.Geometry.Levels - i;
            var entry = entries[i];
            bool isLeaf = format.IsLeaf(entry, level);
            text.AppendLine().Append("  ").Append(format.Geometry.NameOf(level)).Append('[').Append(format.Geometry.Index(address.Value, level)).Append("] ")
                .Append(entry).Append(": ");
            if (!isLeaf && !format.IsSlot(entry, level))
            {
                return text.Append(entry.IsNone ? "nothing" : "not present").ToString();
            }

            text.Append(isLeaf ? "leaf to " : "table at ").Append(format.TargetOf(entry, level));
            rights &= format.RightsOf(entry, level);
            if (isLeaf || format.HasSlotRights)
            {
                text.Append(", ").Append(format.RightsOf(entry, level));
            }

            text.Append(format.IsAccessed(entry, level) ? ", accessed" : "")
                .Append(format.IsDirty(entry, level) ? ", dirty" : "")
                .Append(format.HasReservedBits(entry, level) ? ", reserved bits set" : "");
        }

        return text.AppendLine().Append("  together: ").Append(rights).ToString();
    }
}
