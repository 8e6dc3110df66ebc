using Pando.Hardware;
using Pando.Tables;

namespace Pando.Files;

/// <summary>
/// Something that address spaces can map: a file on a memory device (<see cref="DaxFile"/>) or in RAM
/// (<see cref="MemoryFile"/>), also one of a kind of one's own (ProvidedFile, in Pando.Platforms). It owns the page tables through which it is shown.
/// </summary>
/// <remarks>
/// <para>
/// A file lives as long as somebody has it open or maps it; that long all of its operations work, whoever has closed it.
/// When the last is gone it ends: what it holds is given back, and operations answer EBADF. The object stands for whoever
/// made the file, who has it open until <see cref="Dispose"/>; others open it by <see cref="Open"/>.
/// </para>
/// <para>
/// All members are safe for threads. An operation that fails changes nothing. What an operation took away is reached
/// by no process any more when it returns, whatever their processors had cached.
/// </para>
/// </remarks>
public abstract class MappedFile : IDisposable
{
    private readonly FileLife _life = new();

    private protected MappedFile(TableStore store, string name, long size)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, long.MaxValue / 4);
        Store = store;
        Name = name;
        Size = size;
        Tables = new FileTables(store, this);
        Leaves = new FileLeaves(this);
        WriteBacks = new FileWriteBack(this);
        Layout = new LayoutChanges(this);
        Own = new OpenFile(this);
    }

    /// <summary>Makes the file known to the machine: the last that the constructor of a file does, when it is complete.</summary>
    private protected void Publish() => Store.Owners.Add(Tables);

    /// <summary>The file's name, for reports.</summary>
    public string Name { get; }

    /// <summary>Bytes in the file.</summary>
    public long Size { get; private protected set; }

    /// <summary>The page tables that belong to the file.</summary>
    public FileTables Tables { get; }

    /// <summary>Bytes that have been written since they were last written back. Exact at rest; 0 for files in RAM.</summary>
    public long DirtyBytes => Dirty?.Bytes ?? 0;

    /// <summary>Its opening by whoever made it: mappings and write-backs that name the file alone go by this one.</summary>
    internal OpenFile Own { get; }

    /// <summary>The leaves that show the file.</summary>
    internal FileLeaves Leaves { get; }

    /// <summary>How what was stored to it is made durable.</summary>
    internal FileWriteBack WriteBacks { get; }

    /// <summary>How its layout changes.</summary>
    internal LayoutChanges Layout { get; }

    /// <summary>Whether a write-back or a change of the layout is under way.</summary>
    internal bool IsChanging => Layout.IsHeld || WriteBacks.IsHeld || Tables.Invalidate.IsHeld;

    internal TableStore Store { get; }

    /// <summary>The shape of the machine's tables.</summary>
    private protected TableGeometry Geometry => Store.Geometry;

    /// <summary>What has been written; null for files that are never written back.</summary>
    internal virtual DirtySet? Dirty => null;

    /// <summary>Where files end, at the latest: no size, and no mapped part, goes beyond. (Linux: s_maxbytes, which for most is 2^63 - 1.)</summary>
    public const long MaxSize = long.MaxValue / 4;

    /// <summary>Whether the file is neither open nor mapped, and has given everything back.</summary>
    public bool HasEnded => _life.HasEnded;

    /// <summary>
    /// How many areas map the file at this moment, those of all spaces together; who has opened it beside its maker, and operations that
    /// are under way, count too.
    /// </summary>
    public int MappingCount => Math.Max(0, _life.Users - (Own.IsClosed ? 0 : 1));

    /// <summary>The size of the pages that the file wants to be mapped with.</summary>
    public abstract long PageSize { get; }

    /// <summary>
    /// What addresses, lengths and offsets of mappings must be multiples of: 4 KiB, or the page size of a file whose
    /// pages can never be smaller (hugetlbfs).
    /// </summary>
    public virtual long MappingAlignment => Geometry.PageSize;

    /// <summary>Whether the file's pages can never be smaller than they are, and are larger than those of the machine (hugetlbfs).</summary>
    public bool HasFixedPages => MappingAlignment > Geometry.PageSize;

    /// <summary>Whether an access at an offset is a bus error: it lies past the last page.</summary>
    internal bool IsPastEnd(long offset) => offset < 0 || offset >= ((Size + MappingAlignment - 1) & -MappingAlignment);

    /// <summary>Whether the file can be mapped with MAP_SYNC.</summary>
    public virtual bool SupportsSynchronousMappings => false;

    /// <summary>Whether changes of the file's metadata wait to be made durable.</summary>
    internal virtual bool HasPendingMetadata => false;

    /// <summary>
    /// Whether a place of the file can be shown by a 2 MiB leaf in a mapping of the whole file at a congruent
    /// address, and if not, why.
    /// </summary>
    public SmallPageReason WhySmall(long offset) =>
        WhySmall(offset, new LeafLimits(Level.Pmd, SmallPageReason.None, 0, long.MaxValue));

    /// <summary>The highest level at which leaves of the file may stand.</summary>
    internal virtual int HighestLeafLevel => Level.Pmd;

    /// <summary>Why no leaf of the highest level that the limits allow can show a place.</summary>
    public abstract SmallPageReason WhySmall(long offset, in LeafLimits limits);

    /// <summary>
    /// Where a byte of the file lies at this moment: its own storage, or the page of zeroes for a hole; null past the
    /// end and where a memory file has no frame yet. Changes nothing.
    /// </summary>
    public abstract PhysicalAddress? Locate(long offset);

    /// <summary>
    /// The memory under a page has failed: from now on every process that touches the page gets a hardware-poison bus
    /// error, also those that had never touched it. Punching a hole over the page, or truncating it away, ends that.
    /// </summary>
    /// <returns>EINVAL if the file has no storage there; EBADF if it has ended.</returns>
    public abstract Errno Poison(long offset);

    /// <summary>Sets the file's size (ftruncate(2)). What lies past a smaller size is gone, private copies too.</summary>
    /// <remarks>
    /// The size changes at once; storage past a smaller one is taken away in pieces, and until the operation returns processes may
    /// reach what of it they have mapped.
    /// </remarks>
    /// <returns>
    /// EINVAL for a negative size, or one that is no multiple of <see cref="MappingAlignment"/>; EFBIG; EBADF if the file has
    /// ended. Where the lower of the two ends cuts a page, part of it is cleared: EIO if its memory has failed; ENOSPC or EIO if
    /// other files lie there too and it cannot be copied; ENOMEM if it cannot be marked as written.
    /// </returns>
    public Errno SetSize(long size) => Layout.SetSize(size, mayShrink: true);

    /// <summary>Makes the file at least so long.</summary>
    internal Errno GrowTo(long size) => Layout.SetSize(size, mayShrink: false);

    /// <summary>
    /// Takes the storage of a range away; it reads as zeroes (fallocate(2), FALLOC_FL_PUNCH_HOLE with KEEP_SIZE).
    /// Parts of pages at the ends are filled with zeroes. Private copies stay.
    /// </summary>
    /// <remarks>It is done in pieces, lowest first: others may see that a part of the range is a hole already.</remarks>
    /// <returns>
    /// EINVAL for a negative offset or a length that is not positive; EFBIG for an end past 2^63; EBADF if the file has ended. Where an end cuts a page:
    /// EIO if its memory has failed; ENOSPC or EIO if other files lie there too and it cannot be copied; ENOMEM if it cannot
    /// be marked as written.
    /// </returns>
    public Errno PunchHole(long offset, long length) => Layout.PunchHole(offset, length);

    /// <summary>
    /// Writes back what has been written in a range (fsync(2), sync_file_range(2)): every leaf that could be
    /// stored through becomes read-only once in each table, all processors that may hold it are flushed, the range and the
    /// metadata of the file are made durable. Later stores are noticed again.
    /// </summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">Bytes; what reaches past the end of the file is no error.</param>
    /// <returns>
    /// EIO if not all could be made durable: what could not is still marked as written, so that it is tried again the next
    /// time; or if a write-back by somebody else has failed since the last one by <see cref="Own"/>. EINVAL for a negative
    /// offset or length; EBADF if the file has ended.
    /// </returns>
    public Errno WriteBack(long offset = 0, long length = long.MaxValue) => WriteBacks.Write(Own, offset, length);

    /// <summary>Opens the file once more.</summary>
    /// <exception cref="ObjectDisposedException">It has ended.</exception>
    public OpenFile Open()
    {
        AddUser();
        return new OpenFile(this);
    }

    /// <summary>Opens the file once more, if it has not ended; else null.</summary>
    public OpenFile? TryOpen() => TryAddUser() ? new OpenFile(this) : null;

    /// <summary>
    /// Finds the page at a file offset, for a leaf. The answer is true until the sequence of
    /// <see cref="SharedTableOwner.Invalidate"/> moves; the caller has read it before.
    /// </summary>
    /// <param name="offset">The offset, in bytes.</param>
    /// <param name="write">Whether a store is to follow.</param>
    /// <param name="limits">What the leaf's place allows.</param>
    /// <param name="makes">Whether a memory file makes a page that is not there; else the answer is <see cref="PageStatus.Absent"/>.</param>
    internal abstract FilePage Find(long offset, bool write, in LeafLimits limits, bool makes = true);

    /// <summary>
    /// Gives a page storage of its own, after <see cref="Find"/> has asked for it by <see cref="PageStatus.MustGiveStorage"/>:
    /// it is a hole, or lies where other files lie too. The caller holds no lock from the file's invalidate lock on.
    /// </summary>
    internal virtual PageStatus GiveStorage(long offset) => PageStatus.Found;

    /// <summary>
    /// Lets leaves be put around an offset again, after <see cref="Find"/> has asked for it by <see cref="PageStatus.MustReadmit"/>; it
    /// may wait for a piece of a change of the layout. Whoever asks begins again. Locks as for <see cref="GiveStorage"/>.
    /// </summary>
    internal virtual void Readmit(long offset)
    {
    }

    /// <summary>
    /// Has the page at an offset made by whoever provides the file's pages, after <see cref="Find"/> has asked for it by
    /// <see cref="PageStatus.MustProvide"/>. The caller keeps the file, holds no lock and is in no epoch.
    /// </summary>
    /// <returns>Found where it may be looked for again: it is there, or the layout has changed meanwhile.</returns>
    internal virtual PageStatus ProvidePage(long offset) => PageStatus.Found;

    /// <summary>Whether this thread is in a call of the file's that may not use the file, since it is made under the file's locks.</summary>
    private protected virtual bool IsInCall => false;

    /// <summary>
    /// Whether the page at an offset lies where other files lie too, so that it must be given storage of its own by
    /// <see cref="GiveStorage"/> before a store. True until the sequence moves.
    /// </summary>
    internal virtual bool MustCopyToStore(long offset) => false;

    /// <summary>
    /// Notes that a leaf is about to be write-enabled: from here on the range counts as written. Under the lock of
    /// the leaf's table. False where memory is out.
    /// </summary>
    internal bool TryNoteWrite(long offset, long length) => Dirty?.TryMark(offset, length) ?? true;

    /// <summary>Whether the memory of the page at an offset has failed. True until the layout changes.</summary>
    internal virtual bool HasFailed(long offset) => false;

    /// <summary>How far a piece of a range goes that can be changed while others wait. Under the invalidate lock.</summary>
    internal virtual long PieceEnd(long start, long end) => end;

    /// <summary>
    /// Sets the size, and takes away the storage of a range, which nobody reaches any more, as one change of the metadata.
    /// Under the invalidate lock, with faults excluded. Cannot fail.
    /// </summary>
    internal abstract void Reshape(long size, long start, long end);

    /// <summary>The size of the pages that can be told apart: a larger one stays where a change cuts it.</summary>
    internal virtual long StorageUnit => Geometry.PageSize;

    /// <summary>Makes what was stored to a range durable, where the metadata lead to it that a commit from now on makes durable.</summary>
    /// <returns>EIO where storage says so.</returns>
    internal virtual Errno MakeDurable(long start, long end, bool layoutHeld) => Errno.None;

    /// <summary>Makes those changes of the file's metadata durable that were made before the call.</summary>
    /// <returns>EIO where storage says so.</returns>
    internal virtual Errno CommitMetadata() => Errno.None;

    /// <summary>Whether a test has a part of durability left out.</summary>
    internal virtual bool LeavesOut(DurabilityPart part) => false;

    /// <summary>Counts one mapping more. The caller has the file open or mapped.</summary>
    internal void AddUser()
    {
        if (!TryAddUser())
        {
            throw new ObjectDisposedException(Name, "The file has been closed and nobody maps it any more.");
        }
    }

    /// <summary>The same for somebody who only knows that the file existed a moment ago. False where it has ended.</summary>
    /// <exception cref="InvalidOperationException">This thread is in a call of the file's that may not use it: it would wait for itself.</exception>
    internal bool TryAddUser()
    {
        if (IsInCall)
        {
            throw new InvalidOperationException($"'{Name}' is being written back by this thread, which may not use the file meanwhile: it holds its locks.");
        }

        return _life.TryAdd();
    }

    /// <summary>Counts one mapping less.</summary>
    internal void RemoveUser()
    {
        if (_life.Remove())
        {
            Tables.Free();
            FreeStorage();
            Dirty?.Free();
        }
    }

    /// <summary>Closes the file, for whoever made it. Mappings stay valid, and so does what others have opened.</summary>
    public void Dispose()
    {
        Own.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Ends the file with its machine, whoever has it open or maps it: as if it had been closed and unmapped, but that
    /// nothing is given back, since all memory goes. The machine is at rest.
    /// </summary>
    internal void Abandon()
    {
        Own.Abandon();
        _life.End();
        Tables.Abandon();
        AbandonStorage();
        Dirty?.Abandon();
    }

    /// <summary>Forgets where the file lies.</summary>
    private protected abstract void AbandonStorage();

    /// <summary>Gives back the file's pages. Nobody maps it any more.</summary>
    private protected abstract void FreeStorage();
}
