using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>The engine's page tables of one space, as positions: what the kernel counts in VmPTE (tables of PTEs, PMDs and PUDs).</summary>
internal static class EngineTables
{
    /// <summary>How many there are.</summary>
    public static int Count(AddressSpace space) => space.TablesAt(Level.Pte) + space.TablesAt(Level.Pmd) + space.TablesAt(Level.Pud);

    /// <summary>Each as (level, first address / span).</summary>
    public static HashSet<(int Level, ulong Number)> Positions(AddressSpace space)
    {
        var found = new HashSet<(int, ulong)>();
        Collect(space, space.Root, space.Store.Format.Geometry.Levels, 0, found, null);
        return found;
    }

    /// <summary>The 2 MiB windows that have a table of PTEs without an entry.</summary>
    public static HashSet<ulong> EmptyWindows(AddressSpace space)
    {
        var empty = new HashSet<ulong>();
        Collect(space, space.Root, space.Store.Format.Geometry.Levels, 0, [], empty);
        return empty;
    }

    private static bool Collect(AddressSpace space, Frame table, int level, ulong start, HashSet<(int, ulong)> found, HashSet<ulong>? empty)
    {
        bool any = false;
        for (int i = 0; i < X64.Entries; i++)
        {
            var entry = space.Store.Read(table, i);
            if (entry.IsNone)
            {
                continue;
            }

            any = true;
            if (!space.Store.Format.IsSlot(entry, level) || space.Store.IsAttached(entry, level))
            {
                continue;
            }

            ulong at = start + ((ulong)i * (ulong)X64.EntrySpan(level));
            if (level <= Level.P4d)
            {
                found.Add((level - 1, at / (ulong)X64.EntrySpan(level)));
            }

            if (!Collect(space, space.Store.TableOf(entry, level), level - 1, at, found, empty) && level - 1 == Level.Pte)
            {
                empty?.Add(at);
            }
        }

        return any;
    }
}
