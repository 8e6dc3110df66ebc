using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Machines;

/// <summary>Which leaf is checked, for words that are rarely needed: in a space's own table, or in a file's.</summary>
internal readonly record struct AuditedLeaf(AddressSpace? Space, VirtualAddress Address, FileTables? Tables, TableKey Key, int Index)
{
    public override string ToString() =>
        Space is not null ? $"{Space}: the leaf at {Address}" : $"'{Tables!.FileName}': entry {Index} of the {Key}";
}
