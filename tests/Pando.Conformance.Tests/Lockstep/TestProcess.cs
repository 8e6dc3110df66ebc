using Pando.Conformance.Tests.Kernel;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>One process on both sides.</summary>
internal sealed class TestProcess(AgentProcess agent, AddressSpace space, SoftwareProcessor processor) : IDisposable
{
    public AgentProcess Agent { get; } = agent;

    public AddressSpace Space { get; } = space;

    public SoftwareProcessor Processor { get; } = processor;

    /// <summary>Who resolves its user faults; null before any are registered.</summary>
    public LockstepHandler? Handler { get; set; }

    /// <summary>Tables that the kernel may have, without entries, and the engine has not.</summary>
    public HashSet<(int Level, ulong Number)> MayHaveEmpty { get; } = [];

    /// <summary>Windows where the engine has an empty table that the kernel may not have.</summary>
    public HashSet<ulong> MayLackEmpty { get; } = [];

    /// <summary>The addresses at which the kernel keeps areas apart that are one for the engine.</summary>
    public HashSet<ulong> KeptApart { get; } = [];

    /// <summary>The addresses at which an operation that was refused may have left a cut.</summary>
    public HashSet<ulong> MayBeCut { get; } = [];

    /// <summary>The areas that the test has made.</summary>
    public List<AreaInfo> Areas() => [.. Space.Areas.Where(area => !IsOwn(area.Range.Start.Value))];

    /// <summary>Whether an address belongs to what an agent needs for itself.</summary>
    public bool IsOwn(ulong address)
    {
        foreach (var (start, end) in Agent.Own)
        {
            if (address >= start && address < end)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Gives the engine's space the same pages that the agent has for itself, so that page tables can be compared as
    /// a whole. A child gets them anew, not by fork.
    /// </summary>
    public void MirrorOwn()
    {
        foreach (var area in Agent.Areas())
        {
            if (!IsOwn(area.Start))
            {
                continue;
            }

            var range = new AddressRange(new VirtualAddress(area.Start), new VirtualAddress(area.End));
            Space.Map(MapRequest.Anonymous(range.Length, Rights.Read) with { Address = range.Start, Placement = MapPlacement.Fixed });
            for (ulong at = area.Start; at < area.End; at += 4096)
            {
                if (AgentProcess.IsPage(Agent.PageEntry(at)))
                {
                    Space.Populate(HostileRange.Of(new VirtualAddress(at), 4096), AccessKind.Read);
                }
            }

            Space.Advise(range.Start, range.Length, Advice.DontFork);
        }
    }

    /// <summary>Forgets what has been decided: windows that are touched, and those where nothing is mapped any more.</summary>
    public void ForgetSettledWindows()
    {
        if (MayHaveEmpty.Count + MayLackEmpty.Count == 0)
        {
            return;
        }

        var tables = EngineTables.Positions(Space);
        MayHaveEmpty.RemoveWhere(table => tables.Contains(table) || !IsMapped(table));
        var empty = EngineTables.EmptyWindows(Space);
        MayLackEmpty.RemoveWhere(window => !empty.Contains(window));
    }

    /// <summary>The fewest and the most tables that the kernel may have.</summary>
    public (int Least, int Most) TableBounds()
    {
        int count = EngineTables.Count(Space);
        if (MayHaveEmpty.Count + MayLackEmpty.Count == 0)
        {
            return (count, count);
        }

        return (count - MayLackEmpty.Count, count + MayHaveEmpty.Count);
    }

    public void Dispose() => Agent.Dispose();

    // A table goes when nothing is mapped in all that it spans.
    private bool IsMapped((int Level, ulong Number) table)
    {
        ulong span = (ulong)X64.TableSpan(table.Level);
        return Space.Areas.Any(area => area.Range.Start.Value < (table.Number + 1) * span && area.Range.End.Value > table.Number * span);
    }
}
