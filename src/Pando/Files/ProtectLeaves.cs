using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>Makes the leaves of a range read-only and clean, so that the next store is noticed again.</summary>
internal sealed class ProtectLeaves(TableStore store) : FileChange(store)
{
    public override void Apply(Frame table, int level, int index, Entry leaf) => Store.Clean(table, level, index);
}
