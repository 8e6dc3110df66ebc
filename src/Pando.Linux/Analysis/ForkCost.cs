using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>
/// What fork costs a process for its memory: tables of private memory are copied entry by entry (copy_page_range), those of shared
/// memory are left to faults.
/// </summary>
internal static class ForkCost
{
    private const long Page = 4096;

    /// <summary>Milliseconds; null if the rate or the tables are not known.</summary>
    public static double? Of(ProcessTables process, ForkRate? rate)
    {
        if (rate is null || process.Source is null)
        {
            return null;
        }

        // A transparent huge page is one entry, and the table that is kept in reserve for it.
        var huge = process.IsRead ? process.Facts.Populated!.Where(r => r.LeafLevel > 0 && PrivateMemory.IsPrivate(process.Facts.Mappings![r.Mapping])).Total(r => (long)(r.End - r.Start)) : 0;
        var pages = Math.Max(0, process.Facts.AnonymousBytes - huge) / Page;
        var tables = process.Objects.Values.Sum(o => o.Own[1]);
        return ((tables * rate.NanosecondsPerTable) + (pages * rate.NanosecondsPerPage)) / 1e6;
    }
}
