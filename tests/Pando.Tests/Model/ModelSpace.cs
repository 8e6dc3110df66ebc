using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>
/// A process's memory as Linux's manual pages tell it, with neither tables nor faults: a list of areas, and the
/// private pages that have been written. Slow and simple, so that it can be believed.
/// </summary>
internal sealed partial class ModelSpace(ModelPage paging, ulong userEnd, bool executeOnlyByKey, bool executeImpliesRead, int protectionKeys)
{
    private const ulong Lowest = AddressSpace.LowestAddress;

    private readonly Dictionary<ulong, byte[]> _privatePages = [];

    /// <summary>In order of address. What has been mapped or changed is one with what it continues; the rest stays as it is.</summary>
    public List<ModelArea> Areas { get; private set; } = [];

    public ModelArea? Find(ulong address)
    {
        foreach (var area in Areas)
        {
            if (address >= area.Start && address < area.End)
            {
                return area;
            }
        }

        return null;
    }

    /// <summary>
    /// The error that mmap(2) gives, and the address where the arguments settle it; null where the kernel may choose.
    /// </summary>
    public (Errno Error, ulong? Address) PlanMap(long length, long offset, bool hasFile, ulong address, MapPlacement placement)
    {
        if (length == 0 || offset % paging.Size != 0)
        {
            return (Errno.EINVAL, null);
        }

        ulong bytes = RoundUp(length);
        if (bytes == 0 || bytes > userEnd)
        {
            return (Errno.ENOMEM, null);
        }

        var place = PlanPlace(bytes, address, placement);
        return place.Error == Errno.None && hasFile && (offset < 0 || offset > MappedFile.MaxSize - (long)bytes) ? (Errno.EOVERFLOW, null) : place;
    }

    private (Errno Error, ulong? Address) PlanPlace(ulong bytes, ulong address, MapPlacement placement)
    {
        if (placement != MapPlacement.Anywhere)
        {
            if (address > userEnd - bytes)
            {
                return (Errno.ENOMEM, null);
            }

            if (paging.OffsetIn(address) != 0)
            {
                return (Errno.EINVAL, null);
            }

            if (address < Lowest)
            {
                return (Errno.EPERM, null);
            }

            return placement == MapPlacement.FixedNoReplace && !IsFree(address, bytes) ? (Errno.EEXIST, null) : (Errno.None, address);
        }

        ulong hint = paging.StartOf(address);
        if (hint != 0)
        {
            hint = Math.Max(hint, Lowest);
            if (hint <= userEnd - bytes && IsFree(hint, bytes))
            {
                return (Errno.None, hint);
            }
        }

        return HasGap(bytes) ? (Errno.None, null) : (Errno.ENOMEM, null);
    }

    /// <summary>Whether a range that the engine chose is one that it may choose.</summary>
    public bool MayChoose(ulong address, long length) =>
        paging.OffsetIn(address) == 0 && address >= Lowest && address + RoundUp(length) <= userEnd && IsFree(address, RoundUp(length));

    public void Map(ModelArea area)
    {
        Remove(area.Start, area.End);
        Areas.Add(area);
        Join(area.Start, area.End);
    }

    public Errno Unmap(ulong address, long length)
    {
        if (paging.OffsetIn(address) != 0 || length <= 0 || address >= userEnd || RoundUp(length) > userEnd - address)
        {
            return Errno.EINVAL;
        }

        Remove(address, address + RoundUp(length));
        return Errno.None;
    }

    public ModelSpace Fork()
    {
        // Locks and user-fault handlers are not inherited.
        var child = new ModelSpace(paging, userEnd, executeOnlyByKey, executeImpliesRead, protectionKeys)
        {
            ExecuteOnlyKey = ExecuteOnlyKey,
            Areas = [.. Areas.Where(area => (area.Flags & AreaFlags.DontFork) == 0).Select(area => area with { Flags = area.Flags & ~(AnyLock | AreaTraits.AnyUserFault) })],
        };
        child._keys.UnionWith(_keys);
        foreach (var (page, bytes) in _privatePages)
        {
            if (child.Find(page) is { } area && (area.Flags & AreaFlags.WipeOnFork) == 0)
            {
                child._privatePages[page] = [.. bytes];
            }
        }

        return child;
    }

    /// <summary>Makes an access, or finds out why it cannot be made. A store stores <paramref name="value"/>.</summary>
    public Touch Access(ulong address, AccessKind access, byte? value = null)
    {
        if (Find(address) is not { } area)
        {
            return Touch.NotMapped;
        }

        if (IsDenied(area, access))
        {
            return Touch.DeniedByKey;
        }

        // What may be written can be read; on x86 what may be executed, too.
        var wanted = access switch
        {
            AccessKind.Read => executeImpliesRead ? Rights.All : Rights.ReadWrite,
            AccessKind.Write => Rights.Write,
            _ => Rights.Execute,
        };
        if ((area.Rights & wanted) == 0)
        {
            return Touch.NotAllowed;
        }

        ulong page = paging.StartOf(address);
        long offset = area.Offset + (long)(page - area.Start);
        if (area.File is { } file && file.IsPastEnd(offset))
        {
            return Touch.BusError;
        }

        if (access != AccessKind.Write)
        {
            return Touch.Allowed;
        }

        if (area.Shared)
        {
            if (!area.File!.TryAllocate(offset / paging.Size))
            {
                return Touch.BusError;
            }

            if (value is { } stored)
            {
                area.File.Write(offset / paging.Size, paging.PlaceOf(address), stored);
            }

            return Touch.Allowed;
        }

        // The first store to a private page takes a copy of what it shows at that moment.
        if (!_privatePages.TryGetValue(page, out byte[]? bytes))
        {
            _privatePages[page] = bytes = area.File is { } source ? [.. source.Read(offset / paging.Size)] : new byte[ModelPage.Places];
        }

        if (value is { } own)
        {
            bytes[paging.PlaceOf(address)] = own;
        }

        return Touch.Allowed;
    }

    /// <summary>The byte that a load sees, of an access that is allowed.</summary>
    public byte Read(ulong address)
    {
        var area = Find(address)!.Value;
        ulong page = paging.StartOf(address);
        int place = paging.PlaceOf(address);
        if (!area.Shared && _privatePages.TryGetValue(page, out byte[]? bytes))
        {
            return bytes[place];
        }

        return area.File is { } file ? file.Read((area.Offset + (long)(page - area.Start)) / paging.Size)[place] : (byte)0;
    }

    /// <summary>Touches every page of a range in order; where it cannot go on, says where and why.</summary>
    public (Touch Outcome, ulong At) Populate(ulong start, ulong end, AccessKind access)
    {
        for (ulong page = start; page < end; page += (ulong)paging.Size)
        {
            var outcome = Access(page, access);
            if (outcome != Touch.Allowed)
            {
                return (outcome, page);
            }
        }

        return (Touch.Allowed, start);
    }

    private ulong RoundUp(long length) => ((ulong)length + (ulong)paging.Size - 1) / (ulong)paging.Size * (ulong)paging.Size;

    private bool IsFree(ulong start, ulong length) => !Areas.Any(area => area.Start < start + length && start < area.End);

    private bool HasGap(ulong length)
    {
        ulong from = Lowest;
        foreach (var area in Areas)
        {
            if (area.Start >= from && area.Start - from >= length)
            {
                return true;
            }

            from = Math.Max(from, area.End);
        }

        return userEnd - from >= length;
    }

    private void Remove(ulong start, ulong end)
    {
        var left = new List<ModelArea>();
        foreach (var area in Areas)
        {
            if (area.End <= start || area.Start >= end || start == end)
            {
                left.Add(area);
                continue;
            }

            if (area.Start < start)
            {
                left.Add(area.To(start));
            }

            if (area.End > end)
            {
                left.Add(area.From(end));
            }
        }

        Areas = left;
        foreach (ulong page in _privatePages.Keys.Where(page => page >= start && page < end).ToList())
        {
            _privatePages.Remove(page);
        }
    }

    /// <summary>Sorts the areas, and joins those that continue each other in a range that has changed, or at its ends.</summary>
    private void Join(ulong start, ulong end)
    {
        Areas.Sort((left, right) => left.Start.CompareTo(right.Start));
        for (int i = Areas.Count - 1; i > 0; i--)
        {
            if (Areas[i].Start >= start && Areas[i].Start <= end && Areas[i - 1].ContinuesIn(Areas[i]))
            {
                Areas[i - 1] = Areas[i - 1].To(Areas[i].End);
                Areas.RemoveAt(i);
            }
        }
    }
}
