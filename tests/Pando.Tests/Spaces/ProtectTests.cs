using Pando.Concurrency;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>mprotect and pkey_mprotect.</summary>
public sealed class ProtectTests
{
    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.UpTo1GiB)]
    [InlineData(SharingLevels.UpTo2MiB)]
    [InlineData(SharingLevels.None)]
    public void A_whole_mapping_changes_in_its_slots_and_stays_shared_to_no_right_and_back(SharingLevels sharing)
    {
        using var bench = new OperationBench(sharing);
        var file = bench.DaxFile(2 * Gibi);
        var sharers = bench.StartSharers(3, file);
        var one = sharers[0];
        foreach (var process in sharers)
        {
            process.Store(At + Gibi + Page, 5);
        }

        var own = one.Own;
        long diverged = bench.Machine.Count(TableEvent.Diverged);
        foreach (var rights in new[] { Rights.Read, Rights.None, Rights.Read | Rights.Execute, Rights.ReadWrite })
        {
            bench.Does(one.Space.Protect(At, 2 * Gibi, rights));
            Assert.Equal([(0, 2 * Gibi / Page, rights)], one.Pages);
            Assert.Equal(rights == Rights.None ? AccessOutcome.NotAllowed : AccessOutcome.Completed, one.LoadOutcome(At + Gibi + Page));
            Assert.Equal(rights == Rights.ReadWrite ? AccessOutcome.Completed : AccessOutcome.NotAllowed, one.StoreOutcome(At + Gibi + Page, 6));
            Assert.Equal(AccessOutcome.Completed, sharers[1].StoreOutcome(At + Gibi + Page, 7));
            Assert.Equal(7, sharers[2].Load(At + Gibi + Page));
            bench.Sound();
        }

        Assert.Equal((own, diverged), (one.Own, bench.Machine.Count(TableEvent.Diverged)));
        Assert.Equal(sharing == SharingLevels.None || sharing == SharingLevels.UpTo2MiB ? 6 : 0, file.Tables.ReverseMap.Count);
    }

    [Theory]
    [InlineData(3 * Mebi)]
    [InlineData(Gibi + Page)]
    public void A_mapping_that_ends_within_a_span_changes_in_its_slots_as_well(long size)
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(size);
        var sharers = bench.StartSharers(2, file);
        foreach (var rights in new[] { Rights.Read, Rights.None, Rights.ReadWrite })
        {
            bench.Does(sharers[0].Space.Protect(At, size, rights));
            Assert.Equal(((0, 0, 0, 1), 0), (sharers[0].Own, file.Tables.ReverseMap.Count));
        }

        bench.Does(sharers[0].Space.Unmap(At, size));
        Assert.Equal(((0, 0, 0, 1), 0L), (sharers[0].Own, bench.Machine.Count(TableEvent.Diverged)));
        sharers[1].Store(At + size - 1, 1);
    }

    [Fact]
    public void A_part_leaves_only_the_tables_on_the_way_to_it_and_comes_back_when_all_is_one_again()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Gibi);
        var sharers = bench.StartSharers(2, file);
        var one = sharers[0];
        one.Store(At + (3 * Page), 1);
        one.Load(At + Gibi + (2 * Mebi));
        bench.Does(one.Space.Protect(At + (3 * Page), Page, Rights.Read));
        Assert.Equal([(0, 3, Rights.ReadWrite), (3, 1, Rights.Read), (4, (2 * Gibi / Page) - 4, Rights.ReadWrite)], one.Pages);
        Assert.Equal((1, 1, 1, 1), one.Own);
        Assert.Equal((0, 0, 0, 1), sharers[1].Own);
        Assert.Equal((AccessOutcome.NotAllowed, (byte)1), (one.StoreOutcome(At + (3 * Page)), one.Load(At + (3 * Page))));
        sharers[1].Store(At + (3 * Page), 2);
        one.Store(At + (4 * Page), 3);
        Assert.Equal((2, 3), (one.Load(At + (3 * Page)), sharers[1].Load(At + (4 * Page))));

        // The second GiB is the file's still: what another process faults in there is seen without a fault.
        sharers[1].Store(At + Gibi, 4);
        Assert.True(one.Sees(At + Gibi));
        bench.Does(one.Space.Protect(At + (3 * Page), Page, Rights.ReadWrite));
        Assert.Equal([(0, 2 * Gibi / Page, Rights.ReadWrite)], one.Pages);
        Assert.Equal((0, 0, 0, 1), one.Own);
        one.Store(At + (3 * Page), 5);
        Assert.Equal(5, sharers[1].Load(At + (3 * Page)));
        bench.Sound();
    }

    [Fact]
    public void Private_pages_keep_their_contents_and_lose_the_right_to_store_at_once()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(4 * Page, Rights.ReadWrite));
        process.Store(At, 1);
        process.Load(At + Page);
        bench.Does(process.Space.Protect(At, 2 * Page, Rights.Read));
        Assert.Equal((AccessOutcome.NotAllowed, (byte)1), (process.StoreOutcome(At), process.Load(At)));
        bench.Does(process.Space.Protect(At, 4 * Page, Rights.None));
        Assert.Equal(AccessOutcome.NotAllowed, process.LoadOutcome(At));
        bench.Does(process.Space.Protect(At, 4 * Page, Rights.ReadWrite));
        process.Store(At + Page, 2);
        Assert.Equal((1, 2), (process.Load(At), process.Load(At + Page)));
        bench.Sound();
    }

    [Fact]
    public void What_has_the_rights_already_is_neither_cut_nor_left()
    {
        using var bench = new OperationBench();
        var process = bench.StartSharers(1, bench.DaxFile(2 * Gibi))[0];
        bench.Fails(Errno.None, () => process.Space.Protect(At + Page, Page, Rights.ReadWrite));
        Assert.Equal(0, bench.Machine.Count(TableEvent.Diverged));

        // The page of the second is larger than what the range has of it.
        process.Map(MapRequest.Anonymous(Page, Rights.Read), At + (4 * Gibi) - Page);
        process.Map(MapRequest.SharedFile(bench.HugeFile(4 * Mebi), Rights.ReadWrite), At + (4 * Gibi));
        process.Store(At + (4 * Gibi), 1);
        var own = process.Own;
        bench.Does(process.Space.Protect(At + (4 * Gibi) - Page, 2 * Page, Rights.ReadWrite));
        process.Store(At + (4 * Gibi) - Page, 2);
        Assert.Equal((1, 2), (process.Load(At + (4 * Gibi)), process.Load(At + (4 * Gibi) - Page)));
        Assert.Equal((own.Pte + 1, 3), (process.Own.Pte, process.Space.Areas.Count));
        bench.Sound();
    }

    [Fact]
    public void Locked_private_memory_that_becomes_writable_has_its_copies_at_once()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(2 * Page);
        var process = bench.Start();
        process.Map(MapRequest.PrivateFile(file, Rights.Read));
        process.Map(MapRequest.SharedFile(file, Rights.Read), At + Gibi);
        process.Map(MapRequest.Anonymous(2 * Page, Rights.Read), At + (2 * Gibi));
        process.Map(MapRequest.PrivateFile(file, Rights.Read), At + (3 * Gibi));
        bench.Does(process.Space.LockMemory(At, 2 * Page));
        bench.Does(process.Space.LockMemory(At + Gibi, 2 * Page));
        bench.Does(process.Space.LockMemory(At + (2 * Gibi), 2 * Page));
        bench.Does(process.Space.LockMemory(At + (3 * Gibi), 2 * Page, onFault: true));
        bench.Does(process.Space.Protect(At + Page, Page, Rights.ReadWrite));
        var areas = new[] { At, At + Gibi, At + (2 * Gibi), At + (3 * Gibi) };
        Assert.Equal(AccessOutcome.NotAllowed, process.StoreOutcome(At));
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = () => true;
        Assert.Equal(AccessOutcome.Completed, process.StoreOutcome(At + Page, 1));
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = null;
        foreach (var at in areas)
        {
            bench.Does(process.Space.Protect(at, 2 * Page, Rights.ReadWrite));
        }

        Assert.Equal(0, file.DirtyBytes);
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = () => true;
        Assert.Equal(
            [AccessOutcome.Completed, AccessOutcome.Completed, AccessOutcome.OutOfMemory],
            new[] { At, At + (2 * Gibi), At + (3 * Gibi) }.Select(at => process.StoreOutcome(at, 2)));
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = null;
        Assert.Equal((2, 1, 0, 2), (process.Load(At), process.Load(At + Page), process.Load(At + Gibi), process.Load(At + (2 * Gibi))));
        Assert.Equal(0, process.Load(At + (3 * Gibi)));
        bench.Sound();
    }

    [Fact]
    public void A_protection_key_is_a_class_of_its_own_that_only_those_with_the_same_key_share()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(Gibi);
        var sharers = bench.StartSharers(3, file);
        sharers[0].Store(At + Page, 1);
        foreach (var sharer in sharers[..2])
        {
            for (int expected = 1; expected <= 3; expected++)
            {
                Assert.Equal((Errno.None, expected), (sharer.Space.AllocateKey(out int key), key));
            }
        }

        bench.Does(sharers[0].Space.Protect(At, Gibi, Rights.ReadWrite, protectionKey: 3));
        bench.Does(sharers[1].Space.Protect(At, Gibi, Rights.ReadWrite, protectionKey: 3));
        Assert.Equal(3, Assert.Single(sharers[0].Space.Areas).ProtectionKey);
        sharers[0].Store(At + Page, 2);
        Assert.True(sharers[1].Sees(At + Page));
        Assert.Equal((0, 0, 0, 1), sharers[1].Own);
        sharers[0].Processor.ProtectionKeys = default(ProtectionKeyRights).With(3, Rights.Read);
        Assert.Equal((AccessOutcome.DeniedByKey, (byte)2), (sharers[0].StoreOutcome(At + Page), sharers[0].Load(At + Page)));
        sharers[1].Store(At + Page, 3);
        sharers[2].Processor.ProtectionKeys = sharers[0].Processor.ProtectionKeys;
        sharers[2].Store(At + Page, 4);
        Assert.Equal(4, sharers[0].Load(At + Page));
        bench.Does(sharers[0].Space.Protect(At, Gibi, Rights.ReadWrite, protectionKey: 0));
        sharers[0].Store(At + Page, 5);
        bench.Sound();
    }

    [Fact]
    public void Every_bad_argument_has_its_errno_and_changes_nothing()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.StartSharers(1, file, Rights.Read)[0];
        process.Map(MapRequest.SharedFile(file, Rights.Read) with { OpenedFor = Rights.Read }, At + Gibi);
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite), At + (2 * Gibi));
        Assert.Equal(Errno.None, process.Space.Seal(At + (2 * Gibi) + Page, Page));
        process.Map(MapRequest.SharedFile(bench.HugeFile(4 * Mebi), Rights.ReadWrite), At + (3 * Gibi));
        var space = process.Space;
        bench.Fails(Errno.EINVAL, () => space.Protect(At + 1, Page, Rights.Read));
        bench.Fails(Errno.EINVAL, () => space.Protect(At, Page, (Rights)8));
        bench.Fails(Errno.EINVAL, () => space.Protect(At, Page, Rights.Read, 16));
        bench.Fails(Errno.EINVAL, () => space.Protect(At, Page, Rights.Read, -2));
        bench.Fails(Errno.ENOMEM, () => space.Protect(At, -1, Rights.Read));
        bench.Fails(Errno.ENOMEM, () => space.Protect(At, 8 * Mebi, Rights.ReadWrite));
        bench.Fails(Errno.ENOMEM, () => space.Protect(space.UserEnd, Page, Rights.Read));
        bench.Fails(Errno.EACCES, () => space.Protect(At + Gibi, Page, Rights.ReadWrite));
        bench.Fails(Errno.EPERM, () => space.Protect(At + (2 * Gibi), 2 * Page, Rights.Read));
        bench.Fails(Errno.EINVAL, () => space.Protect(At + (3 * Gibi), Page, Rights.Read));
        bench.Fails(Errno.EINVAL, () => space.Protect(At + (3 * Gibi), Page, Rights.ReadWrite, 3));
        bench.Fails(Errno.None, () => space.Protect(At + (3 * Gibi), Page, Rights.ReadWrite, 0));
        bench.Fails(Errno.None, () => space.Protect(At + (3 * Gibi), Page, Rights.ReadWrite));

        // The first address that is at fault decides.
        bench.Fails(Errno.ENOMEM, () => space.Protect(At, 3 * Gibi, Rights.ReadWrite));
        bench.Fails(Errno.EACCES, () => space.Protect(At + Gibi, 2 * Gibi, Rights.ReadWrite));
        bench.Fails(Errno.EPERM, () => space.Protect(At + (2 * Gibi), 3 * Page, Rights.Read));
        process.Map(MapRequest.SharedFile(file, Rights.Read) with { OpenedFor = Rights.Read }, At + (2 * Gibi) + (2 * Page));
        bench.Fails(Errno.EPERM, () => space.Protect(At + (2 * Gibi), 3 * Page, Rights.ReadWrite));
        bench.Fails(Errno.None, () => space.Protect(At, 0, Rights.ReadWrite));
    }
}
