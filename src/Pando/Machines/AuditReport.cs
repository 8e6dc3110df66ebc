namespace Pando.Machines;

/// <summary>What an audit of a machine found.</summary>
public sealed record AuditReport
{
    internal AuditReport(IReadOnlyList<string> violations, int spaceTables, int fileTables, long slots, long leaves) =>
        (Violations, SpaceTables, FileTables, Slots, Leaves) = (violations, spaceTables, fileTables, slots, leaves);

    /// <summary>Every invariant that does not hold, in words; none in a sound machine.</summary>
    public IReadOnlyList<string> Violations { get; }

    /// <summary>Tables of address spaces that were visited.</summary>
    public int SpaceTables { get; }

    /// <summary>Tables of files that were visited.</summary>
    public int FileTables { get; }

    /// <summary>Slots that point at files' tables.</summary>
    public long Slots { get; }

    /// <summary>Leaves that were compared with what they should show.</summary>
    public long Leaves { get; }

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
