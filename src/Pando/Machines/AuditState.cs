using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>What the checks of one audit have in common: the machine, what has been counted so far, and the violations found.</summary>
internal sealed class AuditState(Machine machine)
{
    private const int MostViolations = 100;

    private readonly TableStore _store = machine.Store;
    private readonly List<string> _violations = [];

    public Machine Machine => machine;

    public TableStore Store => _store;

    public VirtualMemory Memory => machine.VirtualMemory;

    /// <summary>Slots that point at a frame, by its number.</summary>
    public int[] Slots { get; } = new int[machine.Store.Frames.HighWater];

    /// <summary>Leaves that show an anonymous frame, by its number.</summary>
    public Dictionary<int, int> References { get; } = [];

    /// <summary>Frames that were reached as tables.</summary>
    public HashSet<int> Tables { get; } = [];

    /// <summary>Parts of files that tables of spaces have.</summary>
    public Dictionary<MappedFile, int> Parts { get; } = [];

    public int SpaceTableCount { get; set; }

    public int FileTableCount { get; set; }

    public long SlotCount { get; set; }

    public long LeafCount { get; set; }

    public AuditReport Report() => new(_violations, SpaceTableCount, FileTableCount, SlotCount, LeafCount);

    /// <summary>Notes a violation. Its words are put together only if there is one: a large world has many millions of checks.</summary>
    public void Expect(bool holds, [InterpolatedStringHandlerArgument(nameof(holds))] ViolationText violation)
    {
        if (!holds && _violations.Count < MostViolations)
        {
            _violations.Add(violation.ToString());
        }
    }

    /// <summary>The indexes of the entries that are not empty: most tables hold few, and an audit visits all of them.</summary>
    public List<int> UsedEntries(Frame table)
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

    public void CountSlot(Frame table)
    {
        SlotCount++;
        if ((uint)table.Number < (uint)Slots.Length)
        {
            Slots[table.Number]++;
        }
        else
        {
            Expect(false, $"a slot points at {table}, which was never handed out");
        }
    }

    public void CheckFileLeaf(MappedFile file, PhysicalAddress target, Rights rights, long offset, long size, in AuditedLeaf what)
    {
        int page = _store.Geometry.PageSize;
        for (long at = 0; at < size; at += size > page ? size - page : size)
        {
            var place = file.Locate(offset + at);
            Expect(place == target + at, $"{what} shows {target + at} for offset 0x{offset + at:x} of '{file.Name}', which lies at {place}");
        }

        Expect((rights & Rights.Write) == 0 || target != Memory.ZeroPageAddress, $"{what} lets the page of zeroes be written");
    }

    public string Describe(Frame frame)
    {
        ref var record = ref _store.Memory.Record(frame);
        return $"{frame} ({record.Kind}, level {record.Level}, owner {record.Owner}, attach count {record.AttachCount})";
    }

    /// <summary>
    /// The words of a violation; nothing, and for nothing, where all is well. One reference, since the checks of
    /// millions of leaves clear it each time.
    /// </summary>
    [InterpolatedStringHandler]
    public readonly struct ViolationText(int literalLength, int formattedCount, bool holds, out bool isNeeded)
    {
        private readonly StringBuilder? _text = (isNeeded = !holds) ? new StringBuilder(literalLength + (formattedCount * 16)) : null;

        public void AppendLiteral(string value) => _text!.Append(value);

        public void AppendFormatted<T>(T value) => _text!.Append(CultureInfo.InvariantCulture, $"{value}");

        public void AppendFormatted(long value, string format) => _text!.Append(value.ToString(format, CultureInfo.InvariantCulture));

        public override string ToString() => _text!.ToString();
    }
}
