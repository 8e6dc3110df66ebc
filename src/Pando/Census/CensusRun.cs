namespace Pando.Census;

/// <summary>
/// A populated part of a mapping: virtual addresses <c>[Start, End)</c> whose leaves stand at level
/// <c>LeafLevel</c> (0 = 4 KiB leaves in PTE tables, 1 = 2 MiB leaves in PMD tables, 2 = 1 GiB leaves in PUD
/// tables). A table exists where at least one byte of its span lies in a run with a leaf below its level, so a
/// run need not be exact to the page: it must begin and end in the right 2 MiB window.
/// </summary>
public readonly record struct CensusRun(ulong Start, ulong End, int LeafLevel);
