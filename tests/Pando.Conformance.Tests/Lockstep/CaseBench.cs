using System.Globalization;
using Pando.Conformance.Tests.Kernel;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>
/// A case with a known result: operations on both sides, and what must come of them. Places are pages of the arena, so that a
/// case reads as its picture: "0-4 rw-p" is four pages from the arena's first on. <see cref="CaseScript"/> has cases as text.
/// </summary>
internal sealed class CaseBench : IDisposable
{
    public const long Page = 4096;

    // Pages above the arena's first that still are the arena; beyond lies what the kernel chose a place for.
    private const long ArenaPages = 1L << 30;

    /// <summary>Without sharing page tables are compared, too.</summary>
    public CaseBench(SharingLevels sharing = SharingLevels.None, bool hugePages = false, KernelFeatures? features = null)
    {
        features ??= KernelFeatures.Running;
        Replay.RequireLockstep(features);
        World = new LockstepWorld(new LockstepOptions(sharing, hugePages), new LockstepCounts()) { Features = features };
    }

    public LockstepWorld World { get; }

    /// <summary>The address of a page of the arena.</summary>
    public static ulong At(long page) => LockstepWorld.Arena + (ulong)(page * Page);

    /// <summary>Where the first area lies that the kernel has chosen a place for, in bytes from the arena's first.</summary>
    public long Elsewhere(int process) =>
        World.At(process).Areas().Select(area => FromArena(area.Range.Start)).First(at => at >= ArenaPages * Page);

    /// <summary>Both sides do it.</summary>
    public CaseBench Does(params ReadOnlySpan<Operation> operations)
    {
        foreach (var operation in operations)
        {
            Refuses(Errno.None, operation);
        }

        return this;
    }

    /// <summary>Both sides refuse it with the same error.</summary>
    public CaseBench Refuses(Errno error, Operation operation)
    {
        Replay.SkipFor(World.WhyNot(operation));
        long before = World.Counts.Operations;
        World.Step(operation);
        Assert.True(World.Counts.Operations == before + 1, $"{operation} has no sense here.");
        Assert.True(World.LastOutcome == error, $"{operation} ended in {World.LastOutcome}, not {error}.");
        return this;
    }

    /// <summary>
    /// The areas of a process: "first-end rights file+offset flags" in pages, as /proc/PID/maps writes rights; anonymous memory
    /// has no file. Both sides are known to agree, on flags too; this says on what.
    /// </summary>
    public CaseBench Has(int process, params IEnumerable<string> areas)
    {
        World.CheckFlags(process);
        string expected = string.Join(", ", areas);
        string found = string.Join(", ", World.At(process).Areas().Select(Text));
        Assert.True(found == expected, $"Process {process} has {found}; not {expected}.");
        return this;
    }

    /// <summary>An access ends so; a load that is allowed finds the byte, a store leaves it.</summary>
    public CaseBench Touches(TouchAt touch, Touch outcome)
    {
        long before = World.Counts.Accesses;
        World.Step(touch);
        Assert.True(World.Counts.Accesses == before + 1, $"{touch} has no sense here.");
        Assert.True(World.LastTouch == outcome, $"{touch} ended in {World.LastTouch}, not {outcome}.");
        Assert.True(
            outcome != Touch.Allowed || touch.Access == AccessKind.Write || World.LastByte == touch.Value,
            $"{touch} found {World.LastByte}.");
        return this;
    }

    /// <summary>What the handlers of user faults were asked since the last time, by both sides.</summary>
    public void Asked(params IReadOnlyList<(int Process, UserFaultQuestion Question)> questions)
    {
        Assert.Equal(questions, World.LastQuestions);
        World.LastQuestions.Clear();
    }

    /// <summary>Ends all processes, and checks that the engine has everything back.</summary>
    public void End() => World.End();

    public void Dispose() => World.Dispose();

    private static long FromArena(VirtualAddress address) => (long)address.Value - (long)LockstepWorld.Arena;

    private string Text(AreaInfo area)
    {
        long first = FromArena(area.Range.Start) / Page;
        string place = first < ArenaPages
            ? string.Create(CultureInfo.InvariantCulture, $"{first}-{FromArena(area.Range.End) / Page}")
            : string.Create(CultureInfo.InvariantCulture, $"elsewhere:{area.Range.Length / Page}");
        string rights = string.Concat(
            (area.Rights & Rights.Read) != 0 ? 'r' : '-',
            (area.Rights & Rights.Write) != 0 ? 'w' : '-',
            (area.Rights & Rights.Execute) != 0 ? 'x' : '-',
            area.Shared ? 's' : 'p');
        string file = area.File is null ? ""
            : string.Create(CultureInfo.InvariantCulture, $" {World.Files.FirstOrDefault(file => file.Engine == area.File)?.Name ?? "unnamed"}+{area.Offset / Page}");
        var flags = area.Flags & ~AreaFlags.Shared;
        return $"{place} {rights}{file}" + (flags == 0 ? "" : $" {flags.ToString().Replace(",", "", StringComparison.Ordinal).ToLowerInvariant()}");
    }
}
