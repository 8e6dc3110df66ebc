using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>mmap and munmap.</content>
public sealed partial class AddressSpace
{
    /// <summary>
    /// Maps a file or anonymous memory (mmap(2)). A file with fixed pages becomes as long as a mapping with the right to store reaches.
    /// </summary>
    /// <returns>
    /// The address; or EINVAL (length 0, offset or fixed address not a multiple of 4 KiB), ENOMEM (no free range of
    /// that length, or a fixed range outside what user code may map), EOVERFLOW (the offset is past what a file can have), EEXIST (the range of a no-replace request is
    /// taken), EACCES (a shared mapping asks for what the file was not opened for), EOPNOTSUPP (MAP_SYNC of a file
    /// that has no storage to synchronise), EPERM (a fixed range is sealed, or below <see cref="LowestAddress"/>).
    /// After an error nothing has changed.
    /// </returns>
    /// <exception cref="ArgumentException">The file is one of another machine.</exception>
    /// <exception cref="ObjectDisposedException">The space or the file has ended.</exception>
    public MapResult Map(in MapRequest request)
    {
        ThrowIfExited();
        if (request.File is { } known && known.Store != Store)
        {
            throw new ArgumentException($"'{known.Name}' is a file of another machine; its bytes are not in the memory of this one.", nameof(request));
        }

        if (request.Placement is < MapPlacement.Anywhere or > MapPlacement.FixedNoReplace
            || request.Populate is < PopulateKind.None or > PopulateKind.Write
            || (request.OpenedFor & ~Rights.All) != 0)
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        long alignment = request.File?.MappingAlignment ?? _geometry.PageSize;
        // In whole pages, of the file if its pages are fixed; so near 2^64 it comes to nothing, which then is no length (Linux: ksys_mmap_pgoff).
        ulong length = unchecked((ulong)request.Length + (ulong)alignment - 1) & ~(ulong)(alignment - 1);
        if (request.Length == 0 || !_geometry.IsPageAligned(request.Offset) || (request.Rights & ~Rights.All) != 0
            || (length == 0 && alignment > _geometry.PageSize))
        {
            return MapResult.Failed(Errno.EINVAL);
        }

        if (length == 0 || length > UserEnd.Value)
        {
            return MapResult.Failed(Errno.ENOMEM);
        }

        // A file that has ended is refused before anything changes; one that ends meanwhile does so afterwards.
        using var use = FileUse.Of(request.File);
        return Map(request, (long)length);
    }

    private MapResult Map(in MapRequest request, long length)
    {
        // Shared anonymous memory is a file that nobody else can open.
        using var unnamed = request.File is null && request.Shared ? _memory.CreateUnnamedFile(length) : null;
        var opened = request.Opened ?? unnamed?.Own;
        var file = opened?.File;
        long alignment = file?.MappingAlignment ?? _geometry.PageSize;
        long offset = request.File is null ? 0 : request.Offset; // memory without a name has none
        Area area;
        bool locked;
        using (_lock.Write())
        {
            ThrowIfExited();

            // In the order of Linux's do_mmap: the place, the part of the file, how the file was opened, what lies there.
            var error = Place(request, file, length, out var range);
            if (error == Errno.None)
            {
                error = WhyNotMapFile(request, length);
            }

            if (error != Errno.None)
            {
                return MapResult.Failed(error);
            }

            error = WhyNotRemove(range);
            if (error == Errno.None && file is not null && offset % file.MappingAlignment != 0)
            {
                error = Errno.EINVAL;
            }

            if (error != Errno.None)
            {
                return MapResult.Failed(error);
            }

            var traits = (request.Traits.Flags & AnyLock) == 0 ? request.Traits.With(_lockFuture, 0) : request.Traits;
            locked = (traits.Flags & AnyLock) != 0;
            if (request.Rights == Rights.Execute && KeyForExecuteOnly() is > 0 and var key)
            {
                TakeExecuteOnlyKey(key);
                traits = traits with { ProtectionKey = key };
            }

            // The pages of a file with fixed pages are in memory always: they are faulted in, and not locked (Linux: __mmap_complete).
            area = new Area(this, range, traits.With(0, alignment > _geometry.PageSize ? AnyLock : 0), opened, offset);
            Remove(range);
            Insert(area);
        }

        if (alignment > _geometry.PageSize && (request.Rights & Rights.Write) != 0)
        {
            // Such a file becomes as long as what may be stored to (Linux: hugetlbfs_file_mmap).
            file!.GrowTo(offset + length);
        }

        if ((area.Traits.Flags & AreaFlags.LockedOnFault) != 0)
        {
            // Nothing is faulted in ahead, whatever was asked for (Linux: populate_vma_page_range).
            return new MapResult(area.Range.Start, Errno.None);
        }

        if (request.Populate != PopulateKind.None)
        {
            // As on Linux, a mapping that could not be populated is a mapping all the same.
            bool write = request.Populate == PopulateKind.Write || (!request.Shared && (request.Rights & Rights.Write) != 0);
            Populate(area.Range, write ? AccessKind.Write : AccessKind.Read);
        }
        else if (locked)
        {
            FaultInLocked(area.Range);
        }

        return new MapResult(area.Range.Start, Errno.None);
    }

    private static Errno WhyNotMapFile(in MapRequest request, long length) =>
        request.File is not null && (request.Offset < 0 || request.Offset > MappedFile.MaxSize - length) ? Errno.EOVERFLOW
        : request.Synchronous && !(request.Shared && request.File is { SupportsSynchronousMappings: true }) ? Errno.EOPNOTSUPP
        : request.File is not null && ((request.OpenedFor & Rights.Read) == 0 || (request.Rights & ~request.Traits.MostRights) != 0) ? Errno.EACCES
        : Errno.None;

    /// <summary>Unmaps a range (munmap(2)). Addresses where nothing is mapped are no error.</summary>
    /// <remarks>
    /// Needs no memory to succeed. But where it unmaps a part of a shared span while no frame is to be had, the rest of the span is
    /// reached again only by faults, which may end in <see cref="FaultKind.OutOfMemory"/> until there is one.
    /// </remarks>
    /// <returns>
    /// EINVAL if the address is not a multiple of 4 KiB, the length is 0, the range leaves what user code may map, or
    /// cuts a page of a file whose pages are fixed; EPERM if a part is sealed.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno Unmap(VirtualAddress address, long length)
    {
        ThrowIfExited();
        var (form, _, range) = RangeArgument.Of(_geometry, address, length);
        if (_geometry.OffsetInPage(address.Value) != 0 || form != RangeForm.User)
        {
            return Errno.EINVAL;
        }

        using var held = _lock.Write();
        ThrowIfExited();
        var error = WhyNotRemove(range);
        if (error == Errno.None && Remove(range))
        {
            _tables.Converge(range);
        }

        return error;
    }

    /// <summary>Unmaps everything, as execve(2) does before it maps the new program. The space lives on.</summary>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public void Clear()
    {
        ThrowIfExited();
        var everything = new AddressRange(new VirtualAddress(0), UserEnd.AlignUp(_geometry.PageSize));
        using var held = _lock.Write();
        ThrowIfExited();
        _lockFuture = 0;
        ForgetKeys();
        Remove(everything);
    }

    /// <summary>
    /// Why what is mapped in a range may not be unmapped: sealed (EPERM), or cut through a page that is fixed (EINVAL). The
    /// first area at fault decides (Linux: vms_gather_munmap_vmas).
    /// </summary>
    private Errno WhyNotRemove(AddressRange range)
    {
        foreach (var area in _areas.Overlapping(range))
        {
            if ((area.Traits.Flags & AreaFlags.Sealed) != 0)
            {
                return Errno.EPERM;
            }

            if (!MayCutAt(area.Range.Intersect(range)))
            {
                return Errno.EINVAL;
            }
        }

        return Errno.None;
    }

    private bool IsUserRange(VirtualAddress address, long length) =>
        address < UserEnd && (ulong)length <= UserEnd.Value - address.Value;

    private Errno Place(in MapRequest request, MappedFile? file, long length, out AddressRange range)
    {
        range = default;
        if (request.Placement != MapPlacement.Anywhere)
        {
            // In the order of Linux's __get_unmapped_area; a file whose pages are fixed is asked before (hugetlb_get_unmapped_area).
            if (file is { HasFixedPages: true } && !request.Address.IsAligned(file.MappingAlignment))
            {
                return Errno.EINVAL;
            }

            if (!IsUserRange(request.Address, length))
            {
                return Errno.ENOMEM;
            }

            if (_geometry.OffsetInPage(request.Address.Value) != 0)
            {
                return Errno.EINVAL;
            }

            if (request.Address.Value < LowestAddress)
            {
                return Errno.EPERM;
            }

            range = AddressRange.FromLength(request.Address, length);
            return request.Placement == MapPlacement.FixedNoReplace && !_areas.Overlapping(range).IsEmpty ? Errno.EEXIST : Errno.None;
        }

        if (_geometry.PageStart(request.Address).Value != 0)
        {
            // A hint is taken where it is free: rounded down to a page, then up to the lowest address (Linux:
            // round_hint_to_min), and up to the page size of a file whose pages are fixed.
            var hint = new VirtualAddress(Math.Max(_geometry.PageStart(request.Address).Value, LowestAddress)).AlignUp(file?.MappingAlignment ?? _geometry.PageSize);
            if (IsUserRange(hint, length))
            {
                range = AddressRange.FromLength(hint, length);
                if (_areas.Overlapping(range).IsEmpty)
                {
                    return Errno.None;
                }
            }
        }

        if (!TryChoose(file, request.File is null ? 0 : request.Offset, length, out var start))
        {
            return Errno.ENOMEM;
        }

        range = AddressRange.FromLength(start, length);
        return Errno.None;
    }

    /// <summary>
    /// Chooses an address. Files lie from a quarter of the user half upwards, each with its offset in line with the
    /// largest span that it fills, so that its tables can be shared; the rest of its last span is left free, so that
    /// no neighbour breaks its window. Everything else lies from the top downwards.
    /// </summary>
    private bool TryChoose(MappedFile? file, long offset, long length, out VirtualAddress start)
    {
        long smallest = file?.MappingAlignment ?? _geometry.PageSize;
        var floor = new VirtualAddress(LowestAddress).AlignUp(smallest);
        if (file is not null)
        {
            var arena = UserEnd.AlignDown(_geometry.TableSpan(Math.Min(Level.Pud, _geometry.Levels - 1))).Value / 4;
            for (int level = _geometry.Levels - 1; level >= Level.Pte; level--)
            {
                // A span that is to be shared may be a table of its own as soon as an eighth of it is filled; others
                // are only worth being in line with, so that the mapping needs as few tables as can be.
                long span = _geometry.TableSpan(level);
                if (length < (_memory.MayShare(level) ? span / 8 : span))
                {
                    continue;
                }

                long residue = offset & (span - 1);
                long reserved = ((residue + length + span - 1) & -span) - residue;
                if (_areas.TryFindLow(new VirtualAddress(arena).AlignDown(span), UserEnd, reserved, span, residue, out start))
                {
                    return true;
                }
            }
        }

        return _areas.TryFindHigh(floor, UserEnd, length, smallest, 0, out start);
    }

    /// <summary>Unmaps a range of whole pages. False if nothing was mapped there.</summary>
    private bool Remove(AddressRange range)
    {
        var gone = _areas.Overlapping(range).ToArray();
        if (gone.Length == 0)
        {
            return false;
        }

        var unmapped = WithGaps(range);
        var before = gone[0];
        var after = gone[^1];

        var clear = new ClearVisitor();
        FlushGather.State state = default;
        using (var gather = new FlushGather(Store, this, ref state))
        {
            _memory.Walker.Change(this, range, unmapped, unmapped, ref clear, in gather);
        }

        // A file finds this space until nothing of it can be reached here any more, since what a file no longer finds it frees.
        _tables.EndFinding(range);
        _protectedPages.Remove(range);
        var pieces = new List<Area>(2);
        if (before.Range.Start < range.Start)
        {
            pieces.Add(before.Slice(new AddressRange(before.Range.Start, range.Start)));
        }

        if (after.Range.End > range.End)
        {
            pieces.Add(after.Slice(new AddressRange(range.End, after.Range.End)));
        }

        Exchange(gone, pieces.ToArray());
        return true;
    }

    /// <summary>Adds an area where nothing is mapped, joins it to neighbours that it continues, and attaches what can be.</summary>
    private void Insert(Area area)
    {
        _memory.Walker.Isolate(this, area.Range);

        var before = _areas.LastStartingBefore(area.Range.Start);
        var after = _areas.FirstEndingAfter(area.Range.Start);
        var gone = new List<Area>(2);
        var joined = area;
        if (before is not null && Joins(before, joined))
        {
            gone.Add(before);
            joined = Join(before, joined);
        }

        if (after is not null && Joins(joined, after))
        {
            gone.Add(after);
            joined = Join(joined, after);
        }

        Exchange(gone.ToArray(), [joined]);
        _tables.Converge(area.Range);
        _tables.AttachAll(joined, area.Range);
    }

    private bool Joins(Area low, Area high) => low.ContinuesIn(high) && !Store.Omissions.Leave(OmittedStep.AreasJoined);

    private static Area Join(Area low, Area high) =>
        new(low.Space, new AddressRange(low.Range.Start, high.Range.End), low.Traits, low.Opened, low.Offset);

    /// <summary>
    /// A range with what is unmapped around it, up to the next areas. A slot that reaches from the range over such a
    /// gap leads to nothing outside of the range, so that a change of the whole range is a change of the slot.
    /// </summary>
    private AddressRange WithGaps(AddressRange range)
    {
        var before = _areas.LastStartingBefore(range.Start);
        var after = _areas.FirstEndingAfter(range.End);
        var start = before is null ? new VirtualAddress(0) : before.Range.End;
        var end = after is null ? _geometry.UserRange.End : after.Range.Start;
        return new AddressRange(start < range.Start ? start : range.Start, end > range.End ? end : range.End);
    }
}
