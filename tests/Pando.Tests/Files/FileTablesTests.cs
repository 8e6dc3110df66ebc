using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Tables;

namespace Pando.Tests.Files;

public sealed class FileTablesTests : IDisposable
{
    private const long Mebi = 1L << 20;

    private readonly Machine _machine = new(new MachineOptions { Ram = 32 * Mebi });
    private readonly DaxFile _file;

    public FileTablesTests() => _file = _machine.AddPmem(4L << 30, PmemBacking.None).CreateFile("data", 2L << 30);

    private TableStore Store => _machine.Store;

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_table_is_found_by_all_of_its_key()
    {
        var key = TableKey.For(X64.Geometry, Level.Pmd, 0, 0, 1L << 40, TableClass.Ordinary);
        TableKey[] keys =
        [
            key,
            key with { Level = Level.Pte },
            key with { Origin = 4096 },
            key with { Origin = -4096 },
            key with { WindowStart = 4096 },
            key with { WindowEnd = key.WindowEnd - 4096 },
            key with { Class = TableClass.Ordinary with { ProtectionKey = 3 } },
            key with { Class = TableClass.Ordinary with { MemoryType = MemoryType.Uncached } },
            key with { Class = TableClass.Ordinary with { LeafRights = Rights.Read } },
            key with { Class = TableClass.Ordinary with { Synchronous = true } },
        ];
        var tables = keys.Select(one => Attach(one, make: true)).ToList();
        Assert.Equal(keys.Length, tables.Distinct().Count());
        Assert.Equal(keys, tables.Select(_file.Tables.KeyOf));
        Assert.Equal(tables, keys.Select(one => Attach(one, make: false)));
        Assert.All(tables, table => Assert.Equal(2, Store.Memory.Record(table).AttachCount));
        Assert.Equal(keys.Length, _file.Tables.All().Count());
        foreach (var table in tables.Concat(tables))
        {
            Store.Detach(table);
        }

        Assert.Equal(keys.Length, _file.Tables.Reclaim());
        Assert.All(keys, one => Assert.True(Attach(one, make: false).IsNone));
        _machine.Reclaim();
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Only_tables_that_nothing_points_at_are_reclaimed_and_their_children_follow()
    {
        var parent = Attach(TableKey.For(X64.Geometry, Level.Pmd, 0, 0, 1L << 30, TableClass.Ordinary), make: true);
        var child = Attach(TableKey.For(X64.Geometry, Level.Pmd, 0, 0, 1L << 30, TableClass.Ordinary).Child(X64.Geometry, 3), make: true);
        using (Store.Lock(parent, Level.Pmd))
        {
            Store.Fill(parent, Level.Pmd, 3, Store.Format.MakeSlot(Level.Pmd, Store.Memory.AddressOf(child), Rights.All));
        }

        Assert.Equal(0, _file.Tables.Reclaim());
        Store.Detach(parent);
        Assert.Equal(2, _file.Tables.Reclaim());
        Assert.Equal(0, _file.Tables.TableCount);
        Assert.True(Store.IsDead(parent) && Store.IsDead(child));
        Assert.False(Store.TryAttach(parent));
    }

    [Fact]
    public void Tables_are_found_by_the_part_of_the_file_that_they_may_show()
    {
        long gibi = 1L << 30;
        var first = Attach(TableKey.For(X64.Geometry, Level.Pmd, 0, 0, gibi, TableClass.Ordinary), make: true);
        var second = Attach(TableKey.For(X64.Geometry, Level.Pmd, gibi, gibi, gibi + (6 * Mebi), TableClass.Ordinary), make: true);
        var before = Attach(TableKey.For(X64.Geometry, Level.Pmd, -(512 * Mebi), 0, gibi, TableClass.Ordinary), make: true);
        Assert.Equal(Sorted(first, before), Over(0, 4096));
        Assert.Equal([first], Over(600 * Mebi, 601 * Mebi));
        Assert.Equal([second], Over(gibi, gibi + 1));
        Assert.Equal(Sorted(first, second), Over(gibi - 1, gibi + 1));
        Assert.Empty(Over(gibi + (6 * Mebi), 2 * gibi));

        IEnumerable<Frame> Over(long start, long end) => Sorted([.. _file.Tables.TablesOver(Level.Pmd, start, end)]);
        static IEnumerable<Frame> Sorted(params Frame[] tables) => tables.OrderBy(table => table.Number);
    }

    [Fact]
    public void Making_attaching_detaching_and_reclaiming_at_once_never_gives_two_live_tables_of_one_key()
    {
        TableKey[] keys = [.. Enumerable.Range(0, 4).Select(i => TableKey.For(X64.Geometry, Level.Pte, 0, 0, (i + 1) * 4096, TableClass.Ordinary))];
        using var start = new Barrier(4);
        int[] live = new int[keys.Length];
        var failures = new List<string>();
        var threads = Enumerable.Range(0, 4).Select(id => new Thread(() =>
        {
            start.SignalAndWait();
            for (int i = 0; i < 6000; i++)
            {
                int number = (i + id) % keys.Length;
                if (i % 50 == id)
                {
                    _file.Tables.Reclaim();
                    Store.Retired.Collect();
                    continue;
                }

                // Two attaches held at once must be of one table: it cannot die while one of them lasts.
                var epoch = Store.Epochs.Enter();
                var one = _file.Tables.Attach(keys[number], make: true);
                epoch.Dispose();
                epoch = Store.Epochs.Enter();
                var two = _file.Tables.Attach(keys[number], make: true);
                epoch.Dispose();
                if (one != two || _file.Tables.KeyOf(one) != keys[number] || Store.IsDead(one))
                {
                    lock (failures)
                    {
                        failures.Add($"{one} and {two}");
                    }
                }

                Interlocked.Increment(ref live[number]);
                Store.Detach(one);
                Store.Detach(two);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.Empty(failures);
        Assert.All(live, count => Assert.True(count > 0));
        Assert.InRange(_file.Tables.TableCount, 0, keys.Length);
        _machine.Audit().ThrowIfUnsound();
        _file.Dispose();
        _machine.Reclaim();
        _machine.Audit().ThrowIfUnsound();
        Assert.Equal(1, _machine.FramesInUse);
    }

    private Frame Attach(TableKey key, bool make)
    {
        var epoch = Store.Epochs.Enter();
        var table = _file.Tables.Attach(key, make);
        epoch.Dispose();
        return table;
    }
}
