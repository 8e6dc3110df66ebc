using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>fork.</summary>
public sealed class ForkTests
{
    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.UpTo2MiB)]
    [InlineData(SharingLevels.None)]
    public void A_child_shares_the_files_tables_and_has_private_pages_of_its_own(SharingLevels sharing)
    {
        using var bench = new OperationBench(sharing);
        var file = bench.DaxFile(2 * Gibi);
        var parent = bench.StartSharers(1, file)[0];
        var own = parent.Map(MapRequest.Anonymous(2 * Page, Rights.ReadWrite), At + (1024 * Gibi));
        parent.Store(own, 1);
        parent.Store(At + Gibi, 2);
        var child = parent.Fork();
        bench.Sound();
        Assert.Equal(sharing == SharingLevels.All, child.Sees(At + Gibi));
        parent.Store(own, 3);
        child.Store(own + Page, 4);
        child.Store(At + Gibi, 5);
        Assert.Equal((3, 0, 5), (parent.Load(own), parent.Load(own + Page), parent.Load(At + Gibi)));
        Assert.Equal((1, 4), (child.Load(own), child.Load(own + Page)));
        bench.Sound();
        parent.Space.Exit();
        Assert.Equal((1, 5), (child.Load(own), child.Load(At + Gibi)));
        bench.Sound();
    }

    [Fact]
    public void A_child_lacks_what_is_DONTFORK_and_has_what_is_WIPEONFORK_empty()
    {
        using var bench = new OperationBench();
        var parent = bench.Start();
        parent.Map(MapRequest.Anonymous(3 * Page, Rights.ReadWrite));
        for (int page = 0; page < 3; page++)
        {
            parent.Store(At + (page * Page), 1);
        }

        bench.Does(parent.Space.Advise(At, Page, Advice.DontFork));
        bench.Does(parent.Space.Advise(At + Page, Page, Advice.WipeOnFork));
        var child = parent.Fork();
        bench.Sound();
        Assert.Equal((AccessOutcome.NotMapped, (byte)0, (byte)1), (child.LoadOutcome(At), child.Load(At + Page), child.Load(At + (2 * Page))));
        Assert.Equal([AreaFlags.WipeOnFork, AreaFlags.None], child.Space.Areas.Select(area => area.Flags));
        Assert.Equal((1, 1, 1), (parent.Load(At), parent.Load(At + Page), parent.Load(At + (2 * Page))));
    }

    [Fact]
    public async Task Forks_beside_faults_and_truncations_leave_no_page_past_the_end_and_lose_none_before_it()
    {
        using var bench = new OperationBench();
        var file = bench.DaxFile(4 * Mebi);
        var parent = bench.Start();
        parent.Map(MapRequest.PrivateFile(file, Rights.ReadWrite));
        parent.Store(At, 1);
        var cancel = TestContext.Current.CancellationToken;
        bool stop = false;
        var truncating = Task.Run(
            () =>
            {
                while (!Volatile.Read(ref stop))
                {
                    Assert.Equal(Errno.None, file.SetSize(Mebi));
                    Assert.Equal(Errno.None, file.SetSize(4 * Mebi));
                }
            },
            cancel);
        var storing = Task.Run(
            () =>
            {
                for (int i = 0; !Volatile.Read(ref stop); i++)
                {
                    parent.StoreOutcome(At + (i % 1024 * Page), 1);
                }
            },
            cancel);
        var children = new List<AddressSpace>();
        for (int i = 0; i < 100; i++)
        {
            children.Add(parent.Space.Fork()!);
            if (children.Count == 10)
            {
                children.ForEach(child => child.Exit());
                children.Clear();
            }
        }

        Volatile.Write(ref stop, true);
        await Task.WhenAll(truncating, storing);
        bench.Sound();
        Assert.Equal(Errno.None, file.SetSize(Mebi));
        bench.Sound();
        var last = parent.Fork();
        Assert.Equal((AccessOutcome.BusError, (byte)1), (last.LoadOutcome(At + (2 * Mebi)), last.Load(At)));
    }
}
