using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// A processor, as the tables see it: something that keeps translations and can be told to forget them. When a call
/// returns, no access that the processor still makes uses what was dropped. Safe for threads; a call may not take
/// any of Pando's locks but the processor's own.
/// </summary>
internal interface ITranslationCache
{
    /// <summary>Forgets what it holds of a range of a space.</summary>
    /// <param name="space">The space.</param>
    /// <param name="range">The addresses. A larger page that overlaps them goes as a whole.</param>
    /// <param name="tables">
    /// Whether entries that point at tables have changed too, so that cached upper entries must go as well as leaves.
    /// </param>
    /// <returns>Whether it held the space at all.</returns>
    bool Drop(SpaceTables space, AddressRange range, bool tables);

    /// <summary>Forgets everything of a space, and that it ever knew it.</summary>
    bool Forget(SpaceTables space);

    /// <summary>Forgets everything of every space that may show tables of <paramref name="owner"/>.</summary>
    bool DropShared(SharedTableOwner owner);

    /// <summary>What it remembers at this moment, for the auditor, while nobody drives it; nothing where it cannot tell.</summary>
    IEnumerable<CachedTranslation> Kept => [];
}
