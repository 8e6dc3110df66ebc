using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>mmap, munmap, exec and exit, and the mappings that are not like others: MAP_SYNC, private, of fixed pages.</summary>
public sealed class MapTests
{
    [Fact]
    public void Every_bad_argument_has_its_errno_and_changes_nothing()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var huge = bench.HugeFile(4 * Mebi);
        var space = bench.StartSharers(1, file)[0].Space;
        var good = MapRequest.SharedFile(file, Rights.ReadWrite);
        var fixedAt = good with { Placement = MapPlacement.Fixed, Address = At + Gibi };
        bench.Fails(Errno.EINVAL, () => space.Map(good with { Length = 0 }));
        bench.Fails(Errno.EINVAL, () => space.Map(good with { Offset = 1 }));
        bench.Fails(Errno.EOVERFLOW, () => space.Map(good with { Offset = -Page }));
        bench.Fails(Errno.EINVAL, () => space.Map(good with { Rights = (Rights)8 }));
        bench.Fails(Errno.EINVAL, () => space.Map(fixedAt with { Address = At + 1 }));
        bench.Fails(Errno.EACCES, () => space.Map(good with { OpenedFor = Rights.Read }));
        bench.Fails(Errno.EACCES, () => space.Map(good with { Rights = Rights.Read, OpenedFor = Rights.Write }));
        bench.Fails(Errno.EOPNOTSUPP, () => space.Map(good with { File = huge, Synchronous = true }));
        bench.Fails(Errno.EOPNOTSUPP, () => space.Map(good with { Shared = false, Synchronous = true }));
        bench.Fails(Errno.EEXIST, () => space.Map(good with { Placement = MapPlacement.FixedNoReplace, Address = At + Page }));
        bench.Fails(Errno.ENOMEM, () => space.Map(fixedAt with { Address = space.UserEnd - Page }));
        bench.Fails(Errno.ENOMEM, () => space.Map(good with { Length = 1L << 47 }));
        bench.Fails(Errno.EPERM, () => space.Map(fixedAt with { Address = new VirtualAddress(0x1000) }));
        bench.Fails(Errno.EINVAL, () => space.Unmap(At + 1, Page));
        bench.Fails(Errno.EINVAL, () => space.Unmap(At, 0));
        bench.Fails(Errno.EINVAL, () => space.Unmap(space.UserEnd, Page));
        bench.Fails(Errno.None, () => space.Unmap(At + Gibi, Page));
    }

    [Fact]
    public void Fixed_pages_are_mapped_and_cut_by_2_MiB()
    {
        using var bench = new OperationBench();
        var huge = bench.HugeFile(8 * Mebi);
        Assert.Throws<ArgumentOutOfRangeException>(() => bench.HugeFile(Mebi));
        var (one, other) = (bench.Start(), bench.Start());
        one.Map(MapRequest.SharedFile(huge, Rights.ReadWrite) with { Length = 3 * Mebi });
        other.Map(MapRequest.SharedFile(huge, Rights.ReadWrite) with { Length = 4 * Mebi });
        Assert.Equal([(0, 4 * Mebi / Page, Rights.ReadWrite)], one.Pages);
        one.Store(At + (3 * Mebi), 1);
        Assert.True(other.Sees(At + (3 * Mebi)));
        bench.Fails(Errno.EINVAL, () => one.Space.Map(MapRequest.SharedFile(huge, Rights.Read) with { Offset = Page }));
        bench.Fails(Errno.EINVAL, () => one.Space.Map(MapRequest.SharedFile(huge, Rights.Read) with { Placement = MapPlacement.Fixed, Address = At + Gibi + Page }));
        bench.Fails(Errno.EINVAL, () => one.Space.Unmap(At, Page));
        bench.Fails(Errno.EINVAL, () => one.Space.Map(MapRequest.Anonymous(Page, Rights.Read) with { Placement = MapPlacement.Fixed, Address = At + Page }));
        bench.Does(huge.PunchHole(2 * Mebi + Page, 2 * Mebi));
        Assert.Equal((0, 0), (one.Load(At + (3 * Mebi)), other.Load(At + (3 * Mebi))));
        bench.Does(one.Space.Unmap(At, 2 * Mebi));
        Assert.Equal([(512, 512, Rights.ReadWrite)], one.Pages);
    }

    [Fact]
    public void A_synchronous_mapping_never_shares_with_an_ordinary_one_and_commits_before_its_first_store()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi, []);
        var ordinary = bench.StartSharers(1, file)[0];
        var (one, two) = (bench.Start(), bench.Start());
        foreach (var process in new[] { one, two })
        {
            process.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Synchronous = true });
        }

        ordinary.Store(At, 1);
        long syncs = bench.Device.MetadataSyncs;
        Assert.False(one.Sees(At));
        Assert.Equal((1, syncs), (one.Load(At), bench.Device.MetadataSyncs));
        one.Store(At, 2);
        Assert.Equal((syncs + 1, 2, true), (bench.Device.MetadataSyncs, ordinary.Load(At), two.Sees(At)));
        two.Store(At + Page, 3);
        Assert.Equal(syncs + 1, bench.Device.MetadataSyncs);
        ordinary.Store(At + (2 * Mebi), 4);
        two.Store(At + (2 * Mebi), 5);
        Assert.Equal(syncs + 2, bench.Device.MetadataSyncs);
        bench.Sound();
    }

    [Fact]
    public void A_thousand_processes_that_map_a_library_privately_share_its_tables()
    {
        using var bench = new OperationBench();
        var library = bench.DaxFile(8 * Mebi);
        var request = MapRequest.PrivateFile(library, Rights.Read | Rights.Execute) with { Address = At, Placement = MapPlacement.Fixed };
        var spaces = Enumerable.Range(0, 1000).Select(_ => bench.Machine.CreateSpace()).ToList();
        Assert.All(spaces, space => Assert.True(space.Map(request).Succeeded));
        Assert.All(spaces, space => Assert.True(space.Populate(AddressRange.FromLength(At, 8 * Mebi), AccessKind.Read).IsResolved));
        bench.Sound();
        Assert.Equal((1000L, 2L), (bench.Machine.Tables().Spaces.Sum(), bench.Machine.Tables().Files.Sum()));
        Assert.Equal(Errno.None, spaces[0].Protect(At, 8 * Mebi, Rights.ReadWrite));
        Assert.Equal(FaultKind.Copied, spaces[0].Fault(At + Page, AccessKind.Write).Kind);
        Assert.Equal((1003L, 2L), (bench.Machine.Tables().Spaces.Sum(), bench.Machine.Tables().Files.Sum()));
        bench.Sound();
        foreach (var space in spaces)
        {
            space.Exit();
        }

        bench.Sound();
        Assert.Equal(0L, bench.Machine.Tables().Spaces.Sum());
    }

    [Fact]
    public void Exec_leaves_an_empty_space_and_exit_none_and_no_sharer_notices()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var sharers = bench.StartSharers(3, file);
        sharers[0].Store(At, 1);
        sharers[0].Space.Clear();
        sharers[1].Space.Exit();
        bench.Sound();
        Assert.Equal((AccessOutcome.NotMapped, AccessOutcome.NoSpace, (byte)1), (sharers[0].LoadOutcome(At), sharers[1].LoadOutcome(At), sharers[2].Load(At)));
        Assert.Equal(((0, 0, 0, 1), 0), (sharers[0].Own, sharers[1].Space.TableCount));
        sharers[0].Map(MapRequest.SharedFile(file, Rights.Read));
        Assert.True(sharers[0].Sees(At));
    }
}
