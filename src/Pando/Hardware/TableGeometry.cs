using System.Numerics;
using System.Runtime.CompilerServices;

namespace Pando.Hardware;

/// <summary>
/// The shape of a page-table tree, apart from what its entries say: how large a page is, how many entries a table has, how many levels
/// there are, at which of them an entry may be a leaf, which addresses are the user's. An <see cref="EntryFormat"/> brings one; no
/// other code knows these numbers.
/// </summary>
/// <remarks>
/// A table is one page of eight-byte entries, so that the page size alone says how many it has; the root may have fewer, where the
/// addresses have no more bits (Arm64: 16 with 52 bits and 4 KiB pages, 64 with 48 bits and 64 KiB pages). Levels are counted from the
/// leaves up, 1 the lowest (<see cref="Level"/>). Immutable. What is worked out here is worked out without a look at the level: of
/// another than 1 to <see cref="Levels"/> it means nothing.
/// </remarks>
public sealed class TableGeometry
{
    private readonly int _pageShift;
    private readonly int _indexBits;
    private readonly int _levels;
    private readonly int _indexMask;
    private readonly int _rootMask;
    private readonly int _leafLevels;
    private readonly int _shiftAtZero;

    /// <summary>Makes a geometry.</summary>
    /// <param name="pageShift">log2 of the page size: 12 (4 KiB) to 16 (64 KiB).</param>
    /// <param name="addressBits">Significant bits of a virtual address. They need one to five levels of tables above the page.</param>
    /// <param name="leafLevels">The levels at which an entry may be a leaf: 1, and those that follow, in order.</param>
    /// <param name="userEnd">The first address past what user code may map; a whole number of pages, reached by the root.</param>
    /// <param name="kernelInUserRoots">
    /// Whether what lies above the user's addresses is translated by the same root (x86-64, RISC-V), and not by another one (Arm64: TTBR1).
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">One of them is not as it must be.</exception>
    public TableGeometry(int pageShift, int addressBits, IReadOnlyList<int> leafLevels, VirtualAddress userEnd, bool kernelInUserRoots)
    {
        ArgumentNullException.ThrowIfNull(leafLevels);
        ArgumentOutOfRangeException.ThrowIfLessThan(pageShift, 12);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pageShift, 16);
        _pageShift = pageShift;
        _indexBits = pageShift - BitOperations.Log2(sizeof(ulong));
        _shiftAtZero = _pageShift - _indexBits;
        _levels = (addressBits - pageShift + _indexBits - 1) / _indexBits;
        if (addressBits > 63 || _levels is < Level.Pte or > Level.Pgd)
        {
            throw new ArgumentOutOfRangeException(nameof(addressBits), addressBits, "The bits of an address are those of a page's offset and of one to five levels, 63 at most.");
        }

        AddressBits = addressBits;
        _indexMask = (1 << _indexBits) - 1;
        _rootMask = (1 << (addressBits - EntryShift(_levels))) - 1;
        for (int i = 0; i < leafLevels.Count; i++)
        {
            if (leafLevels[i] > _levels || leafLevels[i] != i + 1)
            {
                throw new ArgumentOutOfRangeException(nameof(leafLevels), leafLevels[i], $"Leaves stand at levels from 1 on, {_levels} at most; a large one parts into those of the level below.");
            }

            _leafLevels |= 1 << leafLevels[i];
        }

        if (!IsLeafLevel(Level.Pte))
        {
            throw new ArgumentOutOfRangeException(nameof(leafLevels), "At the lowest level every entry is a leaf.");
        }

        if (userEnd.Value == 0 || !IsPageAligned(userEnd.Value) || userEnd.Value > 1UL << addressBits)
        {
            throw new ArgumentOutOfRangeException(nameof(userEnd), userEnd, "The user's addresses are whole pages, and the root leads to them.");
        }

        LeafLevels = [.. leafLevels];
        UserEnd = userEnd;
        HasKernelInUserRoots = kernelInUserRoots;
    }

    /// <summary>Levels of the tree; the root is the table of this level.</summary>
    public int Levels => _levels;

    /// <summary>Significant bits of a virtual address.</summary>
    public int AddressBits { get; }

    /// <summary>Bytes of one page, and of one table.</summary>
    public int PageSize => 1 << _pageShift;

    /// <summary>log2 of <see cref="PageSize"/>.</summary>
    public int PageShift => _pageShift;

    /// <summary>Entries in a table below the root.</summary>
    public int EntriesBelowRoot => _indexMask + 1;

    /// <summary>log2 of <see cref="EntriesBelowRoot"/>.</summary>
    public int IndexBits => _indexBits;

    /// <summary>The levels at which an entry may be a leaf, ascending.</summary>
    public IReadOnlyList<int> LeafLevels { get; }

    /// <summary>The highest level at which an entry may be a leaf.</summary>
    public int HighestLeafLevel => BitOperations.Log2((uint)_leafLevels);

    /// <summary>The first address past what user code may map.</summary>
    public VirtualAddress UserEnd { get; }

    /// <summary>All that is under those entries of a root that user code's addresses lead through.</summary>
    public AddressRange UserRange => new(new VirtualAddress(0), UserEnd.AlignUp(EntrySpan(_levels)));

    /// <summary>Whether the root of a space also leads to what lies above the user's addresses, the kernel's.</summary>
    public bool HasKernelInUserRoots { get; }

    /// <summary>Whether an entry at <paramref name="level"/> may be a leaf.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsLeafLevel(int level) => (_leafLevels & (1 << level)) != 0;

    /// <summary>The highest level, <paramref name="level"/> at most, at which an entry may be a leaf.</summary>
    /// <param name="level">At least 1.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int LeafLevelAtMost(int level) => BitOperations.Log2((uint)(_leafLevels & ((2 << level) - 1)));

    /// <summary>Entries in a table at <paramref name="level"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Entries(int level) => (level == _levels ? _rootMask : _indexMask) + 1;

    /// <summary>log2 of the bytes that one entry of a table at <paramref name="level"/> covers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int EntryShift(int level) => _shiftAtZero + (_indexBits * level);

    /// <summary>Bytes that one entry of a table at <paramref name="level"/> covers (x86-64: 4 KiB, 2 MiB, 1 GiB, 512 GiB, ...).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long EntrySpan(int level) => 1L << EntryShift(level);

    /// <summary>log2 of the bytes that a whole table at <paramref name="level"/> covers, had the root as many entries as other tables.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int TableShift(int level) => EntryShift(level) + _indexBits;

    /// <summary>Bytes that a whole table at <paramref name="level"/> covers, had the root as many entries as other tables: its span.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long TableSpan(int level) => 1L << TableShift(level);

    /// <summary>The index of the entry for an address in the table at <paramref name="level"/> on its way.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Index(ulong address, int level) =>
        (int)(address >> EntryShift(level)) & (level == _levels ? _rootMask : _indexMask);

    /// <summary>The offset of an address, or of a place in a file, within its page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int OffsetInPage(ulong address) => (int)address & (PageSize - 1);

    /// <summary>The start of the page in which an address lies.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public VirtualAddress PageStart(VirtualAddress address) => new(address.Value & PageMask);

    /// <summary>The start of the page of a file in which an offset lies.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long PageStart(long offset) => offset & (long)PageMask;

    /// <summary>Rounds up to whole pages.</summary>
    /// <param name="bytes">Not so near 2^63 that there is no such number.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long RoundUpToPages(long bytes) => (bytes + PageSize - 1) & (long)PageMask;

    /// <summary>Whether a number is a multiple of the page size.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsPageAligned(ulong number) => (number & ~PageMask) == 0;

    /// <summary>Whether a number is a multiple of the page size.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsPageAligned(long number) => IsPageAligned((ulong)number);

    /// <summary>The span of the table at <paramref name="level"/> in which <paramref name="address"/> lies.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The span reaches to the end of all addresses.</exception>
    public AddressRange SpanOf(VirtualAddress address, int level)
    {
        long span = TableSpan(level);
        return AddressRange.FromLength(address.AlignDown(span), span);
    }

    /// <summary>The field's name of a table at <paramref name="level"/>: PGD for the root, PTE, PMD, PUD, P4D below it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such level.</exception>
    public string NameOf(int level) => level == _levels ? Level.Name(Level.Pgd) : Level.Name(level);

    private ulong PageMask => ulong.MaxValue << _pageShift;

    /// <inheritdoc/>
    public override string ToString() => $"{PageSize >> 10} KiB pages, {AddressBits}-bit addresses, {Levels} levels, {Entries(Levels)} entries in the root";
}
