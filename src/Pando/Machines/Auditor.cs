using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>
/// Walks a whole machine at rest and checks every invariant of the design: whose each table is, that every leaf shows
/// what it should and no more rights than it may, that attached spans equal their windows, that counts equal what is
/// counted, and that every frame in use is accounted for.
/// </summary>
internal sealed class Auditor(Machine machine)
{
    private const int MostViolations = 100;

    private readonly TableStore _store = machine.Store;
    private readonly VirtualMemory _memory = machine.VirtualMemory;
    private readonly List<string> _violations = [];

    // Slots that point at a frame, by its number.
    private readonly int[] _slots = new int[machine.Store.Frames.HighWater];
    private readonly Dictionary<int, int> _references = [];
    private readonly HashSet<int> _tables = [];

    // Parts of files that tables of spaces have.
    private readonly Dictionary<MappedFile, int> _parts = [];
    private int _spaceTables;
    private int _fileTables;
    private long _slotCount;
    private long _leaves;

    public AuditReport Run()
    {
        var owners = _store.Owners.Snapshot();
        foreach (var space in owners.OfType<AddressSpace>())
        {
            CheckAreas(space);
            CheckSpace(space);
        }

        foreach (var tables in owners.OfType<FileTables>())
        {
            CheckFile(tables);
            CheckReverseMap(tables.File);
            CheckLayout(tables.File);
        }

        foreach (var device in machine.Devices)
        {
            foreach (string violation in new DeviceAudit(device).Violations())
            {
                Expect(false, $"{violation}");
            }
        }

        CheckCounts();
        CheckFrames(owners);
        CheckTranslations();
        Expect(_store.OpenGathers == 0, $"{_store.OpenGathers} flush gathers were begun and not finished");
        return new AuditReport(_violations, _spaceTables, _fileTables, _slotCount, _leaves);
    }

    /// <summary>Notes a violation. Its words are put together only if there is one: a large world has many millions of checks.</summary>
    private void Expect(bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] ViolationText violation)
    {
        if (!holds && _violations.Count < MostViolations)
        {
            _violations.Add(violation.ToString());
        }
    }

    private void CheckAreas(AddressSpace space)
    {
        var end = new VirtualAddress(0);
        foreach (var area in space.AreaSet.All)
        {
            Expect(!area.Range.IsEmpty && area.Range.Start >= end && area.Range.End <= space.UserEnd.AlignUp(Level.PageSize), $"{space}: {area} is empty, out of order or out of range");
            Expect(area.File is null || space.MayShow(area.File.Tables), $"{space}: {area}, but the space does not say that it shows the file");
            end = area.Range.End;
        }
    }

    private void CheckSpace(AddressSpace space)
    {
        int[] found = new int[Level.Pgd + 1];
        CheckSpaceTable(space, space.Root, _store.Format.Levels, new VirtualAddress(0), found);
        if (_memory.KernelEntry is { } kernel)
        {
            // A processor may mark it as accessed.
            var entry = _store.Read(space.Root, kernel.Index);
            Expect(
                entry == kernel.Entry || entry == _store.Format.Touched(kernel.Entry, _store.Format.Levels, dirty: false),
                $"{space}: the root's entry {kernel.Index} is {entry}, the kernel's is {kernel.Entry}");
        }

        CheckProtectedPages(space);
        for (int level = Level.Pte; level <= Level.Pgd; level++)
        {
            Expect(found[level] == space.TablesAt(level), $"{space} has {found[level]} {Level.Name(level)} tables, but counts {space.TablesAt(level)}");
        }
    }

    /// <summary>What is protected lies where it may be, and counts right; leaves are looked at one by one.</summary>
    private void CheckProtectedPages(AddressSpace space)
    {
        long count = 0;
        var pages = space.ProtectedPages;
        pages.ForEach(page =>
        {
            count++;
            var area = space.AreaSet.Find(page);
            Expect(area is not null && (area.Traits.Flags & AreaFlags.UserWriteProtect) != 0, $"{space}: {page} is protected, where nothing is registered for it");
            Expect(area is not { File: null } || !space.OwnLeaf(page).IsNone, $"{space}: {page} is protected, but the private page does not exist");
        });
        Expect(count == pages.Count, $"{space}: {count} pages are protected, but it counts {pages.Count}");
        Expect(count > 0 || pages.FrameCount == 0, $"{space}: no page is protected, but {pages.FrameCount} frames are kept for it");
    }

    private void CheckSpaceTable(AddressSpace space, Frame table, int level, VirtualAddress start, int[] found)
    {
        ref var record = ref _store.Memory.Record(table);
        _spaceTables++;
        found[level]++;
        Expect(_tables.Add(table.Number), $"{space}: {table} is reached twice");
        Expect(
            record.Kind == FrameKind.SpaceTable && record.Owner == space.Id && record.Level == level && (ulong)record.Origin == start.Value && record.Lock == 0,
            $"{Describe(table)} is not a free table of level {level} of {space} from {start}");
        Expect(
            level == _store.Format.Levels || !space.AreaSet.Overlapping(AddressRange.FromLength(start, Level.TableSpan(level))).IsEmpty,
            $"{space}: the {Level.Name(level)} table from {start} spans nothing that is mapped");
        CheckParts(space, table, level, AddressRange.FromLength(start, Level.TableSpan(level)));
        int anonymous = 0;
        foreach (int index in UsedEntries(table))
        {
            if (level == _store.Format.Levels && _memory.KernelEntry?.Index == index)
            {
                continue;
            }

            var span = AddressRange.FromLength(start + (index * Level.EntrySpan(level)), Level.EntrySpan(level));
            anonymous += CheckSpaceEntry(space, table, _store.Read(table, index), level, span, found) ? 1 : 0;
        }

        int counted = record.AnonymousLeaves;
        Expect(counted == anonymous, $"{space}: {Describe(table)} has {anonymous} anonymous leaves, but counts {counted}");
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
            Expect(false, $"{space}: {entry} at {span} is neither leaf nor slot");
        }
        else if (_store.IsAttached(entry, level))
        {
            CheckAttached(space, entry, level, span);
        }
        else
        {
            Expect(_store.Format.RightsOf(entry, level) == Rights.All, $"{space}: the slot of a private table at {span} takes rights away");
            CheckSpaceTable(space, _store.TableOf(entry, level), level - 1, span.Start, found);
        }

        return false;
    }

    /// <summary>The indexes of the entries that are not empty: most tables hold few, and an audit visits all of them.</summary>
    private List<int> UsedEntries(Frame table)
    {
        var used = new List<int>();
        var entries = _store.Memory.TableEntries(table);
        for (int index = entries.IndexOfAnyExcept(0UL); index >= 0;)
        {
            used.Add(index);
            int next = entries[(index + 1)..].IndexOfAnyExcept(0UL);
            index = next < 0 ? -1 : index + 1 + next;
        }

        return used;
    }

    /// <returns>Whether the leaf shows an anonymous frame.</returns>
    private bool CheckSpaceLeaf(AddressSpace space, Frame table, Entry leaf, int level, AddressRange span)
    {
        _leaves++;
        if (space.AreaSet.Find(span.Start) is not { } area || !MapsOn(space, area, span))
        {
            Expect(false, $"{space}: a leaf at {span} where no area maps all of it");
            return false;
        }

        Expect(area.File is null || IsFound(table, area.File, span, area.Delta), $"{space}: the leaf at {span} is not found by '{area.File?.Name}'");
        var rights = _store.Format.RightsOf(leaf, level);
        Expect(_store.Format.ProtectionKeyOf(leaf, level) == area.Traits.ProtectionKey, $"{space}: the leaf at {span} has key {_store.Format.ProtectionKeyOf(leaf, level)}, {area} has {area.Traits.ProtectionKey}");
        var frame = _store.AnonymousFrameOf(leaf, level);
        Expect((rights & Rights.Write) == 0 || space.ProtectedPages.CountIn(span) == 0, $"{space}: the leaf at {span} lets protected pages be stored to");
        if (!frame.IsNone)
        {
            if (level > Level.Pte || !_store.Memory.IsRam(frame.Address) || _store.Memory.Record(frame).Kind != FrameKind.Anonymous)
            {
                Expect(false, $"{space}: the leaf at {span} says that it shows private memory, but shows {_store.Format.TargetOf(leaf, level)}");
                return true;
            }

            _references[frame.Number] = _references.GetValueOrDefault(frame.Number) + 1;
            Expect(!area.IsShared, $"{space}: an anonymous frame at {span} in a shared mapping");
            Expect((rights & ~_store.Format.Effective(area.Rights)) == 0, $"{space}: the leaf at {span} allows {rights}, {area} does not");
            Expect((rights & Rights.Write) == 0 || _store.Memory.Record(frame).References == 1, $"{space}: a writable leaf at {span} shows {frame}, which has {_store.Memory.Record(frame).References} references");
            return true;
        }

        Expect((rights & ~area.FileRights(_store.Format)) == 0, $"{space}: the leaf at {span} allows {rights}, {area} does not");
        var target = _store.Format.TargetOf(leaf, level);
        if (area.File is null)
        {
            Expect(target == _memory.ZeroPage.Address && (rights & Rights.Write) == 0, $"{space}: the leaf at {span} shows {target}, which is neither anonymous nor a read-only page of zeroes");
            return false;
        }

        CheckFileLeaf(area.File, target, rights, (long)span.Start.Value + area.Delta, span.Length, new Place(space, span.Start, null, default, 0));
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
        CountSlot(table);
        if (!space.AreaSet.TryGetWindow(span, out var area, out long windowStart, out long windowEnd))
        {
            Expect(false, $"{space}: {Describe(table)} is attached at {span}, which is not one window of a file");
            return;
        }

        var key = TableKey.For(level - 1, (long)span.Start.Value + area.Delta, windowStart, windowEnd, area.ClassFor(_store.Format));
        Expect(_memory.MayShare(level - 1), $"{space}: a table of level {level - 1} is attached at {span}, where that level is not to be shared");
        Expect(FileTables.KeyOf(_store, table) == key, $"{space}: attached at {span} is the {FileTables.KeyOf(_store, table)}, mapped is the {key}");
        Expect(_store.Memory.Record(table).Owner == area.File!.Tables.Id, $"{space}: {Describe(table)} at {span} belongs to another file than '{area.File!.Name}'");
        Expect(_store.Format.RightsOf(slot, level) == area.FileRights(_store.Format), $"{space}: the slot at {span} allows {_store.Format.RightsOf(slot, level)}, {area} allows {area.FileRights(_store.Format)}");
    }

    private void CheckFile(FileTables tables)
    {
        int[] found = new int[Level.Pgd + 1];
        foreach (var table in tables.All())
        {
            var key = tables.KeyOf(table);
            ref var record = ref _store.Memory.Record(table);
            _fileTables++;
            found[key.Level]++;
            Expect(tables.Find(key) == table, $"'{tables.FileName}': its index has {tables.Find(key)} for the {key}, which is {table}");
            Expect(_tables.Add(table.Number), $"'{tables.FileName}': {table} is reached twice");
            Expect(
                record.Kind == FrameKind.FileTable && record.Owner == tables.Id && record.Lock == 0 && record.AttachCount >= 0 && record.AnonymousLeaves == 0,
                $"{Describe(table)} is not a free table of '{tables.FileName}'");
            foreach (int index in UsedEntries(table))
            {
                var entry = _store.Read(table, index);
                long offset = key.Origin + (index * Level.EntrySpan(key.Level));
                if (_store.Format.IsSlot(entry, key.Level))
                {
                    var child = _store.TableOf(entry, key.Level);
                    CountSlot(child);
                    Expect(
                        _store.Memory.Record(child).Kind == FrameKind.FileTable && _store.Memory.Record(child).Owner == tables.Id && tables.KeyOf(child) == key.Child(index),
                        $"'{tables.FileName}': entry {index} of the {key} leads to {Describe(child)}, not to the {key.Child(index)}");
                    Expect(_store.Format.RightsOf(entry, key.Level) == Rights.All, $"'{tables.FileName}': a slot of the {key} takes rights away");
                    continue;
                }

                _leaves++;
                long size = Level.EntrySpan(key.Level);
                Expect(_store.AnonymousFrameOf(entry, key.Level).IsNone, $"'{tables.FileName}': entry {index} of the {key} says that it shows private memory");
                Expect(offset >= key.WindowStart && offset + size <= key.WindowEnd, $"'{tables.FileName}': entry {index} of the {key} shows something outside of the window");
                var rights = _store.Format.RightsOf(entry, key.Level);
                Expect((rights | Rights.Write) == key.Class.LeafRights, $"'{tables.FileName}': entry {index} of the {key} allows {rights}");
                Expect(_store.Format.ProtectionKeyOf(entry, key.Level) == key.Class.ProtectionKey, $"'{tables.FileName}': entry {index} of the {key} has key {_store.Format.ProtectionKeyOf(entry, key.Level)}");
                CheckFileLeaf(tables.File, _store.Format.TargetOf(entry, key.Level), rights, offset, size, new Place(null, default, tables, key, index));
            }
        }

        for (int level = Level.Pte; level <= Level.Pgd; level++)
        {
            Expect(found[level] == tables.TablesAt(level), $"'{tables.FileName}' has {found[level]} {Level.Name(level)} tables, but counts {tables.TablesAt(level)}");
        }
    }

    private void CheckFileLeaf(MappedFile file, PhysicalAddress target, Rights rights, long offset, long size, in Place what)
    {
        for (long at = 0; at < size; at += size > Level.PageSize ? size - Level.PageSize : size)
        {
            var place = file.Locate(offset + at);
            Expect(place == target + at, $"{what} shows {target + at} for offset 0x{offset + at:x} of '{file.Name}', which lies at {place}");
        }

        Expect((rights & Rights.Write) == 0 || target != _memory.ZeroPage.Address, $"{what} lets the page of zeroes be written");
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
                Expect(false, $"{space}: {Describe(table)} has a part of {owner} that is another's");
                continue;
            }

            _parts[file] = _parts.GetValueOrDefault(file) + 1;
            Expect(file.Tables.ReverseMap.TryGetEnd(key, out long end) && end == part.End, $"{space}: the reverse map of '{file.Name}' lacks 0x{key.Start:x} to 0x{part.End:x} in {table}");
            long toAddress = (long)span.Start.Value - key.Origin;
            var range = new AddressRange(new VirtualAddress((ulong)(key.Start + toAddress)), new VirtualAddress((ulong)(part.End + toAddress)));
            Expect(!range.IsEmpty && span.Contains(range), $"{space}: '{file.Name}' finds {table}, which spans {span}, by {range}");
            Expect(!shown.Exists(range.Overlaps), $"{space}: '{file.Name}' finds {table} twice by {range}");
            shown.Add(range);
            var at = range.Start;
            foreach (var area in space.AreaSet.Overlapping(range))
            {
                bool isSame = area.File == file && area.Delta == -toAddress && area.Range.Start <= at;
                Expect(isSame, $"{space}: '{file.Name}' finds {table} by {range}, where {area} is mapped");
                at = area.Range.End;
            }

            Expect(at >= range.End, $"{space}: '{file.Name}' finds {table} by {range}, of which not all is mapped");
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

    private void CheckReverseMap(MappedFile file)
    {
        var map = file.Tables.ReverseMap;
        int found = 0;
        for (int level = Level.Pte; level <= Level.Pgd; level++)
        {
            for (var at = PartKey.FirstOf(level); map.TryGetNext(at, long.MinValue, long.MaxValue, out var key); at = key)
            {
                found++;
            }
        }

        int known = _parts.GetValueOrDefault(file);
        Expect(found == known && map.Count == known, $"'{file.Name}': tables of spaces have {known} parts of it, {found} stand in its reverse map, which counts {map.Count}");
    }

    private void CheckLayout(MappedFile file)
    {
        Expect(!file.IsChanging, $"'{file.Name}': its layout is being changed, or what was written is being written back");
        foreach (var (offset, length) in file is DaxFile { Dirty: { IsCoarse: false } dirty } ? dirty.Marked() : [])
        {
            Expect(((DaxFile)file).HasStorage(offset, offset + length), $"'{file.Name}': 0x{offset:x} to 0x{offset + length:x} count as written, and not all of it has storage");
        }
    }

    /// <summary>No processor remembers what the tables do not say: everything that was taken away has been flushed.</summary>
    private void CheckTranslations()
    {
        foreach (var processor in _store.Shootdown.Processors.OfType<SoftwareProcessor>())
        {
            foreach (var cached in processor.Snapshot())
            {
                var table = cached.Space.Root;
                var rights = Rights.All;
                int level = _store.Format.Levels;
                var entry = Entry.None;
                while (!table.IsNone)
                {
                    entry = _store.Read(table, Level.Index(cached.Address.Value, level));
                    rights &= _store.Format.RightsOf(entry, level);
                    if (level == cached.Level || !_store.Format.IsSlot(entry, level))
                    {
                        break;
                    }

                    table = _store.TableOf(entry, level);
                    level--;
                }

                bool same = !entry.IsNone
                    && level == cached.Level
                    && _store.Format.IsLeaf(entry, level) == cached.IsLeaf
                    && _store.Format.TargetOf(entry, level) == cached.Target
                    && (cached.Rights & ~rights) == 0
                    && (!cached.IsLeaf || _store.Format.ProtectionKeyOf(entry, level) == cached.ProtectionKey);
                Expect(same, $"processor {processor.Number} remembers a {(cached.IsLeaf ? "leaf" : "slot")} of {cached.Space} at {cached.Address} to {cached.Target} with {cached.Rights}; the tables say {entry} with {rights} at level {level}");
            }
        }
    }

    private void CountSlot(Frame table)
    {
        _slotCount++;
        if ((uint)table.Number < (uint)_slots.Length)
        {
            _slots[table.Number]++;
        }
        else
        {
            Expect(false, $"a slot points at {table}, which was never handed out");
        }
    }

    private void CheckCounts()
    {
        foreach (int number in _tables)
        {
            var table = new Frame(number);
            int slots = _slots[number];
            Expect(_store.Memory.Record(table).AttachCount == slots, $"{Describe(table)}: {slots} slots point at it");
        }

        for (int number = 0; number < _slots.Length; number++)
        {
            Expect(_slots[number] == 0 || _tables.Contains(number), $"a slot points at {Describe(new Frame(number))}, which is in no file's index");
        }

        foreach (var (number, references) in _references)
        {
            Expect(_store.Memory.Record(new Frame(number)).References == references, $"frame {number}: {references} leaves show it, but it counts {_store.Memory.Record(new Frame(number)).References}");
        }
    }

    private void CheckFrames(List<TableOwner> owners)
    {
        int[] kinds = new int[Enum.GetValues<FrameKind>().Length];
        for (int number = 1; number < _store.Frames.HighWater; number++)
        {
            kinds[(int)_store.Memory.Record(new Frame(number)).Kind]++;
        }

        var files = owners.OfType<FileTables>().Select(tables => tables.File).ToList();
        var contents = files.OfType<MemoryFile>().Select(file => file.Frames).ToList();
        int index = owners.OfType<AddressSpace>().Sum(space => space.ProtectedPages.FrameCount) + files.Sum(file => file.Dirty?.FrameCount ?? 0) + contents.Sum(frames => frames.Index);
        int data = contents.Sum(frames => frames.Data);
        Expect(kinds[(int)FrameKind.SpaceTable] == _spaceTables, $"{kinds[(int)FrameKind.SpaceTable]} frames are tables of spaces, {_spaceTables} were reached");
        Expect(kinds[(int)FrameKind.FileTable] == _fileTables, $"{kinds[(int)FrameKind.FileTable]} frames are tables of files, {_fileTables} were reached");
        Expect(kinds[(int)FrameKind.Anonymous] == _references.Count, $"{kinds[(int)FrameKind.Anonymous]} frames are anonymous, {_references.Count} were reached");
        Expect(kinds[(int)FrameKind.FileIndex] == index, $"{kinds[(int)FrameKind.FileIndex]} frames belong to indexes, {index} were reached");
        Expect(kinds[(int)FrameKind.FileData] == data, $"{kinds[(int)FrameKind.FileData]} frames hold files, {data} were reached");
        Expect(kinds[(int)FrameKind.Zero] == 1, $"there is not exactly one page of zeroes");
        int used = kinds.Sum() - kinds[(int)FrameKind.Free];
        Expect(used == _store.Frames.FramesInUse, $"{used} frames are marked as in use, the allocator counts {_store.Frames.FramesInUse}");
        Expect(kinds[(int)FrameKind.Retired] == _store.Retired.Count, $"{kinds[(int)FrameKind.Retired]} frames are marked as retired, {_store.Retired.Count} wait for an epoch");
    }

    /// <summary>Which leaf is checked, for words that are rarely needed: in a space's own table, or in a file's.</summary>
    private readonly record struct Place(AddressSpace? Space, VirtualAddress Address, FileTables? Tables, TableKey Key, int Index)
    {
        public override string ToString() =>
            Space is not null ? $"{Space}: the leaf at {Address}" : $"'{Tables!.FileName}': entry {Index} of the {Key}";
    }

    /// <summary>
    /// The words of a violation; nothing, and for nothing, where all is well. One reference, since the checks of
    /// millions of leaves clear it each time.
    /// </summary>
    [InterpolatedStringHandler]
    private readonly struct ViolationText(int literalLength, int formattedCount, bool holds, out bool isNeeded)
    {
        private readonly StringBuilder? _text = (isNeeded = !holds) ? new StringBuilder(literalLength + (formattedCount * 16)) : null;

        public void AppendLiteral(string value) => _text!.Append(value);

        public void AppendFormatted<T>(T value) => _text!.Append(CultureInfo.InvariantCulture, $"{value}");

        public void AppendFormatted(long value, string format) => _text!.Append(value.ToString(format, CultureInfo.InvariantCulture));

        public override string ToString() => _text!.ToString();
    }

    private string Describe(Frame frame)
    {
        ref var record = ref _store.Memory.Record(frame);
        return $"{frame} ({record.Kind}, level {record.Level}, owner {record.Owner}, attach count {record.AttachCount})";
    }
}
