using Pando.Conformance.Tests.Kernel;
using Pando.Hardware;
using Pando.Linux.Snapshot;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Conformance.Tests.Lockstep;

/// <content>
/// After a move and a fork the kernel has entries, and tables, that the engine leaves to faults. They are faulted in, and what is
/// left is noted window by window (<see cref="NamedDifference.EntriesComeBackByFault"/>, <see cref="NamedDifference.EmptyTablesTravel"/>).
/// </content>
internal sealed partial class LockstepWorld
{
    private const ulong Window = 2UL << 20;

    private void AfterMove(TestProcess process, AddressRange old, ulong to, long newLength, bool keepsOld, HashSet<(int Level, ulong Number)> before)
    {
        if (_options.Sharing != SharingLevels.None)
        {
            FaultInWhatTheKernelHas(process, HostileRange.Of(new VirtualAddress(to), newLength));
            return;
        }

        var moved = old.Length > newLength ? HostileRange.Of(old.Start, newLength) : old;
        FaultInWhatTheKernelHas(process, HostileRange.Of(new VirtualAddress(to), newLength));
        ulong distance = to - old.Start.Value;
        var made = new List<(int Level, ulong Number)>();
        var empty = keepsOld ? EngineTables.EmptyWindows(process.Space) : [];
        for (ulong window = moved.Start.Value & ~(Window - 1); window < moved.End.Value; window += Window)
        {
            // move_page_tables: where the source has a table of PMDs, the destination gets one of PUDs; where the source
            // has one of PTEs, it gets all three. What it gets may be the source of what follows.
            int level = before.Contains((Level.Pte, window / Window)) ? Level.Pte
                : before.Contains((Level.Pmd, window / (ulong)X64.TableSpan(Level.Pmd))) ? Level.Pud
                : Level.Pgd;
            var part = HostileRange.Of(new VirtualAddress(window), (long)Window).Intersect(moved);
            foreach (ulong at in (ReadOnlySpan<ulong>)[part.Start.Value + distance, part.End.Value - 1 + distance])
            {
                for (int above = level; above <= Level.Pud; above++)
                {
                    made.Add((above, at / (ulong)X64.TableSpan(above)));
                    before.Add(made[^1]);
                }
            }

            if (level == Level.Pte && empty.Contains(window))
            {
                process.MayLackEmpty.Add(window);
            }
        }

        MayHaveEmpty(process, made);
    }

    private void AfterFork(TestProcess parent, TestProcess child)
    {
        child.MayBeCut.UnionWith(parent.MayBeCut);
        foreach (var area in child.Areas())
        {
            FaultInWhatTheKernelHas(child, area.Range);
        }

        if (_options.Sharing != SharingLevels.None)
        {
            return;
        }

        // copy_page_range goes down wherever the parent has a table. A shared mapping of a file that was not opened for writing is private
        // to the kernel once UFFDIO_COPY and the like were tried on it (VM_SHARED is not set; find_vma_and_prepare_anon).
        var copied = child.Areas().FindAll(area => (!area.Shared || _filled) && (area.Flags & AreaFlags.WipeOnFork) == 0);
        MayHaveEmpty(child, [.. EngineTables.Positions(parent.Space).Concat(parent.MayHaveEmpty).Where(table =>
        {
            long length = X64.TableSpan(table.Level);
            var span = HostileRange.Of(new VirtualAddress(table.Number * (ulong)length), length);
            return copied.Exists(area => area.Range.Overlaps(span));
        })]);
    }

    /// <summary>The kernel frees a table of PTEs that is emptied in one of its areas, and they may be finer than the engine's.</summary>
    private void AfterDropping(TestProcess process, HashSet<(int Level, ulong Number)> before)
    {
        if (_options.Sharing != SharingLevels.None)
        {
            return;
        }

        before.ExceptWith(EngineTables.Positions(process.Space));

        // Nor does it free one in which it keeps marks.
        var marked = process.Areas().FindAll(area => (area.Flags & AreaFlags.UserWriteProtect) != 0);
        MayHaveEmpty(
            process,
            [.. before.Where(table => marked.Exists(area => area.Range.Overlaps(HostileRange.Of(new VirtualAddress(table.Number * Window), (long)Window))))],
            NamedDifference.TablesForMarks);
        MayHaveEmpty(process, [.. before.Where(table => process.KeptApart.Any(at => at > table.Number * Window && at < (table.Number + 1) * Window))]);
    }

    /// <summary>Notes tables that the kernel may have without entries: those of them that the engine has not.</summary>
    private void MayHaveEmpty(
        TestProcess process, List<(int Level, ulong Number)> tables, NamedDifference rule = NamedDifference.EmptyTablesTravel)
    {
        if (tables.Count == 0)
        {
            return;
        }

        var there = EngineTables.Positions(process.Space);
        foreach (var table in tables)
        {
            if (!there.Contains(table) && process.MayHaveEmpty.Add(table))
            {
                Counts.Count(rule);
            }
        }
    }

    /// <summary>Faults past the end of a file fail; by then the kernel has mapped what lies around (Linux: do_fault_around).</summary>
    private void AfterFailedFaults(TestProcess process, VirtualAddress at, long length)
    {
        var range = Clamped(at.Value, length);
        if (!range.IsEmpty)
        {
            FaultInWhatTheKernelHas(process, new AddressRange(range.Start.AlignDown((long)Window), range.End.AlignUp((long)Window)), NamedDifference.FaultAround);
        }
    }

    private static void AfterAnyRefusal(TestProcess process, Errno error, ulong at, long length)
    {
        if (error != Errno.None)
        {
            AfterRefusal(process, at, length);
        }
    }

    /// <summary>An operation that was refused may have cut areas at the ends of its range (Linux: vms_gather_munmap_vmas).</summary>
    private static void AfterRefusal(TestProcess process, ulong at, long length)
    {
        process.MayBeCut.Add(at);
        process.MayBeCut.Add(at + (((ulong)length + (ulong)Page - 1) & ~((ulong)Page - 1)));
    }

    /// <summary>What comes back must be what the kernel has kept; at the places of a page that stores go to.</summary>
    private static void CompareBytes(TestProcess process, VirtualAddress page)
    {
        for (int place = 0; place < 4000; place += 1000)
        {
            var answer = process.Agent.Load((page + place).Value);
            var result = process.Processor.TryRead(page + place, out byte value);
            Same(OutcomeOf(answer), OutcomeOf(result.Outcome), $"the outcome of a load at {page + place}");
            Same((byte)answer.Value, value, $"the byte at {page + place}, whose entry the kernel kept");
        }
    }

    /// <summary>Faults a page in; where a handler would be asked, without that.</summary>
    private static void ShowPage(TestProcess process, VirtualAddress page)
    {
        var area = AreaAt(process, page);
        if ((area.Flags & AnyUserFault) != 0)
        {
            var (start, length) = PageOf(area, page.Value);
            process.Space.UserContinue(new VirtualAddress(start), length, process.Space.ProtectedPages.Has(page));
        }
        else
        {
            process.Space.Populate(HostileRange.Of(page, Page), AccessKind.Read);
        }
    }

    /// <summary>Faults in every page that the kernel has an entry for: all that it has more is what a fault would bring.</summary>
    private void FaultInWhatTheKernelHas(TestProcess process, AddressRange range, NamedDifference rule = NamedDifference.EntriesComeBackByFault)
    {
        var unreadable = new List<(int Level, ulong Number)>();
        foreach (var area in process.Agent.Areas())
        {
            ulong start = Math.Max(area.Start, range.Start.Value);
            ulong end = Math.Min(area.End, range.End.Value);
            if (start >= end)
            {
                continue;
            }

            foreach (ulong window in process.Agent.PopulatedWindows(area with { Start = start, End = end }))
            {
                if ((area.Rights & MappingRights.Read) == 0)
                {
                    // Without the right to read nothing can be faulted in.
                    for (int level = Level.Pte; level <= Level.Pud; level++)
                    {
                        unreadable.Add((level, window / (ulong)X64.TableSpan(level)));
                    }

                    continue;
                }

                for (ulong page = Math.Max(window, start); page < Math.Min(window + Window, end); page += 4096)
                {
                    var at = new VirtualAddress(page);
                    if (AgentProcess.IsPage(process.Agent.PageEntry(page)) && !process.Processor.TryTranslate(at, AccessKind.Read, out _, FaultDelivery.ToCaller).IsCompleted)
                    {
                        ShowPage(process, at);
                        Counts.Count(rule);
                        CompareBytes(process, at);
                    }
                }
            }
        }

        MayHaveEmpty(process, unreadable);
    }
}
