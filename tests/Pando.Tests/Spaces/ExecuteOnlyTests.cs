using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>
/// Memory that may only be executed, on a machine that is told to keep loads from it by a protection key and on one that is not. The
/// rules are Linux's (arch/x86/mm/pkeys.c); what the running kernel makes of them stands in the conformance suite.
/// </summary>
public sealed class ExecuteOnlyTests
{
    [Theory]
    [InlineData(false, AccessOutcome.Completed, AccessOutcome.NotAllowed)]
    [InlineData(true, AccessOutcome.DeniedByKey, AccessOutcome.DeniedByKey)]
    public void Loads_reach_it_only_where_no_key_keeps_them_away(bool byKey, AccessOutcome load, AccessOutcome store)
    {
        using var bench = new OperationBench(executeOnlyByKey: byKey);
        var process = bench.Start();
        Assert.Equal(-1, process.Space.ExecuteOnlyKey);
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite));
        process.Store(At, 7);
        bench.Does(process.Space.Protect(At, 2 * Page, Rights.Execute));
        Assert.Equal(byKey ? 1 : -1, process.Space.ExecuteOnlyKey);
        Assert.Equal(byKey ? 1 : 0, Assert.Single(process.Space.Areas).ProtectionKey);
        Assert.Equal((load, store), (process.LoadOutcome(At), process.StoreOutcome(At)));
        Assert.True(process.Processor.TryFetch(At, out byte code).IsCompleted);
        Assert.Equal(7, code);
        bench.Does(process.Space.Protect(At, 2 * Page, Rights.ReadWrite));
        Assert.Equal(0, Assert.Single(process.Space.Areas).ProtectionKey);
        Assert.Equal(7, process.Load(At));
        process.Store(At, 8);
        bench.Sound();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_load_that_the_key_denies_populates_nothing_and_a_fetch_does(bool shared)
    {
        using var bench = new OperationBench(executeOnlyByKey: true);
        var process = bench.Start();
        process.Map(shared ? MapRequest.SharedFile(bench.MemoryFile(2 * Page), Rights.Execute) : MapRequest.Anonymous(2 * Page, Rights.Execute));
        Assert.Equal(AccessOutcome.DeniedByKey, process.LoadOutcome(At));
        Assert.Equal(AccessOutcome.DeniedByKey, process.StoreOutcome(At));
        Assert.Equal(FaultKind.DeniedByKey, process.Space.Fault(At, AccessKind.Read).Kind);
        Assert.Equal(FaultKind.DeniedByKey, process.Space.Populate(AddressRange.FromLength(At, Page), AccessKind.Read).Kind);
        Assert.Equal((0, 0), (process.Own.Pte, bench.Machine.Tables().Files[Level.Pte]));
        Assert.True(process.Processor.TryFetch(At, out byte _).IsCompleted);
        Assert.Equal(AccessOutcome.DeniedByKey, process.LoadOutcome(At));
        Assert.Equal(AccessOutcome.NotMapped, process.LoadOutcome(At + (2 * Page)));
        bench.Sound();
    }

    [Fact]
    public void A_load_that_an_allocated_key_denies_populates_nothing()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite));
        Assert.Equal(Errno.None, process.Space.AllocateKey(out int key));
        bench.Does(process.Space.Protect(At, Page, Rights.ReadWrite, key));
        process.Processor.ProtectionKeys = default(ProtectionKeyRights).With(key, Rights.None);
        Assert.Equal((AccessOutcome.DeniedByKey, 0), (process.LoadOutcome(At), process.Own.Pte));
        process.Processor.ProtectionKeys = default(ProtectionKeyRights).With(key, Rights.Read);
        Assert.Equal((AccessOutcome.DeniedByKey, 0), (process.StoreOutcome(At), process.Own.Pte));
        Assert.Equal((0, 1), (process.Load(At), process.Own.Pte));
    }

    [Fact]
    public void The_key_is_the_lowest_that_is_free_when_it_is_first_needed_and_nobody_else_gets_it()
    {
        using var bench = new OperationBench(executeOnlyByKey: true);
        var process = bench.Start();
        Assert.Equal((Errno.None, 1), (process.Space.AllocateKey(out int first), first));
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite));
        process.Map(MapRequest.Anonymous(Page, Rights.Execute), At + Page);
        Assert.Equal(2, process.Space.ExecuteOnlyKey);
        Assert.Equal((Errno.None, 3), (process.Space.AllocateKey(out int next), next));
        bench.Fails(Errno.EINVAL, () => process.Space.Protect(At, Page, Rights.ReadWrite, 2));
        Assert.Equal(Errno.EINVAL, process.Space.FreeKey(2));

        // A key that was asked for is never overridden: then it is that key alone that denies loads, or does not.
        process.Processor.ProtectionKeys = process.Processor.ProtectionKeys.With(first, Rights.ReadWrite);
        process.Store(At, 5);
        bench.Does(process.Space.Protect(At, Page, Rights.Execute, first));
        Assert.Equal(5, process.Load(At));

        // And what is asked for without a key forgets it.
        bench.Does(process.Space.Protect(At, Page, Rights.Execute));
        Assert.Equal(AccessOutcome.DeniedByKey, process.LoadOutcome(At));
        Assert.Equal([2], process.Space.Areas.Select(area => area.ProtectionKey));
        bench.Does(process.Space.Protect(At, 2 * Page, Rights.Read));
        Assert.Equal([0], process.Space.Areas.Select(area => area.ProtectionKey));
    }

    [Fact]
    public void Where_no_key_is_free_it_can_be_loaded()
    {
        using var bench = new OperationBench(executeOnlyByKey: true);
        var process = bench.Start();
        for (int expected = 1; expected <= 15; expected++)
        {
            Assert.Equal((Errno.None, expected), (process.Space.AllocateKey(out int key), key));
        }

        Assert.Equal((Errno.ENOSPC, -1), (process.Space.AllocateKey(out int none), none));
        process.Map(MapRequest.Anonymous(Page, Rights.Execute));
        Assert.Equal((0, -1), (process.Load(At), process.Space.ExecuteOnlyKey));

        Assert.Equal(Errno.None, process.Space.FreeKey(9));
        Assert.Equal(Errno.EINVAL, process.Space.FreeKey(9));
        bench.Does(process.Space.Protect(At, Page, Rights.Execute));
        Assert.Equal((AccessOutcome.DeniedByKey, 9), (process.LoadOutcome(At), process.Space.ExecuteOnlyKey));
    }

    [Theory]
    [InlineData(-2)]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(32)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void A_key_that_was_not_given_out_cannot_be_used_or_freed(int key)
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite));
        Assert.Equal(Errno.EINVAL, process.Space.FreeKey(key));
        if (key == 0)
        {
            bench.Does(process.Space.Protect(At, Page, Rights.ReadWrite, key));
        }
        else
        {
            bench.Fails(Errno.EINVAL, () => process.Space.Protect(At, Page, Rights.ReadWrite, key));
        }
    }

    [Fact]
    public void A_child_has_the_same_keys_and_a_program_that_begins_has_none()
    {
        using var bench = new OperationBench(executeOnlyByKey: true);
        var parent = bench.Start();
        Assert.Equal((Errno.None, 1), (parent.Space.AllocateKey(out int own), own));
        parent.Map(MapRequest.Anonymous(Page, Rights.ReadWrite));
        parent.Store(At, 7);
        bench.Does(parent.Space.Protect(At, Page, Rights.Execute));
        var child = parent.Fork();
        bench.Sound();
        Assert.Equal((2, AccessOutcome.DeniedByKey), (child.Space.ExecuteOnlyKey, child.LoadOutcome(At)));
        bench.Does(child.Space.Protect(At, Page, Rights.ReadWrite));
        Assert.Equal(7, child.Load(At));
        child.Store(At, 8);
        bench.Does(child.Space.Protect(At, Page, Rights.ReadWrite, own));
        Assert.Equal((AccessOutcome.DeniedByKey, AccessOutcome.DeniedByKey), (child.LoadOutcome(At), parent.LoadOutcome(At)));
        bench.Does(parent.Space.Protect(At, Page, Rights.Read));
        Assert.Equal(7, parent.Load(At));

        parent.Space.Clear();
        Assert.Equal(-1, parent.Space.ExecuteOnlyKey);
        Assert.Equal((Errno.None, 1), (parent.Space.AllocateKey(out int again), again));
        bench.Sound();
    }

    [Fact]
    public void Those_that_may_only_execute_a_file_share_tables_with_each_other_and_not_with_those_that_may_load_it()
    {
        using var bench = new OperationBench(executeOnlyByKey: true);
        var file = bench.DaxFile(Gibi);
        var reader = bench.StartSharers(1, file, Rights.Read)[0];
        var one = bench.Start();
        var two = bench.Start();
        one.Map(MapRequest.SharedFile(file, Rights.Execute));
        long tables = bench.Machine.Tables().Count;
        two.Map(MapRequest.PrivateFile(file, Rights.Execute));
        Assert.True(one.Processor.TryFetch(At + Page, out byte _).IsCompleted);
        Assert.True(two.Processor.TryTranslate(At + Page, AccessKind.Execute, out _, FaultDelivery.ToCaller).IsCompleted, "the same tables");
        Assert.Equal(tables + 1, bench.Machine.Tables().Count);
        Assert.Equal((AccessOutcome.DeniedByKey, AccessOutcome.DeniedByKey), (one.LoadOutcome(At + Page), two.LoadOutcome(At + Page)));
        reader.Load(At + Page);
        bench.Does(one.Space.Protect(At, Gibi, Rights.Read));
        Assert.True(one.Sees(At + Page));
        bench.Does(reader.Space.Protect(At, Gibi, Rights.Execute));
        Assert.Equal(AccessOutcome.DeniedByKey, reader.LoadOutcome(At + Page));
        Assert.True(two.Processor.TryFetch(At + Page, out byte _).IsCompleted);
        bench.Sound();
    }

    [Fact]
    public void A_processor_begins_as_a_program_on_Linux_does_and_may_allow_itself_even_this()
    {
        using var bench = new OperationBench(executeOnlyByKey: true);
        var process = bench.Start();
        Assert.Equal(ProtectionKeyRights.Initial, process.Processor.ProtectionKeys);
        Assert.All(Enumerable.Range(1, 15), key => Assert.True(ProtectionKeyRights.Initial.Denies(key, AccessKind.Read)));
        Assert.False(ProtectionKeyRights.Initial.Denies(0, AccessKind.Write));
        process.Map(MapRequest.Anonymous(Page, Rights.Execute));
        process.Processor.ProtectionKeys = default;
        Assert.Equal(0, process.Load(At));
        process.Processor.ProtectionKeys = ProtectionKeyRights.Initial;
        Assert.Equal(AccessOutcome.DeniedByKey, process.LoadOutcome(At));
    }

    [Fact]
    public void What_is_refused_takes_no_key()
    {
        using var bench = new OperationBench(executeOnlyByKey: true);
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite));
        bench.Fails(Errno.ENOMEM, () => process.Space.Protect(At, 2 * Page, Rights.Execute));
        bench.Fails(
            Errno.EEXIST,
            () => process.Space.Map(MapRequest.Anonymous(Page, Rights.Execute) with { Address = At, Placement = MapPlacement.FixedNoReplace }));
        bench.Does(process.Space.Protect(At, 0, Rights.Execute));
        Assert.Equal(-1, process.Space.ExecuteOnlyKey);
    }

    [Fact]
    public void It_is_locked_but_cannot_be_faulted_in()
    {
        using var bench = new OperationBench(executeOnlyByKey: true);
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(Page, Rights.Execute));
        Assert.Equal(Errno.ENOMEM, process.Space.LockMemory(At, Page));
        Assert.Equal((AreaFlags.Locked, 0), (Assert.Single(process.Space.Areas).Flags, process.Own.Pte));
        Assert.Equal(Errno.None, process.Space.LockAll(current: true, future: false));
        Assert.Equal(Errno.EINVAL, process.Space.Advise(At, Page, Advice.PopulateRead));
        Assert.Equal(0, process.Own.Pte);
        bench.Sound();
    }
}
