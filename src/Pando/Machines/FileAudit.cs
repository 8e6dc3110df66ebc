using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>Checks a file: its tables, that every leaf of them shows where the file lies, its reverse map, and that no change of it was left half done.</summary>
internal sealed class FileAudit(AuditState audit)
{
    private readonly TableStore _store = audit.Store;
    private readonly TableGeometry _geometry = audit.Store.Geometry;

    public void Check(FileTables tables)
    {
        CheckFile(tables);
        CheckReverseMap(tables.File);
        CheckLayout(tables.File);
    }

    private void CheckFile(FileTables tables)
    {
        int[] found = new int[Level.Pgd + 1];
        var all = new HashSet<Frame>();
        foreach (var table in tables.All())
        {
            all.Add(table);
            var key = tables.KeyOf(table);
            ref var record = ref _store.Memory.Record(table);
            audit.FileTableCount++;
            found[key.Level]++;
            audit.Expect(tables.Find(key) == table, $"'{tables.FileName}': its index has {tables.Find(key)} for the {key}, which is {table}");
            audit.Expect(audit.Tables.Add(table.Number), $"'{tables.FileName}': {table} is reached twice");
            audit.Expect(
                record.Kind == FrameKind.FileTable && record.Owner == tables.Id && record.Lock == 0 && record.AttachCount >= 0 && record.AnonymousLeaves == 0,
                $"{audit.Describe(table)} is not a free table of '{tables.FileName}'");
            foreach (int index in audit.UsedEntries(table))
            {
                var entry = _store.Read(table, index);
                long offset = key.Origin + (index * _geometry.EntrySpan(key.Level));
                if (_store.Format.IsSlot(entry, key.Level))
                {
                    var child = _store.TableOf(entry, key.Level);
                    audit.CountSlot(child);
                    audit.Expect(
                        _store.Memory.Record(child).Kind == FrameKind.FileTable && _store.Memory.Record(child).Owner == tables.Id && tables.KeyOf(child) == key.Child(_geometry, index),
                        $"'{tables.FileName}': entry {index} of the {key} leads to {audit.Describe(child)}, not to the {key.Child(_geometry, index)}");
                    audit.Expect(_store.Format.RightsOf(entry, key.Level) == Rights.All, $"'{tables.FileName}': a slot of the {key} takes rights away");
                    continue;
                }

                audit.LeafCount++;
                long size = _geometry.EntrySpan(key.Level);
                audit.Expect(_store.AnonymousFrameOf(entry, key.Level).IsNone, $"'{tables.FileName}': entry {index} of the {key} says that it shows private memory");
                audit.Expect(offset >= key.WindowStart && offset + size <= key.WindowEnd, $"'{tables.FileName}': entry {index} of the {key} shows something outside of the window");
                var rights = _store.Format.RightsOf(entry, key.Level);
                audit.Expect((rights | (key.Class.LeafRights & Rights.Write)) == key.Class.LeafRights, $"'{tables.FileName}': entry {index} of the {key} allows {rights}");
                audit.Expect(_store.Format.ProtectionKeyOf(entry, key.Level) == key.Class.ProtectionKey, $"'{tables.FileName}': entry {index} of the {key} has key {_store.Format.ProtectionKeyOf(entry, key.Level)}");
                audit.CheckFileLeaf(tables.File, _store.Format.TargetOf(entry, key.Level), rights, offset, size, new AuditedLeaf(null, default, tables, key, index));
            }
        }

        audit.Expect(tables.Placed().TrueForAll(all.Remove), $"'{tables.FileName}': a table is found by its place that is not in the index, or twice");
        for (int level = Level.Pte; level <= Level.Pgd; level++)
        {
            audit.Expect(found[level] == tables.TablesAt(level), $"'{tables.FileName}' has {found[level]} {Level.Name(level)} tables, but counts {tables.TablesAt(level)}");
        }
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

        int known = audit.Parts.GetValueOrDefault(file);
        audit.Expect(found == known && map.Count == known, $"'{file.Name}': tables of spaces have {known} parts of it, {found} stand in its reverse map, which counts {map.Count}");
    }

    private void CheckLayout(MappedFile file)
    {
        audit.Expect(!file.IsChanging, $"'{file.Name}': its layout is being changed, or what was written is being written back");
        foreach (var (offset, length) in file is DaxFile { Dirty: { IsCoarse: false } dirty } ? dirty.Marked() : [])
        {
            audit.Expect(((DaxFile)file).HasStorage(offset, offset + length), $"'{file.Name}': 0x{offset:x} to 0x{offset + length:x} count as written, and not all of it has storage");
        }
    }
}
