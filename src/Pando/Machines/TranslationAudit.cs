using Pando.Hardware;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>Checks the processors, of whatever kind: none remembers what the tables do not say, so that everything that was taken away has been flushed.</summary>
internal sealed class TranslationAudit(AuditState audit)
{
    private readonly TableStore _store = audit.Store;
    private readonly TableGeometry _geometry = audit.Store.Geometry;

    public void Check()
    {
        foreach (var (number, processor) in _store.Shootdown.Processors)
        {
            foreach (var cached in processor.Kept)
            {
                if (cached.Space.Root.IsNone || !cached.Space.LoadedOn.Contains(number))
                {
                    audit.Expect(false, $"processor {number} remembers {cached.Address} of {cached.Space}, which {(cached.Space.Root.IsNone ? "has ended" : "it says it has forgotten")}");
                    continue;
                }

                var table = cached.Space.Root;
                var rights = Rights.All;
                int level = _geometry.Levels;
                var entry = Entry.None;
                while (!table.IsNone)
                {
                    entry = _store.Read(table, _geometry.Index(cached.Address.Value, level));
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
                audit.Expect(same, $"processor {number} remembers a {(cached.IsLeaf ? "leaf" : "slot")} of {cached.Space} at {cached.Address} to {cached.Target} with {cached.Rights}; the tables say {entry} with {rights} at level {level}");
            }
        }
    }
}
