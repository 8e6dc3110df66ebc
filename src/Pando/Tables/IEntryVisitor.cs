namespace Pando.Tables;

/// <summary>What a change does to each entry in its range. Implemented by structures, so that a walk allocates nothing.</summary>
internal interface IEntryVisitor
{
    /// <summary>Deals with one entry that lies wholly in the range.</summary>
    void Visit(EntryRef entry, in FlushGather gather);
}
