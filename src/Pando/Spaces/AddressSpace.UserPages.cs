using Pando.Files;
using Pando.Hardware;

namespace Pando.Spaces;

/// <content>userfaultfd: how a handler resolves faults, by contents of its own, zeroes, or what the file has.</content>
public sealed partial class AddressSpace
{
    /// <summary>
    /// Resolves missing pages with given contents (UFFDIO_COPY): of a shared mapping, for all who map the file; of a
    /// private one, where this space shows nothing yet. Whatever the mapping's rights.
    /// </summary>
    /// <param name="address">The first address; a multiple of the page's size.</param>
    /// <param name="contents">The bytes, whole pages.</param>
    /// <param name="writeProtect">Whether the pages are protected from their first moment on, as by <see cref="UserWriteProtect"/>.</param>
    /// <returns>
    /// EINVAL (not aligned, or to be protected and not registered for it); ENOENT (the range does not lie in one
    /// registered area); then, page by page, EFAULT (past the end of the file), EEXIST (the page is there), EINVAL (a
    /// part of a page of 2 MiB) or ENOMEM. Pages before the one at fault are resolved.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno UserCopy(VirtualAddress address, ReadOnlySpan<byte> contents, bool writeProtect = false)
    {
        ThrowIfExited();
        if (!IsUserFaultRange(address, contents.Length, out var range))
        {
            return Errno.EINVAL;
        }

        for (var at = range.Start; at < range.End;)
        {
            var error = Provide(new AddressRange(at, range.End), contents[(int)(at - range.Start)..], writeProtect, out long done);
            if (error != Errno.None)
            {
                return error;
            }

            at += done;
        }

        return Errno.None;
    }

    /// <summary>Resolves missing pages with zeroes (UFFDIO_ZEROPAGE).</summary>
    /// <returns>As <see cref="UserCopy"/> (EINVAL, ENOENT, EFAULT, EEXIST, ENOMEM); and EINVAL for a file with fixed pages.</returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno UserZero(VirtualAddress address, long length)
    {
        ThrowIfExited();
        if (!IsUserFaultRange(address, length, out var range))
        {
            return Errno.EINVAL;
        }

        for (var at = range.Start; at < range.End;)
        {
            var error = Provide(new AddressRange(at, range.End), [], writeProtect: false, out long done);
            if (error != Errno.None)
            {
                return error;
            }

            at += done;
        }

        return Errno.None;
    }

    /// <summary>Resolves minor faults: maps what the file has (UFFDIO_CONTINUE). Whatever the mapping's rights.</summary>
    /// <param name="address">The first address; a multiple of the page's size.</param>
    /// <param name="length">Bytes; a multiple of that.</param>
    /// <param name="writeProtect">Whether the pages are protected from their first moment on, as by <see cref="UserWriteProtect"/>.</param>
    /// <returns>
    /// EINVAL (not aligned, anonymous memory, past the end of the file, or to be protected and not registered for it);
    /// ENOENT (the range does not lie in one registered area); then, page by page, EFAULT if the file has no page
    /// there, EEXIST if it is mapped already, or ENOMEM. Pages before the one at fault are mapped.
    /// </returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno UserContinue(VirtualAddress address, long length, bool writeProtect = false)
    {
        ThrowIfExited();
        if (!IsUserFaultRange(address, length, out var range))
        {
            return Errno.EINVAL;
        }

        for (var at = range.Start; at < range.End;)
        {
            var error = Continue(new AddressRange(at, range.End), writeProtect, out long done);
            if (error != Errno.None)
            {
                return error;
            }

            at += done;
        }

        return Errno.None;
    }

    /// <summary>Resolves the first page of a range, by contents or, where there are none, by zeroes.</summary>
    private Errno Provide(AddressRange range, ReadOnlySpan<byte> contents, bool writeProtect, out long done)
    {
        bool alone = writeProtect;
        var shortage = new MemoryShortage(_memory);
        while (true)
        {
            Errno? error;
            if (alone)
            {
                using var held = _lock.Write();
                error = TryProvide(range, contents, writeProtect, isAlone: true, out done);
            }
            else
            {
                using var held = _lock.Read();
                error = TryProvide(range, contents, writeProtect, isAlone: false, out done);
            }

            alone |= error is null;
            if (error is { } outcome && (outcome != Errno.ENOMEM || !shortage.MakesRoom()))
            {
                return outcome;
            }
        }
    }

    /// <returns>Null where the space's lock must be held for writing, since the page's protection changes with it.</returns>
    private Errno? TryProvide(AddressRange range, ReadOnlySpan<byte> contents, bool writeProtect, bool isAlone, out long done)
    {
        done = 0;
        var error = WhyNotFill(range, writeProtect, out var area);
        if (error != Errno.None)
        {
            return error;
        }

        if (area.File is { HasFixedPages: true } && contents.IsEmpty)
        {
            return Errno.EINVAL;
        }

        done = area.IsShared ? area.File!.MappingAlignment : _geometry.PageSize;
        var page = AddressRange.FromLength(range.Start, done);
        if (!isAlone && IsProtected(area, page.Start))
        {
            return null;
        }

        if (contents.IsEmpty && !area.IsShared && IsProtected(area, page.Start))
        {
            // As on Linux, the page of zeroes does not take the place of the protection (mfill_atomic_pte_zeropage).
            return area.File is { } file && file.IsPastEnd((long)page.Start.Value + area.Delta) ? Errno.EFAULT : Errno.EEXIST;
        }

        using var protection = new ProtectionChange(_protectedPages, page, writeProtect, isAlone);
        if (!protection.IsMade)
        {
            return Errno.ENOMEM;
        }

        error = area.IsShared ? ProvideShared(area, page, contents) : ProvidePrivate(page.Start, contents);
        if (error == Errno.None)
        {
            protection.Keep();
        }

        return error;
    }

    /// <summary>Gives the file a page. It is shown here, too, unless memory is out; a fault does it then.</summary>
    private Errno ProvideShared(Area area, AddressRange page, ReadOnlySpan<byte> contents)
    {
        Span<byte> zeroes = stackalloc byte[_geometry.PageSize];
        zeroes.Clear();
        var error = ((MemoryFile)area.File!).Provide((long)page.Start.Value + area.Delta, contents.IsEmpty ? zeroes : contents[..(int)page.Length]);
        if (error == Errno.None)
        {
            Resolve(page.Start, AccessKind.Read, page.Start + 1, FaultPurpose.Show, Frame.None, out _, out _);
        }

        return error;
    }

    private Errno ProvidePrivate(VirtualAddress page, ReadOnlySpan<byte> contents)
    {
        if (!_tables.FindLeaf(page).IsNone)
        {
            return Errno.EEXIST;
        }

        if (!Store.Frames.TryAllocate(FrameKind.Anonymous, zero: contents.IsEmpty, out var frame))
        {
            return Errno.ENOMEM;
        }

        if (!contents.IsEmpty)
        {
            contents[.._geometry.PageSize].CopyTo(Store.Memory.Bytes(Store.Memory.AddressOf(frame), _geometry.PageSize));
        }

        var kind = Resolve(page, AccessKind.Write, page + 1, FaultPurpose.Provide, frame, out _, out _);
        if (kind == FaultKind.Copied)
        {
            return Errno.None;
        }

        Store.Frames.Free(frame);
        return kind <= FaultKind.Spurious ? Errno.EEXIST : ErrorOf(kind);
    }

    /// <summary>Maps the first page of a range.</summary>
    private Errno Continue(AddressRange range, bool writeProtect, out long done)
    {
        bool alone = writeProtect;
        var shortage = new MemoryShortage(_memory);
        while (true)
        {
            Errno? error;
            if (alone)
            {
                using var held = _lock.Write();
                error = TryContinue(range, writeProtect, isAlone: true, out done);
            }
            else
            {
                using var held = _lock.Read();
                error = TryContinue(range, writeProtect, isAlone: false, out done);
            }

            alone |= error is null;
            if (error is { } outcome && (outcome != Errno.ENOMEM || !shortage.MakesRoom()))
            {
                return outcome;
            }
        }
    }

    private Errno? TryContinue(AddressRange range, bool writeProtect, bool isAlone, out long done)
    {
        done = 0;
        var error = WhyNotFill(range, writeProtect, out var area);
        if (error != Errno.None)
        {
            return error;
        }

        if (area.File is not MemoryFile file)
        {
            return Errno.EINVAL;
        }

        long offset = (long)range.Start.Value + area.Delta;
        if (file.Locate(offset) is null)
        {
            return file.IsPastEnd(offset) && file.MappingAlignment == _geometry.PageSize ? Errno.EINVAL : Errno.EFAULT;
        }

        done = file.MappingAlignment;
        var page = AddressRange.FromLength(range.Start, done);
        if (!isAlone && IsProtected(area, page.Start))
        {
            return null;
        }

        using var protection = new ProtectionChange(_protectedPages, page, writeProtect, isAlone);
        if (!protection.IsMade)
        {
            return Errno.ENOMEM;
        }

        var kind = Resolve(page.Start, AccessKind.Read, page.Start + 1, FaultPurpose.Show, Frame.None, out _, out _);
        if (kind is FaultKind.Populated or FaultKind.Attached)
        {
            protection.Keep();
            return Errno.None;
        }

        return kind == FaultKind.Spurious ? Errno.EEXIST : ErrorOf(kind);
    }

    /// <summary>As on Linux (mfill_atomic): the range lies in one area, which is registered, in whatever way.</summary>
    private Errno WhyNotFill(AddressRange range, bool writeProtect, out Area area)
    {
        ThrowIfExited();
        area = _areas.Find(range.Start)!;
        if (area is null || range.End > area.Range.End || area.Traits.UserFaults is null)
        {
            return Errno.ENOENT;
        }

        long pageSize = area.File?.MappingAlignment ?? _geometry.PageSize;
        bool fits = (!writeProtect || (area.Traits.Flags & AreaFlags.UserWriteProtect) != 0)
            && range.Start.IsAligned(pageSize) && range.Length % pageSize == 0;
        return fits ? Errno.None : Errno.EINVAL;
    }

    private static Errno ErrorOf(FaultKind kind) => kind switch
    {
        <= FaultKind.Spurious => Errno.None,
        FaultKind.OutOfMemory => Errno.ENOMEM,
        FaultKind.HardwarePoison => Errno.EHWPOISON,
        _ => Errno.EFAULT,
    };

    /// <summary>
    /// The protection of a page that is about to be shown for the first time: what it is to be stands before the page is there, and what it was
    /// comes back where the page is not shown.
    /// </summary>
    private ref struct ProtectionChange
    {
        private readonly ProtectedPages _pages;
        private readonly AddressRange _page;
        private readonly bool _was;
        private readonly bool _changes;
        private bool _kept;

        /// <param name="pages">All that are protected.</param>
        /// <param name="page">The page.</param>
        /// <param name="isProtected">What it is to be.</param>
        /// <param name="isAlone">Whether the space's lock is held for writing; if not, nothing is to change.</param>
        public ProtectionChange(ProtectedPages pages, AddressRange page, bool isProtected, bool isAlone)
        {
            _pages = pages;
            _page = page;
            _was = pages.Has(page.Start);

            // Where it was protected, room for that to come back.
            bool changes = isAlone && _was != isProtected;
            IsMade = !changes || pages.TryMakeRoom(page);
            _changes = changes && IsMade;
            if (_changes && isProtected)
            {
                pages.Add(page);
            }
            else if (_changes)
            {
                pages.Remove(page);
            }
        }

        /// <summary>Whether there was room for it.</summary>
        public bool IsMade { get; }

        /// <summary>The page is shown.</summary>
        public void Keep() => _kept = true;

        public void Dispose()
        {
            if (!_changes || (_kept && !_was))
            {
                return;
            }

            if (_kept)
            {
                _pages.GiveRoomBack(_page);
            }
            else if (_was)
            {
                _pages.Add(_page);
            }
            else
            {
                _pages.Remove(_page);
            }
        }
    }
}
