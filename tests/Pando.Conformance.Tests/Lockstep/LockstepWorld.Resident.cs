using Pando.Conformance.Tests.Kernel;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Conformance.Tests.Lockstep;

/// <content>What is in memory, and what the kernel may have given up since (<see cref="NamedDifference.PageOutReclaims"/>).</content>
internal sealed partial class LockstepWorld
{
    private void ResidentBoth(ResidentAt resident)
    {
        var process = At(resident.Space);
        int pages = (int)Math.Min(AgentProcess.ScratchSize, Math.Max(0, resident.Length - 1 + Page) / Page);
        long result = process.Agent.Call(SystemCall.Mincore, resident.Address, (ulong)(pages * Page), process.Agent.Scratch);
        bool[] engine = new bool[pages];
        Outcome(result, process.Space.Resident(new VirtualAddress(resident.Address), engine));
        if (result == 0 && pages > 0)
        {
            byte[] kernel = process.Agent.Read(process.Agent.Scratch, pages);
            LastResident = string.Concat(kernel.Select(b => b & 1));
            for (int i = 0; i < pages; i++)
            {
                bool kernelHas = (kernel[i] & 1) != 0;
                var page = new VirtualAddress(resident.Address) + (i * Page);
                bool hasEntry = AgentProcess.IsPage(process.Agent.PageEntry(page.Value));
                if (kernelHas && !engine[i] && hasEntry)
                {
                    // An entry that the kernel has kept, and the engine leaves to a fault.
                    Counts.Count(NamedDifference.EntriesComeBackByFault);
                    engine[i] = true;
                }
                else if (!kernelHas && engine[i] && !hasEntry && AreaAt(process, page).File is { MappingAlignment: > Page })
                {
                    Counts.Count(NamedDifference.HugePagesAreResident);
                    engine[i] = false;
                }
                else if (kernelHas)
                {
                    NoteResident(process, page);
                }
                else if (engine[i] && MayBeGivenUp(process, page))
                {
                    Counts.Count(NamedDifference.PageOutReclaims);
                    engine[i] = false;
                }
            }

            Same(LastResident, string.Concat(engine.Select(b => b ? 1 : 0)), "what is resident");
        }
    }

    /// <summary>
    /// MADV_PAGEOUT was done to a range: pages of files there may be given up, and they are those of all who show the file. Pages of
    /// private memory can only be swapped out, and their entries say so.
    /// </summary>
    private void NotePageOut(TestProcess process, AddressRange range)
    {
        foreach (var area in process.Areas())
        {
            var part = area.Range.Intersect(range);
            for (var at = part.Start; at < part.End && area.File is not null; at += Page)
            {
                _pagedOut.Add((area.File, FilePage(area, at)));
            }
        }
    }

    /// <summary>A page is seen to be in memory, or was brought back: from here on it stays. A private mapping may show a copy instead.</summary>
    private void NoteResident(TestProcess process, VirtualAddress at)
    {
        if (_pagedOut.Count > 0 && AreaAt(process, at) is { File: { } file, Shared: true } area)
        {
            _pagedOut.Remove((file, FilePage(area, at)));
        }
    }

    private bool MayBeGivenUp(TestProcess process, VirtualAddress at)
    {
        const ulong Swapped = 1UL << 62;
        var area = AreaAt(process, at);
        return (area.File is { } file && _pagedOut.Contains((file, FilePage(area, at)))) || (process.Agent.PageEntry(at.Value) & Swapped) != 0;
    }

    private static AreaInfo AreaAt(TestProcess process, VirtualAddress at) => process.Areas().Find(area => area.Range.Contains(at));

    private static long FilePage(AreaInfo area, VirtualAddress at) => (area.Offset + (at - area.Range.Start)) / Page;
}
