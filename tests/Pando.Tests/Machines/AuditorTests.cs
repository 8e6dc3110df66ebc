using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Machines;

public class AuditorTests
{
    [Fact]
    public void A_count_that_is_not_the_number_of_slots_is_named()
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 << 20, Sharing = SharingLevels.UpTo1GiB });
        using var file = machine.AddPmem(4L << 30).CreateFile("database", 3L << 30);
        machine.CreateSpace().Map(MapRequest.SharedFile(file, Rights.Read));
        machine.Audit().ThrowIfUnsound();
        var table = file.Tables.All().First();

        machine.Store.Memory.Record(table).AttachCount++;

        Assert.Equal([$"{table} (FileTable, level 2, owner {file.Tables.Id}, attach count 2): 1 slots point at it"], machine.Audit().Violations);
    }

    [Fact]
    public void A_leaf_that_shows_another_place_of_the_file_is_named()
    {
        using var machine = new Machine(new MachineOptions { Ram = 64 << 20, Sharing = SharingLevels.None });
        using var file = machine.AddPmem(4L << 30).CreateFile("database", 8L << 20);
        var space = machine.CreateSpace();
        var start = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        space.Populate(AddressRange.FromLength(start, 4 << 20), AccessKind.Write);
        var pud = machine.Store.TableOf(machine.Store.Read(space.Root, X64.Index(start.Value, 4)), 4);
        var pmd = machine.Store.TableOf(machine.Store.Read(pud, X64.Index(start.Value, 3)), 3);

        machine.Memory.EntryAt(pmd, 0) = machine.Memory.EntryAt(pmd, 1);

        // Its first and its last 4 KiB are both compared.
        var violations = machine.Audit().Violations;
        Assert.Equal(2, violations.Count);
        Assert.StartsWith($"{space}: the leaf at {start} shows {file.Locate(2 << 20)} for offset 0x0 of 'database', which lies at {file.Locate(0)}", violations[0], StringComparison.Ordinal);
    }
}
