using System.Globalization;
using Pando.Linux.Native;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Proc;

/// <summary>
/// Mappings that bear the same marks (an overlay's handle, a System V id) and may yet show different memory, or the
/// same: their frames decide. Two mappings that have any page of the file at the same offset in the same frame show
/// one object. Needs frame numbers (root), and an offset at which both have an entry.
/// </summary>
internal sealed class FrameGroup(string proc)
{
    private const ulong PageSize = 4096;
    private const int PagesOfWindow = 512;
    private const long Window = PagesOfWindow * (long)PageSize;
    private const int Attempts = 3;

    private const int MostWindows = 8;

    private readonly Lock _lock = new(); // held for look-ups alone, never for a call into the kernel
    private readonly List<Memory> _memories = [];
    private readonly Dictionary<ObjectIdentity, int> _byMarks = [];
    private readonly Dictionary<(long Page, ulong Frame), int> _byFrame = [];
    private readonly Dictionary<(int Number, long Page), ulong> _byPage = [];
    private readonly List<long> _windows = []; // of which frames are known

    /// <summary>
    /// Compares a mapping with the memories found so far. <paramref name="otherwise"/> is what it is taken for where frames tell
    /// nothing: mappings with the same one are then taken to be of one memory. Changes nothing.
    /// </summary>
    public Comparison Compare(int pid, MappingFacts mapping, ObjectIdentity otherwise, FileContents file)
    {
        var place = new Place(pid, mapping);
        var (count, alike, windows) = Known(otherwise);
        var own = FirstWindow(place, file);
        bool? verdict = null;
        if (alike is { } known)
        {
            verdict = IsSame(known.Place, place, own, file) ?? IsSame(known.Place, place, known.Window, file);
            if (verdict == true)
            {
                return new Comparison(known.Number, count, known, []);
            }
        }

        var frames = new List<(long Page, ulong Frame)>();
        Span<ulong> entries = stackalloc ulong[PagesOfWindow];
        foreach (var window in own is { } first ? windows.Prepend(first).Distinct() : windows)
        {
            if (TryRead(place, window, entries, file))
            {
                for (var i = 0; i < PagesOfWindow; i++)
                {
                    if (entries[i] != 0)
                    {
                        frames.Add(((window / (long)PageSize) + i, entries[i]));
                    }
                }
            }
        }

        // Where the first place has no page in common any more, another of the same memory may have: its frames are known by then.
        return Find(frames) is { } found ? new Comparison(found.Number, count, found, [])
            : alike is { } same && verdict is null && !Contradicts(same.Number, frames) ? new Comparison(same.Number, count, same, frames)
            : new Comparison(count, count, new Memory(count, place, own, otherwise), frames);
    }

    /// <summary>Takes a comparison's result in. False if it found a memory of its own, and others have been found since: then
    /// it has to be compared anew.</summary>
    public bool TryAdd(in Comparison comparison)
    {
        lock (_lock)
        {
            if (comparison.Number < comparison.Compared)
            {
                if (Contradicts(comparison.Number, comparison.Frames))
                {
                    return false;
                }

                Keep(comparison.Number, comparison.Frames);
                return true;
            }

            if (_memories.Count != comparison.Compared)
            {
                return false;
            }

            var memory = comparison.Memory;
            _memories.Add(memory);
            _byMarks.TryAdd(memory.Otherwise, memory.Number);
            Keep(memory.Number, comparison.Frames);
            if (memory.Window is { } window && _windows.Count < MostWindows && !_windows.Contains(window))
            {
                _windows.Add(window);
            }

            return true;
        }
    }

    private void Keep(int number, IReadOnlyList<(long Page, ulong Frame)> frames)
    {
        foreach (var frame in frames)
        {
            _byFrame.TryAdd(frame, number);
            _byPage.TryAdd((number, frame.Page), frame.Frame);
        }
    }

    /// <summary>True if one of the pages is known to be in another frame in that memory.</summary>
    private bool Contradicts(int number, IReadOnlyList<(long Page, ulong Frame)> frames)
    {
        lock (_lock)
        {
            return frames.Any(f => _byPage.TryGetValue((number, f.Page), out var frame) && frame != f.Frame);
        }
    }

    private (int Count, Memory? Alike, long[] Windows) Known(ObjectIdentity marks)
    {
        lock (_lock)
        {
            return (_memories.Count, _byMarks.TryGetValue(marks, out var number) ? _memories[number] : null, [.. _windows]);
        }
    }

    private Memory? Find(List<(long Page, ulong Frame)> frames)
    {
        lock (_lock)
        {
            foreach (var frame in frames)
            {
                if (_byFrame.TryGetValue(frame, out var number))
                {
                    return _memories[number];
                }
            }

            return null;
        }
    }

    /// <summary>True if a page of the window is in the same frame in both, false if one is in another, null if none is in both.</summary>
    private bool? IsSame(Place one, Place two, long? window, FileContents file)
    {
        if (window is not { } offset)
        {
            return null;
        }

        Span<ulong> first = stackalloc ulong[PagesOfWindow];
        Span<ulong> second = stackalloc ulong[PagesOfWindow];
        bool? verdict = null;

        // The kernel may move a page between two looks: a difference must last.
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (!TryRead(one, offset, first, file) || !TryRead(two, offset, second, file))
            {
                return null;
            }

            verdict = null;
            for (var i = 0; i < PagesOfWindow; i++)
            {
                if (first[i] != 0 && second[i] != 0)
                {
                    if (first[i] == second[i])
                    {
                        return true;
                    }

                    verdict = false;
                }
            }

            if (verdict is null)
            {
                return null;
            }
        }

        return verdict;
    }

    /// <summary>Frames of the object's pages in a window of it; 0 where there is no entry, or a copy of the process's own.</summary>
    private bool TryRead(Place place, long window, Span<ulong> frames, FileContents file)
    {
        frames.Clear();
        var from = Math.Max(window, place.Mapping.Offset);
        var to = Math.Min(window + Window, place.Mapping.Offset + (long)place.Mapping.Length);
        if (from >= to)
        {
            return true;
        }

        using var pageMap = Open(place.Pid, file);
        var some = frames.Slice((int)((from - window) / (long)PageSize), (int)((to - from) / (long)PageSize));
        if (pageMap is null || !pageMap.TryReadEntries(place.Mapping.Start + (ulong)(from - place.Mapping.Offset), some))
        {
            return false;
        }

        foreach (ref var entry in some)
        {
            const ulong Both = KernelAbi.PagemapPresent | KernelAbi.PagemapOfFile;
            entry = (entry & Both) == Both ? entry & KernelAbi.PagemapFrameMask : 0;
        }

        return true;
    }

    private long? FirstWindow(Place place, FileContents file)
    {
        using var pageMap = Open(place.Pid, file);
        return pageMap?.FirstPage(place.Mapping.Start, place.Mapping.End) is { } page
            ? (place.Mapping.Offset + (long)(page - place.Mapping.Start)) / Window * Window
            : null;
    }

    private PageMap? Open(int pid, FileContents file) => PageMap.Open(string.Create(CultureInfo.InvariantCulture, $"{proc}/{pid}/pagemap"), file.Heart, out _);

    /// <summary>The number of the memory a mapping shows within its group, how many were known when it was compared, the memory, and its
    /// frames if it is a new one.</summary>
    public readonly record struct Comparison(int Number, int Compared, Memory Memory, IReadOnlyList<(long Page, ulong Frame)> Frames);

    /// <summary>Where a process shows the memory.</summary>
    public readonly record struct Place(int Pid, MappingFacts Mapping);

    /// <summary>One memory: the first place where it was seen, the object's first window with an entry there, and its marks.</summary>
    public sealed record Memory(int Number, Place Place, long? Window, ObjectIdentity Otherwise);
}
