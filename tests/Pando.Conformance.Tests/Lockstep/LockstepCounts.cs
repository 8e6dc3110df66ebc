namespace Pando.Conformance.Tests.Lockstep;

/// <summary>What was compared, over any number of runs. Not safe for threads.</summary>
internal sealed class LockstepCounts
{
    private readonly long[] _differences = new long[Enum.GetValues<NamedDifference>().Length];

    /// <summary>Operations that were made on both sides and compared.</summary>
    public long Operations { get; set; }

    /// <summary>Of these, how many ended in an error, on both sides the same.</summary>
    public long Errors { get; set; }

    /// <summary>Areas that were compared.</summary>
    public long Areas { get; set; }

    /// <summary>Accesses that were made on both sides.</summary>
    public long Accesses { get; set; }

    /// <summary>Questions of user-fault handlers, on both sides the same.</summary>
    public long Questions { get; set; }

    /// <summary>Pages that were protected against stores, on both sides, each time that they were looked at.</summary>
    public long ProtectedPages { get; set; }

    /// <summary>Comparisons of a process's page tables that had to be equal.</summary>
    public long ExactTables { get; set; }

    /// <summary>Comparisons of a process's page tables within the bounds of <see cref="NamedDifference.EmptyTablesTravel"/>.</summary>
    public long BoundedTables { get; set; }

    public void Count(NamedDifference difference, long times = 1) => _differences[(int)difference] += times;

    public long Of(NamedDifference difference) => _differences[(int)difference];

    public void Add(LockstepCounts other)
    {
        Operations += other.Operations;
        Errors += other.Errors;
        Areas += other.Areas;
        Accesses += other.Accesses;
        Questions += other.Questions;
        ProtectedPages += other.ProtectedPages;
        ExactTables += other.ExactTables;
        BoundedTables += other.BoundedTables;
        for (int i = 0; i < _differences.Length; i++)
        {
            _differences[i] += other._differences[i];
        }
    }

    public override string ToString() =>
        $"{Operations:N0} operations ({Errors:N0} refused by both), {Areas:N0} areas, {Accesses:N0} accesses, {Questions:N0} questions to user-fault handlers, {ProtectedPages:N0} protected pages seen, page tables of processes: {ExactTables:N0} equal, {BoundedTables:N0} within bounds"
        + string.Concat(Enum.GetValues<NamedDifference>().Where(difference => Of(difference) > 0).Select(difference => $"{Environment.NewLine}  {difference}: {Of(difference):N0}"));
}
