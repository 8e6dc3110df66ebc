using System.Globalization;
using System.Text;

namespace Pando.Kvm.Physical;

/// <summary>The raw entries that a walk from a CR3 value meets, read from memory: for reports.</summary>
/// <remarks>
/// It interprets just what the walk needs (present, page size, next table; Intel SDM vol. 3A, 5.5.4), on a machine
/// that runs; entries may change under it.
/// </remarks>
internal sealed class TableWalk
{
    private const ulong PresentBit = 1;
    private const ulong LargePageBit = 0x80;
    private const ulong AddressBits = 0x000F_FFFF_FFFF_F000;

    private readonly List<(int Level, ulong Table, int Index, ulong? Entry)> _steps = [];

    private TableWalk(ulong address) => Address = address;

    /// <summary>The virtual address that was walked.</summary>
    internal ulong Address { get; }

    /// <summary>Level (5 or 4 down to 1), the table, the index in it, and the entry: null where no slot holds the table.</summary>
    internal IReadOnlyList<(int Level, ulong Table, int Index, ulong? Entry)> Steps => _steps;

    internal static TableWalk From(GuestMemory memory, ulong cr3, ulong address)
    {
        var walk = new TableWalk(address);
        var table = cr3 & AddressBits;
        for (var level = memory.Levels; level > 0; level--)
        {
            var index = (int)(address >> (12 + (9 * (level - 1))) & 511);
            var entry = memory.TryReadPhysical(table + ((ulong)index * 8), out var word) ? word : (ulong?)null;
            walk._steps.Add((level, table, index, entry));
            if (entry is not { } value || (value & PresentBit) == 0 || (level is 2 or 3 && (value & LargePageBit) != 0))
            {
                break;
            }

            table = value & AddressBits;
        }

        return walk;
    }

    /// <summary>The guest-physical address that the walk leads to; null where it leads nowhere.</summary>
    internal ulong? Target()
    {
        var (level, _, _, last) = _steps[^1];
        if (last is not { } entry || (entry & PresentBit) == 0 || level > 3 || (level > 1 && (entry & LargePageBit) == 0))
        {
            return null;
        }

        var offset = (1UL << (12 + (9 * (level - 1)))) - 1;
        return (entry & AddressBits & ~offset) | (Address & offset);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"  walk of {Address:x16}:");
        foreach (var (level, table, index, entry) in _steps)
        {
            var shown = entry is { } value ? value.ToString("x16", CultureInfo.InvariantCulture) : "no memory slot holds this table";
            text.AppendLine(CultureInfo.InvariantCulture, $"    level {level} table {table:x} [{index}] {shown}");
        }

        return text.ToString();
    }
}
