namespace Pando.Tables;

/// <summary>Leads to a part of a file that a table may show: the file's number as an owner, and the part's in its <see cref="ReverseMap"/>; 0 for none.</summary>
internal readonly record struct PartLink(int Owner, int Number)
{
    public bool IsNone => Number == 0;
}
