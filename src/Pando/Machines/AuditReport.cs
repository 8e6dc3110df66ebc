namespace Pando.Machines;

/// <summary>What an audit of a machine found.</summary>
/// <param name="Violations">Every invariant that does not hold, in words; none in a sound machine.</param>
/// <param name="SpaceTables">Tables of address spaces that were visited.</param>
/// <param name="FileTables">Tables of files that were visited.</param>
/// <param name="Slots">Slots that point at files' tables.</param>
/// <param name="Leaves">Leaves that were compared with what they should show.</param>
public sealed record AuditReport(IReadOnlyList<string> Violations, int SpaceTables, int FileTables, long Slots, long Leaves)
{
    /// <summary>Whether every invariant holds.</summary>
    public bool IsSound => Violations.Count == 0;

    /// <summary>Does nothing if the machine is sound.</summary>
    /// <exception cref="InvalidOperationException">It is not; the message has the first violations.</exception>
    public void ThrowIfUnsound()
    {
        if (!IsSound)
        {
            throw new InvalidOperationException(
                $"The audit found {Violations.Count} violations:{Environment.NewLine}{string.Join(Environment.NewLine, Violations.Take(10))}");
        }
    }
}
