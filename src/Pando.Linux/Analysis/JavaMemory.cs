using System.Globalization;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// What a Java virtual machine (HotSpot) asks of the pool with -XX:+UseLargePages: the whole heap, the whole code cache,
/// and the collector's tables. Seen on OpenJDK 17 with a heap of 1 GiB: ZGC 512 + 120 pages of 2 MiB, G1 512 + 120 + 19;
/// with one page less ZGC refuses to start, G1 goes back to 4 KiB.
/// </summary>
/// <param name="HeapBytes">The most that the heap may have.</param>
/// <param name="CodeBytes">Reserved for compiled code.</param>
/// <param name="CollectorBytes">Marks and cards of the collector; 0 for ZGC, which keeps them in ordinary memory.</param>
/// <param name="Private">The private memory among these.</param>
internal sealed record JavaMemory(long HeapBytes, long CodeBytes, long CollectorBytes, PrivateMemory Private)
{
    private const ulong HugePage = HugePages.Usual;
    private const ulong LowHeap = 32UL << 30; // compressed references reach so far

    /// <summary>Pages of this size for all of it.</summary>
    public long Pages(ulong size) => HugePages.For(HeapBytes, size) + HugePages.For(CodeBytes, size) + HugePages.For(CollectorBytes, size);

    /// <summary>Reads it from arguments and maps; <paramref name="heapObject"/> is the size of ZGC's heap file, 0 for other collectors.</summary>
    public static JavaMemory Of(ProcessTables process, long heapObject)
    {
        var mappings = process.Facts.Mappings!;
        var runs = Runs(mappings);
        var code = runs.Where(r => r.HasCode).Select(r => (long)(r.End - r.Start)).DefaultIfEmpty().Max();
        var isZ = heapObject > 0;
        var heap = Largest(process.Facts.Service?.Arguments ?? []) ?? 0;
        if (!isZ && heap == 0)
        {
            // The heap is reserved in one piece, low in the address space where references are compressed.
            var candidates = runs.Where(r => r.HasData && !r.HasCode).ToList();
            var low = candidates.Where(r => r.Start < LowHeap).ToList();
            heap = (low.Count > 0 ? low : candidates).Select(r => (long)(r.End - r.Start)).DefaultIfEmpty().Max();
        }

        heap = Math.Max(heap, heapObject);
        // A bit for each 64 bytes twice (G1 until 20, Parallel), and three tables of a byte for each 512.
        var collector = isZ ? 0 : (heap / 32) + (3 * HugePages.For(heap / 512, HugePage) * (long)HugePage);
        return new JavaMemory(heap, code, collector, PrivateMemory.Of(process, i => IsLarge(mappings[i], isZ)));
    }

    /// <summary>Compiled code, and what lies in whole windows: the heap and the collector's tables. Stacks, malloc's arenas and
    /// metaspace do not.</summary>
    private static bool IsLarge(in MappingFacts mapping, bool isZ)
    {
        var isCode = (mapping.Rights & (MappingRights.Write | MappingRights.Execute)) == (MappingRights.Write | MappingRights.Execute);
        return isCode || (!isZ && (mapping.Rights & MappingRights.Write) != 0 && (mapping.Start & (HugePage - 1)) == 0 && (mapping.Length & (HugePage - 1)) == 0 && mapping.Length > 0);
    }

    /// <summary>Private mappings without a file that follow one another: what was reserved in one piece.</summary>
    private static List<Run> Runs(IReadOnlyList<MappingFacts> mappings)
    {
        var runs = new List<Run>();
        foreach (var mapping in mappings.Where(m => PrivateMemory.IsPrivate(m)))
        {
            var hasCode = (mapping.Rights & (MappingRights.Write | MappingRights.Execute)) == (MappingRights.Write | MappingRights.Execute);
            var hasData = (mapping.Rights & MappingRights.Write) != 0;
            if (runs.Count > 0 && runs[^1].End == mapping.Start && Fits(runs[^1], hasCode, mapping))
            {
                runs[^1] = runs[^1] with { End = mapping.End, HasCode = runs[^1].HasCode || hasCode, HasData = runs[^1].HasData || hasData };
            }
            else
            {
                runs.Add(new Run(mapping.Start, mapping.End, hasCode, hasData));
            }
        }

        return runs;
    }

    /// <summary>Code and what is reserved for it lie together; data beside it is another reservation.</summary>
    private static bool Fits(Run run, bool hasCode, in MappingFacts mapping) =>
        (mapping.Rights & (MappingRights.Read | MappingRights.Write | MappingRights.Execute)) == 0 || run.HasCode == hasCode || (hasCode && !run.HasData);

    /// <summary>The heap's bound by -Xmx or -XX:MaxHeapSize; the last one counts.</summary>
    private static long? Largest(IReadOnlyList<string> arguments)
    {
        foreach (var argument in arguments.Reverse())
        {
            foreach (var prefix in new[] { "-Xmx", "-XX:MaxHeapSize=" })
            {
                if (argument.StartsWith(prefix, StringComparison.Ordinal) && Size(argument[prefix.Length..]) is { } size)
                {
                    return size;
                }
            }
        }

        return null;
    }

    private static long? Size(string text)
    {
        var shift = text.Length == 0 ? 0 : char.ToLowerInvariant(text[^1]) switch { 'k' => 10, 'm' => 20, 'g' => 30, 't' => 40, _ => 0 };
        return long.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 && number <= long.MaxValue >> (shift + 8) ? number << shift : null;
    }

    private readonly record struct Run(ulong Start, ulong End, bool HasCode, bool HasData);
}
