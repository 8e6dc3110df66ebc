using Pando.Hardware;
using Pando.Tables;

namespace Pando.Benchmarks;

/// <summary>A space with one 4 KiB page and one 2 MiB page, made by hand.</summary>
internal sealed class BenchSpace : SpaceTables
{
    public static readonly VirtualAddress SmallPage = new(0x1000);
    public static readonly VirtualAddress LargePage = new(0x40_0000);

    public BenchSpace(TableStore store)
    {
        Store = store;
        store.Owners.Add(this);
        var format = store.Format;
        var table = Create(store, format.Geometry.Levels);
        Root = table;
        for (int level = format.Geometry.Levels; level > Level.Pte; level--)
        {
            var child = Create(store, level - 1);
            store.Prepare(table, 0, format.MakeSlot(level, store.Memory.AddressOf(child), Rights.All));
            if (level == Level.Pmd)
            {
                // RAM's own first 2 MiB: any bytes do.
                store.Prepare(table, 2, format.MakeLeaf(level, new PhysicalAddress(0), Rights.ReadWrite));
            }

            table = child;
        }

        store.Frames.TryAllocate(FrameKind.Anonymous, out var page);
        store.Prepare(table, 1, format.MakeLeaf(Level.Pte, store.Memory.AddressOf(page), Rights.ReadWrite));
    }

    internal override TableStore Store { get; }

    internal override bool MayShow(SharedTableOwner owner) => false;

    private Frame Create(TableStore store, int level) =>
        store.TryCreate(this, level, 0, out var table) ? table : throw new InsufficientMemoryException("No frame for a table.");
}
