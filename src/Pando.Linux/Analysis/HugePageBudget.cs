using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Analysis;

/// <summary>
/// What the machine can give in huge pages. All advice of a report draws on it, one after the other: what is followed
/// from the top down must fit together. Memory that a server holds now counts as free: it is stopped first.
/// </summary>
internal sealed class HugePageBudget
{
    // Left to everything else: of memory, one part in this many.
    private const int Spare = 50;

    private readonly MachineFacts _machine;
    private readonly Dictionary<ulong, long> _promised = [];
    private long _grown;
    private long _freed;

    public HugePageBudget(MachineFacts machine) => _machine = machine;

    /// <summary>The size that programs get that name none. Where it is not known (an old snapshot), the usual one.</summary>
    public ulong DefaultSize => _machine.DefaultHugePageSize ?? HugePages.Usual;

    /// <summary>
    /// A share of the pool for a service that needs so many pages and holds <paramref name="resident"/> bytes of ordinary memory
    /// for the same now. Null, with the reason, if the machine has not that much, or no such pages.
    /// </summary>
    public HugePageShare? Take(ulong size, long pages, long resident, out string whyNot)
    {
        var pool = _machine.Pools.FirstOrDefault(p => p.PageSize == size);
        if (pool is null && _machine.Pools.Count > 0)
        {
            whyNot = $"this kernel has no huge pages of {ByteText.Size((long)size)}";
            return null;
        }

        pool ??= new HugePagePool(size, 0, 0, 0, 0);
        var lasting = pool.Total - pool.Surplus;
        var promised = _promised.GetValueOrDefault(size);
        var before = Math.Max(pool.Total, pool.Total - pool.Free + pool.Reserved + promised);
        var total = pool.Total - pool.Free + pool.Reserved + promised + pages;
        var growth = Math.Max(0, total - before) * (long)size;
        var available = (_machine.AvailableBytes ?? _machine.MemoryBytes) + _freed + resident - (_machine.MemoryBytes / Spare) - _grown;
        if (growth > available)
        {
            whyNot = $"it takes {pages} pages of {ByteText.Size((long)size)}, {ByteText.Size(pages * (long)size)}; the machine can give {ByteText.Size(Math.Max(0, available))}{(_grown > 0 ? " beyond what is advised for others" : "")}";
            return null;
        }

        _promised[size] = promised + pages;
        _grown += growth;
        _freed += resident;
        whyNot = "";
        return new HugePageShare(size, pages, total, lasting, size == DefaultSize);
    }
}
