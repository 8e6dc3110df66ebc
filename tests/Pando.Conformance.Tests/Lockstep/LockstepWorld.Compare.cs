using Pando.Files;
using Pando.Hardware;
using Pando.Linux.Snapshot;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <content>What is compared after each operation.</content>
internal sealed partial class LockstepWorld
{
    private void Check(string after)
    {
        if (Audits && Machine.Audit() is { IsSound: false } report)
        {
            throw new MismatchException($"after {after} the audit found: {string.Join("; ", report.Violations.Take(5))}");
        }

        for (int i = 0; i < Processes; i++)
        {
            if (Has(i))
            {
                CheckAreas(i);
                CheckTables(i);
                CheckProtectedPages(i);
            }
        }
    }

    /// <summary>
    /// The areas as /proc/PID/maps has them: bounds, rights, shared or private, file and offset. Where the kernel
    /// keeps areas apart that map on in the same way (private ones, and where a refusal has left a cut), a run of them
    /// stands for one of the engine's.
    /// </summary>
    private void CheckAreas(int place)
    {
        var process = At(place);
        var kernel = process.Agent.Areas().Where(area => !process.IsOwn(area.Start)).ToArray();
        var engine = process.Areas();
        var keptApart = new HashSet<ulong>();
        int next = 0;
        foreach (var area in engine)
        {
            if (next == kernel.Length)
            {
                throw Differ("the engine has one more");
            }

            int first = next++;
            while (next < kernel.Length && kernel[next - 1].End < area.Range.End.Value
                && MapsOn(kernel[next - 1], kernel[next])
                && (!kernel[next].IsShared || process.MayBeCut.Contains(kernel[next].Start)))
            {
                keptApart.Add(kernel[next].Start);
                next++;
            }

            var seen = kernel[first] with { End = kernel[next - 1].End };
            if ((seen.Start, seen.End) != (area.Range.Start.Value, area.Range.End.Value)
                || (int)seen.Rights != ((int)area.Rights | (area.Shared ? (int)MappingRights.Shared : 0))
                || (area.File is not null && seen.Offset != area.Offset)
                || !IsSameObject(seen.ObjectNumber, area.File))
            {
                throw Differ($"at 0x{seen.Start:x}");
            }

            Counts.Areas++;
        }

        if (next < kernel.Length)
        {
            throw Differ("the kernel has one more");
        }

        var apart = keptApart.Where(at => !process.KeptApart.Contains(at)).ToList();
        var advised = apart.Count > 0 ? process.Agent.AreaFlags().ToList() : [];
        foreach (ulong at in apart)
        {
            // Alike in all that /proc tells.
            int part = advised.FindIndex(one => one.Start == at);
            Same((advised[part - 1].Flags, advised[part - 1].Key), (advised[part].Flags, advised[part].Key), $"what was advised on both sides of 0x{at:x}, where the engine has one area");
            Counts.Count(process.MayBeCut.Contains(at) ? NamedDifference.RefusalLeavesCut : NamedDifference.PrivateAreasJoin);
        }

        process.MayBeCut.IntersectWith(kernel.Select(area => area.Start));
        process.KeptApart.Clear();
        process.KeptApart.UnionWith(keptApart);

        MismatchException Differ(string where) => new(
            $"the areas of process {place} differ ({where}).{Environment.NewLine}  kernel: {string.Join(", ", kernel.Select(Text))}{Environment.NewLine}  engine: {string.Join(", ", engine)}");
    }

    private string Text(MappingFacts area) => $"0x{area.Start:x}-0x{area.End:x} {area.RightsText()} {(area.ObjectNumber == 0 ? "anonymous" : At(0).Agent.ObjectOf(area.ObjectNumber).Name)}+0x{area.Offset:x}";

    private static bool MapsOn(in MappingFacts low, in MappingFacts high) =>
        low.End == high.Start
        && low.Rights == high.Rights
        && low.ObjectNumber == high.ObjectNumber
        && (low.ObjectNumber == 0 || low.Offset + (long)low.Length == high.Offset);

    /// <summary>The first time that an object of the kernel's is seen, it is tied to the engine's file there, for good.</summary>
    private bool IsSameObject(int number, MappedFile? file)
    {
        if (number == 0 || file is null)
        {
            return number == 0 && file is null;
        }

        if (_objects.TryGetValue(number, out var known))
        {
            return known == file;
        }

        if (_objects.ContainsValue(file))
        {
            return false;
        }

        _objects.Add(number, file);
        return true;
    }

    /// <summary>VmPTE against the engine's own tables, where it shares none.</summary>
    private void CheckTables(int place)
    {
        if (_options.Sharing != SharingLevels.None)
        {
            return;
        }

        var process = At(place);
        process.ForgetSettledWindows();
        var (least, most) = process.TableBounds();
        long kernel = process.Agent.Tables();
        if (kernel < least || kernel > most)
        {
            throw new MismatchException(
                $"the page tables of process {place} differ: the kernel has {kernel}, the engine {EngineTables.Count(process.Space)}"
                + (least == most ? "" : $", and windows are open that allow {least} to {most}"));
        }

        if (least == most)
        {
            Counts.ExactTables++;
        }
        else
        {
            Counts.BoundedTables++;
        }
    }

    /// <summary>What /proc/PID/maps does not tell: what was advised and locked.</summary>
    private void CheckFlags()
    {
        for (int i = 0; i < Processes; i++)
        {
            if (Has(i))
            {
                CheckFlags(i);
            }
        }
    }

    /// <summary>What was advised and locked, of one process.</summary>
    public void CheckFlags(int place)
    {
        var process = At(place);
        var engine = process.Areas();
        foreach (var (start, flags, key) in process.Agent.AreaFlags())
        {
            if (process.IsOwn(start))
            {
                continue;
            }

            var area = engine.Find(area => area.Range.Contains(new VirtualAddress(start)));
            Same(flags, area.Flags & ~(AreaFlags.Shared | AreaFlags.Synchronous), $"what was advised for 0x{start:x} of process {place}");
            Same(key, area.ProtectionKey, $"the protection key of 0x{start:x} of process {place}");
        }
    }

    private static Touch OutcomeOf(in Kernel.AgentAnswer answer) => (answer.Signal, answer.Code) switch
    {
        (0, _) => Touch.Allowed,
        (11, 1) => Touch.NotMapped,
        (11, 2) => Touch.NotAllowed,
        (11, 128) => Touch.NotMapped, // SI_KERNEL: #GP, for an address that is not canonical
        (11, 4) => Touch.DeniedByKey,
        (7, _) => Touch.BusError,
        _ => throw new MismatchException($"the agent got signal {answer.Signal} with code {answer.Code}"),
    };

    private static Touch OutcomeOf(Machines.AccessOutcome outcome) => outcome switch
    {
        Machines.AccessOutcome.Completed => Touch.Allowed,
        Machines.AccessOutcome.NotMapped or Machines.AccessOutcome.GeneralProtection => Touch.NotMapped,
        Machines.AccessOutcome.NotAllowed => Touch.NotAllowed,
        Machines.AccessOutcome.DeniedByKey => Touch.DeniedByKey,
        Machines.AccessOutcome.BusError => Touch.BusError,
        _ => throw new MismatchException($"the engine's access ended in {outcome}"),
    };
}
