using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>mlock and its kin, mincore, msync, mseal.</summary>
public sealed class MemoryLockTests
{
    [Fact]
    public void Locking_faults_in_what_can_be_and_keeps_the_sharing()
    {
        using var bench = new OperationBench();
        var sharers = bench.StartSharers(2, bench.DaxFile(4 * Mebi));
        var space = sharers[0].Space;
        bench.Does(space.LockMemory(At + (2 * Mebi) + 5, 1));
        Assert.Equal([AreaFlags.Shared, AreaFlags.Shared | AreaFlags.Locked, AreaFlags.Shared], space.Areas.Select(area => area.Flags));
        Assert.Equal(((0, 0, 0, 1), true), (sharers[0].Own, sharers[1].Sees(At + (2 * Mebi))));
        bench.Does(space.UnlockMemory(At, 4 * Mebi));
        bench.Does(space.LockAll(current: true, future: true, onFault: true));
        sharers[0].Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite), At + Gibi);
        Assert.Equal([AreaFlags.Shared | AreaFlags.LockedOnFault, AreaFlags.LockedOnFault], space.Areas.Select(area => area.Flags));
        Assert.False(sharers[0].Sees(At + Gibi));
        bench.Does(space.LockAll(current: true, future: false));
        Assert.True(sharers[0].Sees(At + Gibi + Page));
        Assert.Equal([AreaFlags.Shared, 0], sharers[0].Fork().Space.Areas.Select(area => area.Flags));
        bench.Does(space.UnlockAll());
        Assert.Equal([AreaFlags.Shared, 0], space.Areas.Select(area => area.Flags));
    }

    [Fact]
    public void What_may_not_be_read_is_locked_but_reported_and_fixed_pages_need_no_lock()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(Page, Rights.None));
        Assert.Equal(Errno.ENOMEM, process.Space.LockMemory(At, Page));
        Assert.Equal(AreaFlags.Locked, Assert.Single(process.Space.Areas).Flags);
        process.Map(MapRequest.SharedFile(bench.HugeFile(2 * Mebi), Rights.ReadWrite), At + Gibi);
        bench.Does(process.Space.LockMemory(At + Gibi + Page, Page));
        Assert.Equal((2, AreaFlags.Shared), (process.Space.Areas.Count, process.Space.Areas[1].Flags));
    }

    [Fact]
    public void Locking_ends_with_the_first_page_that_cannot_be_had_and_locking_all_goes_on()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite));
        process.Map(MapRequest.Anonymous(Page, Rights.None), At + Page);
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite), At + (2 * Page));
        Assert.Equal(Errno.ENOMEM, process.Space.LockMemory(At, 3 * Page));
        Assert.Equal([AreaFlags.Locked, AreaFlags.Locked, AreaFlags.Locked], process.Space.Areas.Select(area => area.Flags));
        Assert.Equal((true, false), (process.Sees(At), process.Sees(At + (2 * Page))));
        bench.Does(process.Space.LockAll(current: true, future: false));
        Assert.True(process.Sees(At + (2 * Page)));
    }

    [Theory]
    [InlineData(PopulateKind.None)]
    [InlineData(PopulateKind.Read)]
    [InlineData(PopulateKind.Write)]
    public void What_is_locked_on_fault_is_not_faulted_in_by_mapping_it(PopulateKind populate)
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        bench.Does(process.Space.LockAll(current: false, future: true, onFault: true));
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite) with { Populate = populate });
        process.Map(MapRequest.Anonymous(Page, Rights.ReadWrite) with { Populate = populate, Locked = true }, At + Gibi);
        Assert.Equal([AreaFlags.LockedOnFault, AreaFlags.Locked], process.Space.Areas.Select(area => area.Flags));
        Assert.Equal((false, true), (process.Sees(At), process.Sees(At + Gibi)));
    }

    [Fact]
    public void Residence_is_told_page_by_page()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite));
        process.Map(MapRequest.SharedFile(bench.DaxFile(2 * Page, [new(0, 0, Page)]), Rights.ReadWrite), At + (2 * Page));
        process.Store(At + Page, 1);
        bool[] resident = new bool[4];
        bench.Fails(Errno.None, () => process.Space.Resident(At, resident));
        Assert.Equal([false, true, true, false], resident);
        bench.Fails(Errno.EINVAL, () => process.Space.Resident(At + 1, resident));
        bench.Fails(Errno.ENOMEM, () => process.Space.Resident(At, new bool[5]));
    }

    [Fact]
    public void Syncing_writes_back_the_mapped_files()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var process = bench.StartSharers(1, file)[0];
        process.Store(At, 1);
        process.Store(At + (2 * Mebi), 1);
        bench.Does(process.Space.Sync(At, 2 * Mebi));
        Assert.Equal(2 * Mebi, file.DirtyBytes);
        bench.Fails(Errno.EINVAL, () => process.Space.Sync(At + 1, Page));
        bench.Fails(Errno.ENOMEM, () => process.Space.Sync(At, -Page));
        bench.Fails(Errno.None, () => process.Space.Sync(At, -1)); // rounded up, it is 0
        bench.Fails(Errno.ENOMEM, () => process.Space.Sync(At, 8 * Mebi));
        Assert.Equal(Errno.None, process.Space.LockMemory(At, Page));
        bench.Fails(Errno.EBUSY, () => process.Space.Sync(At, 4 * Mebi, invalidate: true));
        bench.Fails(Errno.EBUSY, () => process.Space.Sync(At, 8 * Mebi, invalidate: true));
        bench.Fails(Errno.ENOMEM, () => process.Space.Sync(At + Page, 8 * Mebi, invalidate: true));
    }

    [Fact]
    public void A_sealed_range_keeps_what_it_is()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(2, file);
        var space = sharers[0].Space;
        bench.Does(space.Seal(At + Page, Page));
        Assert.Equal((3, (0, 0, 0, 1)), (space.Areas.Count, sharers[0].Own));
        bench.Fails(Errno.EPERM, () => space.Unmap(At, 4 * Mebi));
        bench.Fails(Errno.EPERM, () => space.Protect(At, 4 * Mebi, Rights.Read));
        bench.Fails(Errno.EPERM, () => space.Remap(At + Page, Page, 2 * Page, RemapFlags.MayMove));
        bench.Fails(Errno.EPERM, () => space.Map(MapRequest.Anonymous(Page, Rights.Read) with { Address = At + Page, Placement = MapPlacement.Fixed }));
        bench.Fails(Errno.EINVAL, () => space.Seal(At + 1, Page));
        bench.Fails(Errno.EINVAL, () => space.Seal(At, -1));
        bench.Fails(Errno.ENOMEM, () => space.Seal(At, 8 * Mebi));
        bench.Fails(Errno.ENOMEM, () => space.LockMemory(At, 8 * Mebi));
        bench.Fails(Errno.ENOMEM, () => space.UnlockMemory(At, 8 * Mebi));
        bench.Fails(Errno.EINVAL, () => space.LockMemory(At, -Page));
        bench.Fails(Errno.None, () => space.LockMemory(At, -1)); // rounded up, it is 0
        bench.Fails(Errno.EINVAL, () => space.LockAll(current: false, future: false));
        sharers[0].Map(MapRequest.SharedFile(bench.HugeFile(4 * Mebi), Rights.ReadWrite), At + Gibi);
        bench.Fails(Errno.EINVAL, () => space.Seal(At + Gibi, Page));
        sharers[0].Store(At + Page, 1);
        Assert.Equal(1, sharers[1].Load(At + Page));
    }
}
