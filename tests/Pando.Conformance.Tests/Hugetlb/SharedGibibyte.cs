using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;
using Pando.Linux.Native;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Hugetlb;

/// <summary>
/// Who shows a GiB of a huge-page file through whose table of PMDs, on both sides.
/// </summary>
/// <remarks>
/// The kernel does not tell, but it shows: a page that one process has just touched for the first time is present in the
/// pagemap of exactly those that share its table (Documentation/admin-guide/mm/pagemap.rst). For root
/// /proc/kpagecount of a page that all have touched is the number of tables.
/// </remarks>
internal sealed class SharedGibibyte(LockstepWorld world, TestFile file, long number)
{
    private const long Gibi = 1L << 30;
    private const long HugePage = 2L << 20;

    private readonly long _start = number * Gibi;

    // Which table of the kernel's each place had at the last comparison; not those of mappings that have been made since.
    private Dictionary<(int Process, ulong Address), int> _groups = [];
    private long _nextMarker = 1;

    /// <summary>A place where a process maps the first page of the GiB: the process, the address of that page, its area.</summary>
    private readonly record struct Place(int Process, ulong Address, AreaInfo Area)
    {
        public ulong Slot => Address & ~((ulong)Gibi - 1);
    }

    /// <summary>How many tables of the kernel's show the first page; counted from /proc/kpagecount too where that may be read.</summary>
    public int KernelTables { get; private set; }

    /// <summary>How many of the engine's.</summary>
    public int EngineTables { get; private set; }

    /// <summary>Whether so many places can be compared once more: each takes a page that nobody has touched.</summary>
    public bool HasRoomFor(int places) => _nextMarker + (2 * places) < Gibi / HugePage;

    /// <summary>Whether /proc/kpagecount was read.</summary>
    public bool HasPageCount { get; private set; }

    /// <summary>Notes that a process is to map something: what it had there is gone, and its table with it.</summary>
    public void NoteMapping(int process, ulong address, long length)
    {
        foreach (var place in _groups.Keys.Where(place => place.Process == process && place.Address - address < (ulong)length).ToList())
        {
            _groups.Remove(place);
        }
    }

    /// <summary>
    /// Compares: where the engine shares and the kernel does not, a named difference says why; the other way round never. To be called
    /// after each operation, as who has had a table of its own is known from the last time.
    /// </summary>
    public void Compare()
    {
        var places = Places();

        // All touch the first page, so that it is in every table; each then a page of its own.
        foreach (var place in places)
        {
            Touch(place, 0);
        }

        var groups = KernelGroups(places);
        var tables = places.ConvertAll(TableOf);
        KernelTables = groups.Distinct().Count();
        EngineTables = tables.Distinct().Count();
        CheckPageCount(places);
        for (int i = 0; i < places.Count; i++)
        {
            for (int j = i + 1; j < places.Count; j++)
            {
                bool kernelShares = groups[i] == groups[j];
                bool engineShares = tables[i] == tables[j];
                if (kernelShares && !engineShares)
                {
                    throw new MismatchException($"the kernel shares a table between {places[i]} and {places[j]}, the engine does not");
                }

                if (engineShares && !kernelShares)
                {
                    world.Counts.Count(Reason(places, groups, i, j));
                }
            }
        }

        _groups = Enumerable.Range(0, places.Count).ToDictionary(i => (places[i].Process, places[i].Address), i => groups[i]);
    }

    private NamedDifference Reason(List<Place> places, List<int> groups, int i, int j)
    {
        var (one, other) = (places[i], places[j]);
        if (!CoversSpan(one) || !CoversSpan(other))
        {
            return NamedDifference.SharesPartOfSpan;
        }

        if (one.Area.Rights != other.Area.Rights)
        {
            return NamedDifference.SharesAcrossRights;
        }

        const AreaFlags locks = AreaFlags.Locked | AreaFlags.LockedOnFault;
        if ((one.Area.Flags & ~locks) != (other.Area.Flags & ~locks))
        {
            return NamedDifference.SharesAcrossFlags;
        }

        if (EarlierTables(places, groups, groups[i]).Any(table => EarlierTables(places, groups, groups[j]).Any(another => another != table)))
        {
            return NamedDifference.SharesAgain;
        }

        throw new MismatchException($"the engine shares a table between {one} and {other}, the kernel does not, and no rule says why");
    }

    /// <summary>
    /// The tables that those who now share one had at the last comparison. Two that were apart then, for another reason, stay apart
    /// as long as both are used; who comes to one of them later is apart from the other as well.
    /// </summary>
    private IEnumerable<int> EarlierTables(List<Place> places, List<int> groups, int group)
    {
        for (int k = 0; k < places.Count; k++)
        {
            if (groups[k] == group && _groups.TryGetValue((places[k].Process, places[k].Address), out int earlier))
            {
                yield return earlier;
            }
        }
    }

    private static bool CoversSpan(Place place) =>
        place.Area.Range.Contains(HostileRange.Of(new VirtualAddress(place.Slot), Gibi));

    /// <summary>Where readable mappings show the first page of the GiB.</summary>
    private List<Place> Places()
    {
        var places = new List<Place>();
        for (int process = 0; process < LockstepWorld.Processes; process++)
        {
            foreach (var area in world.Has(process) ? world.At(process).Areas() : [])
            {
                if (area.File == file.Engine && area.Offset <= _start && _start < area.Offset + area.Range.Length && (area.Rights & Rights.Read) != 0)
                {
                    places.Add(new Place(process, (area.Range.Start + (_start - area.Offset)).Value, area));
                }
            }
        }

        return places;
    }

    /// <summary>For each place the lowest place that shares its table.</summary>
    private List<int> KernelGroups(List<Place> places)
    {
        var present = new bool[places.Count, places.Count];
        for (int i = 0; i < places.Count; i++)
        {
            // A page that this place shows and nobody has touched. Who shows no other than the first has cut the GiB, and the
            // kernel gives a table of its own to that.
            long next = _nextMarker;
            while (next < Gibi / HugePage && !Shows(places[i], next * HugePage))
            {
                next++;
            }

            if (next == Gibi / HugePage)
            {
                present[i, i] = true;
                continue;
            }

            _nextMarker = next + 1;
            long marker = next * HugePage;
            Touch(places[i], marker);
            for (int j = 0; j < places.Count; j++)
            {
                present[i, j] = Shows(places[j], marker) && (world.At(places[j].Process).Agent.PageEntry(places[j].Address + (ulong)marker) >> 63) != 0;
            }
        }

        return [.. Enumerable.Range(0, places.Count).Select(i => Enumerable.Range(0, i + 1).First(j => present[i, j]))];
    }

    private bool Shows(Place place, long offset) => world.At(place.Process).Areas().Exists(area =>
        area.File == file.Engine
        && (area.Rights & Rights.Read) != 0
        && area.Range.Contains(new VirtualAddress(place.Address + (ulong)offset))
        && area.Offset + (long)(place.Address + (ulong)offset - area.Range.Start.Value) == _start + offset);

    private void Touch(Place place, long offset) =>
        world.Step(new TouchAt(place.Process, place.Address + (ulong)offset, AccessKind.Read, 0));

    private void CheckPageCount(List<Place> places)
    {
        if (places.Count == 0)
        {
            return;
        }

        ulong entry = world.At(places[0].Process).Agent.PageEntry(places[0].Address);
        ulong frame = entry & ((1UL << 55) - 1);
        if (frame != 0 && FrameCounters.Read("/proc", "kpagecount", frame) is { } count)
        {
            HasPageCount = true;
            if (count != KernelTables)
            {
                throw new MismatchException($"kpagecount says that {count} tables show the page; by the pages that are present it is {KernelTables}");
            }
        }
    }

    private Frame TableOf(Place place)
    {
        var space = world.At(place.Process).Space;
        var table = space.Root;
        for (int level = space.Store.Format.Geometry.Levels; level > Level.Pmd; level--)
        {
            table = space.Store.TableOf(space.Store.Read(table, X64.Index(place.Address, level)), level);
        }

        return table;
    }
}
