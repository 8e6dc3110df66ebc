using System.Numerics;
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>Checks a space: its areas, its tables, and that every leaf and slot shows what is mapped there and allows no more.</summary>
internal sealed class SpaceAudit(AuditState audit)
{
    private readonly TableStore _store = audit.Store;
    private readonly TableGeometry _geometry = audit.Store.Geometry;
    private readonly VirtualMemory _memory = audit.Memory;

    public void Check(AddressSpace space)
    {
        CheckAreas(space);
        CheckSpace(space);
    }

    private void CheckAreas(AddressSpace space)
    {
        var end = new VirtualAddress(0);
        foreach (var area in space.AreaSet.All)
        {
            audit.Expect(!area.Range.IsEmpty && area.Range.Start >= end && area.Range.End <= space.UserEnd.AlignUp(_geometry.PageSize), $"{space}: {area} is empty, out of order or out of range");
            audit.Expect(area.File is null || space.MayShow(area.File.Tables), $"{space}: {area}, but the space does not say that it shows the file");
            end = area.Range.End;
        }
    }

    private void CheckSpace(AddressSpace space)
    {
        int[] found = new int[Level.Pgd + 1];
        CheckSpaceTable(space, space.Root, _geometry.Levels, new VirtualAddress(0), found);
        if (_memory.KernelEntry is { } kernel)
        {
            // A processor may mark it as accessed.
            var entry = _store.Read(space.Root, kernel.Index);
            audit.Expect(
                entry == kernel.Entry || entry == _store.Format.Touched(kernel.Entry, _geometry.Levels, dirty: false),
                $"{space}: the root's entry {kernel.Index} is {entry}, the kernel's is {kernel.Entry}");
        }

        CheckProtectedPages(space);
        for (int level = Level.Pte; level <= Level.Pgd; level++)
        {
            audit.Expect(found[level] == space.TablesAt(level), $"{space} has {found[level]} {_store.Geometry.NameOf(level)} tables, but counts {space.TablesAt(level)}");
        }
    }

    /// <summary>What is protected lies where it may be, and counts right; leaves are looked at one by one.</summary>
    private void CheckProtectedPages(AddressSpace space)
    {
        // Frames with a bit for each of so many pages (of 4 KiB: for 128 MiB), and below five others that lead there.
        const int MostFrames = 6;
        long count = 0;
        var pages = space.ProtectedPages;
        var frames = new HashSet<ulong>();
        int shift = (2 * _geometry.PageShift) + BitOperations.Log2(8);
        pages.ForEach(page =>
        {
            count++;
            frames.Add(page.Value >> shift);
            var area = space.AreaSet.Find(page);
            audit.Expect(area is not null && (area.Traits.Flags & AreaFlags.UserWriteProtect) != 0, $"{space}: {page} is protected, where nothing is registered for it");
            audit.Expect(area is not { File: null } || !space.FindOwnLeaf(page).IsNone, $"{space}: {page} is protected, but the private page does not exist");
        });
        audit.Expect(count == pages.Count, $"{space}: {count} pages are protected, but it counts {pages.Count}");
        audit.Expect(
            pages.FrameCount >= frames.Count && pages.FrameCount <= MostFrames * frames.Count,
            $"{space}: pages are protected that need {frames.Count} frames of bits, but {pages.FrameCount} frames are kept for it");
    }

    private void CheckSpaceTable(AddressSpace space, Frame table, int level, VirtualAddress start, int[] found)
    {
        ref var record = ref _store.Memory.Record(table);
        audit.SpaceTableCount++;
        found[level]++;
        audit.Expect(audit.Tables.Add(table.Number), $"{space}: {table} is reached twice");
        audit.Expect(
            record.Kind == FrameKind.SpaceTable && record.Owner == space.Id && record.Level == level && (ulong)record.Origin == start.Value && record.Lock == 0,
            $"{audit.Describe(table)} is not a free table of level {level} of {space} from {start}");
        audit.Expect(
            level == _geometry.Levels || !space.AreaSet.Overlapping(AddressRange.FromLength(start, _geometry.TableSpan(level))).IsEmpty,
            $"{space}: the {_store.Geometry.NameOf(level)} table from {start} spans nothing that is mapped");
        CheckParts(space, table, level, AddressRange.FromLength(start, _geometry.TableSpan(level)));
        int anonymous = 0;
        foreach (int index in audit.UsedEntries(table))
        {
            if (level == _geometry.Levels && _memory.KernelEntry?.Index == index)
            {
                continue;
            }

            var span = AddressRange.FromLength(start + (index * _geometry.EntrySpan(level)), _geometry.EntrySpan(level));
            anonymous += CheckSpaceEntry(space, table, _store.Read(table, index), level, span, found) ? 1 : 0;
        }

        int counted = record.AnonymousLeaves;
        audit.Expect(counted == anonymous, $"{space}: {audit.Describe(table)} has {anonymous} anonymous leaves, but counts {counted}");
    }

    /// <returns>Whether the entry is a leaf that shows an anonymous frame.</returns>
    private bool CheckSpaceEntry(AddressSpace space, Frame table, Entry entry, int level, AddressRange span, int[] found)
    {
        if (_store.Format.IsLeaf(entry, level))
        {
            return CheckSpaceLeaf(space, table, entry, level, span);
        }

        if (!_store.Format.IsSlot(entry, level))
        {
            audit.Expect(false, $"{space}: {entry} at {span} is neither leaf nor slot");
        }
        else if (_store.IsAttached(entry, level))
        {
            CheckAttached(space, entry, level, span);
        }
        else
        {
            audit.Expect(_store.Format.RightsOf(entry, level) == Rights.All, $"{space}: the slot of a private table at {span} takes rights away");
            CheckSpaceTable(space, _store.TableOf(entry, level), level - 1, span.Start, found);
        }

        return false;
    }

    /// <returns>Whether the leaf shows an anonymous frame.</returns>
    private bool CheckSpaceLeaf(AddressSpace space, Frame table, Entry leaf, int level, AddressRange span)
    {
        audit.LeafCount++;
        if (space.AreaSet.Find(span.Start) is not { } area || !MapsOn(space, area, span))
        {
            audit.Expect(false, $"{space}: a leaf at {span} where no area maps all of it");
            return false;
        }

        audit.Expect(area.File is null || IsFound(table, area.File, span, area.Delta), $"{space}: the leaf at {span} is not found by '{area.File?.Name}'");
        var rights = _store.Format.RightsOf(leaf, level);
        audit.Expect(_store.Format.ProtectionKeyOf(leaf, level) == area.Traits.ProtectionKey, $"{space}: the leaf at {span} has key {_store.Format.ProtectionKeyOf(leaf, level)}, {area} has {area.Traits.ProtectionKey}");
        var frame = _store.AnonymousFrameOf(leaf, level);
        audit.Expect((rights & Rights.Write) == 0 || space.ProtectedPages.CountIn(span) == 0, $"{space}: the leaf at {span} lets protected pages be stored to");
        if (!frame.IsNone)
        {
            if (level > Level.Pte || !_store.Memory.IsRam(_store.Memory.AddressOf(frame)) || _store.Memory.Record(frame).Kind != FrameKind.Anonymous)
            {
                audit.Expect(false, $"{space}: the leaf at {span} says that it shows private memory, but shows {_store.Format.TargetOf(leaf, level)}");
                return true;
            }

            audit.References[frame.Number] = audit.References.GetValueOrDefault(frame.Number) + 1;
            audit.Expect(!area.IsShared, $"{space}: an anonymous frame at {span} in a shared mapping");
            audit.Expect((rights & ~_store.Format.Effective(area.Rights)) == 0, $"{space}: the leaf at {span} allows {rights}, {area} does not");
            audit.Expect((rights & Rights.Write) == 0 || _store.Memory.Record(frame).References == 1, $"{space}: a writable leaf at {span} shows {frame}, which has {_store.Memory.Record(frame).References} references");
            return true;
        }

        audit.Expect((rights & ~area.FileRights(_store.Format)) == 0, $"{space}: the leaf at {span} allows {rights}, {area} does not");
        var target = _store.Format.TargetOf(leaf, level);
        if (area.File is null)
        {
            audit.Expect(target == _memory.ZeroPageAddress && (rights & Rights.Write) == 0, $"{space}: the leaf at {span} shows {target}, which is neither anonymous nor a read-only page of zeroes");
            return false;
        }

        audit.CheckFileLeaf(area.File, target, rights, (long)span.Start.Value + area.Delta, span.Length, new AuditedLeaf(space, span.Start, null, default, 0));
        return false;
    }

    /// <summary>Whether an area, and others that show the same file on in the same way, map all of a span.</summary>
    private static bool MapsOn(AddressSpace space, Area first, AddressRange span)
    {
        var end = first.Range.Start;
        foreach (var area in space.AreaSet.Overlapping(span))
        {
            if (area != first && (area.Range.Start != end || !first.IsInLineWith(area)))
            {
                return false;
            }

            end = area.Range.End;
        }

        return end >= span.End;
    }

    private void CheckAttached(AddressSpace space, Entry slot, int level, AddressRange span)
    {
        var table = _store.TableOf(slot, level);
        audit.CountSlot(table);
        if (!space.AreaSet.TryGetWindow(span, out var area, out long windowStart, out long windowEnd))
        {
            audit.Expect(false, $"{space}: {audit.Describe(table)} is attached at {span}, which is not one window of a file");
            return;
        }

        var key = TableKey.For(_geometry, level - 1, (long)span.Start.Value + area.Delta, windowStart, windowEnd, area.ClassFor(_store.Format));
        audit.Expect(_memory.MayShare(level - 1), $"{space}: a table of level {level - 1} is attached at {span}, where that level is not to be shared");
        audit.Expect(FileTables.KeyOf(_store, table) == key, $"{space}: attached at {span} is the {FileTables.KeyOf(_store, table)}, mapped is the {key}");
        audit.Expect(_store.Memory.Record(table).Owner == area.File!.Tables.Id, $"{space}: {audit.Describe(table)} at {span} belongs to another file than '{area.File!.Name}'");
        var rights = _store.Format.HasSlotRights ? area.FileRights(_store.Format) : Rights.All;
        audit.Expect(_store.Format.RightsOf(slot, level) == rights, $"{space}: the slot at {span} allows {_store.Format.RightsOf(slot, level)}, {area} wants {rights}");
    }

    /// <summary>What files find a table of a space by: each part is one that is mapped there, and stands in the file's reverse map.</summary>
    private void CheckParts(AddressSpace space, Frame table, int level, AddressRange span)
    {
        var all = _store.Parts.All(table);
        var shown = new List<AddressRange>(all.Count);
        foreach (var (owner, part) in all)
        {
            var key = part.Key;
            if (owner is not FileTables { File: var file } || key.Table != table || key.Level != level)
            {
                audit.Expect(false, $"{space}: {audit.Describe(table)} has a part of {owner} that is another's");
                continue;
            }

            audit.Parts[file] = audit.Parts.GetValueOrDefault(file) + 1;
            audit.Expect(file.Tables.ReverseMap.TryGetEnd(key, out long end) && end == part.End, $"{space}: the reverse map of '{file.Name}' lacks 0x{key.Start:x} to 0x{part.End:x} in {table}");
            long toAddress = (long)span.Start.Value - key.Origin;
            var range = new AddressRange(new VirtualAddress((ulong)(key.Start + toAddress)), new VirtualAddress((ulong)(part.End + toAddress)));
            audit.Expect(!range.IsEmpty && span.Contains(range), $"{space}: '{file.Name}' finds {table}, which spans {span}, by {range}");
            audit.Expect(!shown.Exists(range.Overlaps), $"{space}: '{file.Name}' finds {table} twice by {range}");
            shown.Add(range);
            var at = range.Start;
            foreach (var area in space.AreaSet.Overlapping(range))
            {
                bool isSame = area.File == file && area.Delta == -toAddress && area.Range.Start <= at;
                audit.Expect(isSame, $"{space}: '{file.Name}' finds {table} by {range}, where {area} is mapped");
                at = area.Range.End;
            }

            audit.Expect(at >= range.End, $"{space}: '{file.Name}' finds {table} by {range}, of which not all is mapped");
        }
    }

    /// <summary>Whether the file finds all of a leaf of a space's own table.</summary>
    private bool IsFound(Frame table, MappedFile file, AddressRange span, long delta)
    {
        var at = span.Start;
        while (at < span.End
            && _store.Parts.TryFind(table, at, out var owner, out var part)
            && owner == file.Tables
            && part.Key.Origin - _store.Memory.Record(table).Origin == delta)
        {
            at = new VirtualAddress((ulong)(part.End - delta));
        }

        return at >= span.End;
    }
}
