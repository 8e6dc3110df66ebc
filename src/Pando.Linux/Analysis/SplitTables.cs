namespace Pando.Linux.Analysis;

/// <summary>
/// What is known of one object's tables (or of all objects' together) from the processes that were read to the page, and what is estimated for all: by
/// how much the estimate can be wrong follows from what the others can have.
/// </summary>
/// <param name="ReadOwn">Tables of private writable mappings of processes that were read.</param>
/// <param name="ReadShareable">Tables of their other mappings.</param>
/// <param name="ReadNeeded">Of both, tables that are needed once, if nobody else were there.</param>
/// <param name="Union">Pieces of the object that they have entries for.</param>
/// <param name="MoreMapped">Pieces that somebody maps, and none of them has an entry for.</param>
/// <param name="Shared">Tables that are counted twice, since they are shared.</param>
/// <param name="ReadAll">Tables of processes that were read, empty ones too.</param>
/// <param name="Live">The estimate for all processes: tables with entries.</param>
/// <param name="Needed">Of these, needed once.</param>
/// <param name="All">With empty ones.</param>
internal readonly record struct SplitTables(
    double ReadOwn, double ReadShareable, double ReadNeeded, double Union, double MoreMapped, double Shared, double ReadAll, double Live, double Needed, double All)
{
    public static SplitTables operator +(in SplitTables a, in SplitTables b) => new(
        a.ReadOwn + b.ReadOwn, a.ReadShareable + b.ReadShareable, a.ReadNeeded + b.ReadNeeded, a.Union + b.Union, a.MoreMapped + b.MoreMapped,
        a.Shared + b.Shared, a.ReadAll + b.ReadAll, a.Live + b.Live, a.Needed + b.Needed, a.All + b.All);

    /// <summary>By how many tables the estimates of all tables, of those needed once and of duplicates can be wrong, at most.</summary>
    public double Error(in UnreadTables unread)
    {
        var shareable = new TableRange(ReadShareable - Shared, ReadShareable - Shared) + unread.Shareable;
        var pieces = Math.Min(unread.MostNew, MoreMapped);
        var union = Union + pieces;

        // What is needed is the lesser of tables and pieces, object by object: it grows by no more than the one or the other does. Of many objects together that
        // says more than their pieces in sum, most of which lie in tables that are charged to a neighbour.
        var needed = new TableRange(
            ReadNeeded + unread.Own.Low,
            Math.Min(ReadOwn + unread.Own.High + Math.Min(shareable.High + Shared, union), ReadNeeded + unread.Own.High + unread.Shareable.High + pieces));
        var duplicate = new TableRange(
            Math.Max(0, Math.Max(shareable.Low - union, ReadShareable - Shared - (ReadNeeded - ReadOwn) - pieces)),
            Math.Max(0, shareable.High - (ReadNeeded - ReadOwn)));
        var live = shareable + new TableRange(ReadOwn, ReadOwn) + unread.Own;
        var all = new TableRange(ReadAll - Shared, ReadAll - Shared) + unread.All;
        return Math.Max(0, Math.Max(Math.Max(live.From(Live), all.From(All)), Math.Max(needed.From(Needed), duplicate.From(Live - Needed))));
    }
}
