using Pando.Files;
using Pando.Hardware;

namespace Pando.Spaces;

/// <content>mlock and its kin, mincore, msync, mseal.</content>
public sealed partial class AddressSpace
{
    private const AreaFlags AnyLock = AreaFlags.Locked | AreaFlags.LockedOnFault;

    // What mlockall(MCL_FUTURE) asks for; protected by the space's lock.
    private AreaFlags _lockFuture;

    /// <summary>
    /// Keeps a range in memory (mlock(2), mlock2(2)). Nothing is swapped here: the pages are faulted in, and some
    /// operations refuse locked ranges.
    /// </summary>
    /// <param name="address">The first address; rounded down to a page.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="onFault">MLOCK_ONFAULT: pages stay once they are faulted in, but are not faulted in now.</param>
    /// <returns>ENOMEM if a part is not mapped, or cannot be faulted in (then it is locked all the same); EINVAL if the end wraps round.</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno LockMemory(VirtualAddress address, long length, bool onFault = false)
    {
        ThrowIfExited();
        var error = SetLock(address, length, onFault ? AreaFlags.LockedOnFault : AreaFlags.Locked, out var range);
        return error == Errno.None ? FaultInLocked(range, ignoresErrors: false) : error;
    }

    /// <summary>Undoes <see cref="LockMemory"/> (munlock(2)).</summary>
    /// <returns>ENOMEM if a part is not mapped; EINVAL for a negative length, or if the end wraps round.</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno UnlockMemory(VirtualAddress address, long length)
    {
        ThrowIfExited();
        return SetLock(address, length, 0, out _);
    }

    /// <summary>Locks all that is mapped, all that will be, or both (mlockall(2)).</summary>
    /// <returns>EINVAL if neither is asked for.</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno LockAll(bool current, bool future, bool onFault = false)
    {
        ThrowIfExited();
        if (!current && !future)
        {
            return Errno.EINVAL;
        }

        var flag = onFault ? AreaFlags.LockedOnFault : AreaFlags.Locked;
        var all = new AddressRange(new VirtualAddress(0), UserEnd);
        using (_lock.Write())
        {
            _lockFuture = future ? flag : 0;
            if (current)
            {
                Rewrite(all, area => LockTraits(area, flag));
            }
        }

        if (current)
        {
            // As on Linux, pages that cannot be had are no error of mlockall.
            FaultInLocked(all);
        }

        return Errno.None;
    }

    /// <summary>Unlocks all that is mapped and all that will be (munlockall(2)).</summary>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno UnlockAll()
    {
        ThrowIfExited();
        using var held = _lock.Write();
        _lockFuture = 0;
        Rewrite(new AddressRange(new VirtualAddress(0), UserEnd), area => LockTraits(area, 0));
        return Errno.None;
    }

    /// <summary>Tells for each page of a range whether an access would find it in memory (mincore(2)).</summary>
    /// <param name="address">The first address; a multiple of 4 KiB.</param>
    /// <param name="resident">One element for each page.</param>
    /// <returns>EINVAL if the address is not aligned; ENOMEM if a part is not mapped.</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno Resident(VirtualAddress address, Span<bool> resident)
    {
        ThrowIfExited();
        if (_geometry.OffsetInPage(address.Value) != 0)
        {
            return Errno.EINVAL;
        }

        // Also of no page, the address must be the user's (Linux: access_ok).
        var (_, _, range) = RangeArgument.Of(_geometry, address, (long)resident.Length * _geometry.PageSize);
        if (address > UserEnd)
        {
            return Errno.ENOMEM;
        }

        using var held = _lock.Read();
        if (!IsMapped(range))
        {
            return Errno.ENOMEM;
        }

        for (int i = 0; i < resident.Length; i++)
        {
            var at = address + ((long)i * _geometry.PageSize);
            var area = _areas.Find(at)!;
            resident[i] = !_tables.FindLeaf(at).IsNone
                || (area.File is { } file && file.Locate((long)at.Value + area.Delta) is { } place && !Store.IsZeroPage(place));
        }

        return Errno.None;
    }

    /// <summary>Writes back what was stored to the files mapped in a range (msync(2) with MS_SYNC).</summary>
    /// <param name="address">The first address; a multiple of 4 KiB.</param>
    /// <param name="length">Bytes.</param>
    /// <param name="invalidate">MS_INVALIDATE: refused where a part is locked.</param>
    /// <returns>EINVAL if the address is not aligned; ENOMEM if a part is not mapped; EBUSY for a locked part with <paramref name="invalidate"/>; EIO
    /// where storage fails, or has failed since for somebody else (<see cref="OpenFile"/>): what follows is not written back.</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno Sync(VirtualAddress address, long length, bool invalidate = false)
    {
        ThrowIfExited();
        if (_geometry.OffsetInPage(address.Value) != 0)
        {
            return Errno.EINVAL;
        }

        var (form, _, range) = RangeArgument.Of(_geometry, address, length);
        switch (form)
        {
            case RangeForm.Nothing or RangeForm.RoundsToNothing:
                return Errno.None;
            case RangeForm.WrapsRound:
                return Errno.ENOMEM;
        }

        using var parts = new FileParts();
        using (_lock.Read())
        {
            if (invalidate && HasAny(range, AnyLock))
            {
                return Errno.EBUSY;
            }

            if (!IsMapped(range))
            {
                return Errno.ENOMEM;
            }

            foreach (var area in _areas.Overlapping(range))
            {
                if (area.IsShared)
                {
                    parts.Add(area, area.Range.Intersect(range));
                }
            }
        }

        foreach (var part in parts)
        {
            var error = part.Opened.WriteBackMapped(part.Offset, part.Length);
            if (error != Errno.None)
            {
                return error;
            }
        }

        return Errno.None;
    }

    /// <summary>Seals a range: it can no more be unmapped, moved, or given other rights (mseal(2)).</summary>
    /// <returns>EINVAL if the address is not aligned, or the range cuts a page of a file whose pages are fixed; ENOMEM if a part is not mapped.</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno Seal(VirtualAddress address, long length)
    {
        ThrowIfExited();
        if (_geometry.OffsetInPage(address.Value) != 0)
        {
            return Errno.EINVAL;
        }

        var (form, _, range) = RangeArgument.Of(_geometry, address, length);
        switch (form)
        {
            case RangeForm.Nothing:
                return Errno.None;
            case RangeForm.RoundsToNothing or RangeForm.WrapsRound:
                return Errno.EINVAL;
        }

        using var held = _lock.Write();
        var error = !IsMapped(range) ? Errno.ENOMEM : MayCutAt(range) ? Errno.None : Errno.EINVAL;
        if (error == Errno.None)
        {
            Rewrite(range, area => area.Traits.With(AreaFlags.Sealed, 0));
        }

        return error;
    }

    /// <summary>The traits of an area that is locked in one way, or no more. The pages of files with fixed pages are in memory always (Linux: mlock_fixup leaves hugetlbfs alone).</summary>
    private static AreaTraits LockTraits(Area area, AreaFlags flag) =>
        area.File is { HasFixedPages: true } ? area.Traits : area.Traits.With(flag, AnyLock);

    /// <summary>What locking changes at once; the pages are faulted in afterwards.</summary>
    internal Errno SetLock(VirtualAddress address, long length, AreaFlags flag, out AddressRange range)
    {
        (var form, _, range) = RangeArgument.Around(_geometry, address, length);
        switch (form)
        {
            case RangeForm.Nothing or RangeForm.RoundsToNothing:
                return Errno.None;
            case RangeForm.WrapsRound:
                return Errno.EINVAL;
        }

        using var held = _lock.Write();
        bool mapped = IsMapped(range);
        if (mapped)
        {
            Rewrite(range, area => LockTraits(area, flag));
        }

        return mapped ? Errno.None : Errno.ENOMEM;
    }

    /// <summary>
    /// Faults in what has been locked, area by area, but for what stays only once it is faulted in; as on Linux, mlock
    /// ends with the first page that cannot be had.
    /// </summary>
    private Errno FaultInLocked(AddressRange range, bool ignoresErrors = true, bool asks = true)
    {
        // Private writable memory is written to, so that no later store needs a frame. What may not be read cannot be
        // faulted in, which mlock reports although the lock is there (Linux: __mlock_posix_error_return).
        var result = Errno.None;
        for (var at = range.Start; (result == Errno.None || ignoresErrors) && TryGetNextArea(at, range.End, out var area); at = area.Range.End)
        {
            var part = area.Range.Intersect(new AddressRange(at, range.End));
            if ((area.Flags & AreaFlags.LockedOnFault) != 0)
            {
                continue;
            }

            bool write = !area.Shared && (area.Rights & Rights.Write) != 0;
            if (!Populate(part, write ? AccessKind.Write : AccessKind.Read, asks).IsResolved)
            {
                result = Errno.ENOMEM;
            }
        }

        return result;
    }
}
