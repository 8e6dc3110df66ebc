namespace Pando.Linux.Analysis;

/// <summary>
/// Between what and what the tables lie that processes which were not read to the page have for one object (or for all objects together), in
/// tables. All of it holds together with the confidence of <see cref="SampleBound"/>.
/// </summary>
/// <param name="Own">Tables of private writable mappings, which are needed whatever others have.</param>
/// <param name="Shareable">Tables of the other mappings.</param>
/// <param name="All">Both, and empty ones.</param>
/// <param name="MostNew">The most pieces of the object that none of the processes which were read has.</param>
internal readonly record struct UnreadTables(TableRange Own, TableRange Shareable, TableRange All, double MostNew)
{
    public static UnreadTables operator +(in UnreadTables a, in UnreadTables b) =>
        new(a.Own + b.Own, a.Shareable + b.Shareable, a.All + b.All, a.MostNew + b.MostNew);
}
