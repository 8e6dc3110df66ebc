using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests.Spaces;

public class TableSharesTests
{
    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.UpTo1GiB)]
    [InlineData(SharingLevels.UpTo2MiB)]
    [InlineData(SharingLevels.None)]
    public void The_shares_of_all_spaces_and_of_nobody_add_up_to_all_tables(SharingLevels sharing)
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 << 20, Sharing = sharing });
        var device = machine.AddPmem(8L << 30, PmemBacking.None);
        using var file = device.CreateFile("file", 3L << 30);
        var spaces = new List<AddressSpace>();
        for (int i = 0; i < 7; i++)
        {
            var space = machine.CreateSpace();
            spaces.Add(space);
            var at = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
            space.Populate(AddressRange.FromLength(at, 64L << 20), AccessKind.Write);
            if (i % 2 == 1)
            {
                Assert.Equal(Errno.None, space.Unmap(at + (1L << 30) + (i * 4096), 4096));
            }
        }

        spaces[0].Exit();
        var shares = machine.TableShares();
        double sum = spaces.Sum(shares.Of) + shares.OfNobody(file.Tables);
        Assert.Equal(machine.Tables().Bytes, sum, tolerance: 1e-6 * sum);
        machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Spaces_that_share_everything_bear_their_root_and_an_equal_part_of_the_rest()
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 << 20 });
        var device = machine.AddPmem(1L << 40, PmemBacking.None);
        using var file = device.CreateFile("file", 1L << 40);
        var spaces = Enumerable.Range(0, 10).Select(_ => machine.CreateSpace()).ToList();
        foreach (var space in spaces)
        {
            Assert.True(space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Succeeded);
        }

        spaces[0].Populate(spaces[0].Areas[0].Range, AccessKind.Read);
        var shares = machine.TableShares();
        long fileBytes = file.Tables.TableCount * (long)X64.PageSize;
        Assert.All(spaces, space => Assert.Equal(X64.PageSize + (fileBytes / 10.0), shares.Of(space), precision: 3));
        Assert.Equal(10 * 2, machine.Count(TableEvent.Attached) - (2 * 512));
    }
}
