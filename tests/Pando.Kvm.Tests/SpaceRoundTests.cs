using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Kvm.Tests;

public class SpaceRoundTests
{
    public SpaceRoundTests() => Requires.Kvm();

    [Fact]
    public void Hundreds_of_spaces_take_turns_on_two_vcpus_and_each_reads_and_writes_all_of_the_file()
    {
        const int Spaces = 700;
        using var joined = new JoinedMachine(processors: 2);
        using var file = joined.Device.CreateFile("data", 1 << 30);
        ulong sum = 0;
        for (long offset = 0; offset < 1 << 30; offset += 2 << 20)
        {
            sum += joined.Word(file, offset) = (ulong)offset * 7;
        }

        var spaces = new AddressSpace[Spaces];
        for (int i = 0; i < Spaces; i++)
        {
            spaces[i] = joined.Machine.CreateSpace();
            JoinedMachine.Map(spaces[i], file);
        }

        var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 2 << 20, 512, TimeSpan.FromSeconds(10));
        Assert.Empty(report.Failures);
        Assert.Equal((Spaces, unchecked(sum * Spaces)), (report.Spaces, report.Sum));
        for (long offset = 8; offset < 1 << 30; offset += 2 << 20)
        {
            Assert.Equal((ulong)Spaces, joined.Word(file, offset));
        }
    }

    [Fact]
    public void Spaces_that_cannot_go_on_are_named_and_the_others_finish()
    {
        const int Spaces = 60;
        using var joined = new JoinedMachine(processors: 2);
        using var file = joined.Device.CreateFile("data", 8 << 20);
        var spaces = new AddressSpace[Spaces];
        for (int i = 0; i < Spaces; i++)
        {
            spaces[i] = joined.Machine.CreateSpace();
            JoinedMachine.Map(spaces[i], file, i % 20 == 7 ? Rights.Read : Rights.ReadWrite);
        }

        spaces[30].Exit();
        var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 2 << 20, 4, TimeSpan.FromSeconds(10));
        Assert.Equal(4, report.Failures.Count);
        Assert.Equal(3, report.Failures.Count(f => f.Contains("Segmentation", StringComparison.Ordinal)));
        Assert.Equal(Spaces - 4, report.Spaces);
        Assert.Equal((ulong)Spaces - 4, joined.Word(file, (2 << 20) + 8));
    }

    [Fact]
    public void Spaces_that_end_during_a_round_end_their_turns_alone()
    {
        const int Spaces = 400;
        using var joined = new JoinedMachine(processors: 2);
        using var file = joined.Device.CreateFile("data", 1 << 30);
        var spaces = new AddressSpace[Spaces];
        for (int i = 0; i < Spaces; i++)
        {
            spaces[i] = joined.Machine.CreateSpace();
            JoinedMachine.Map(spaces[i], file);
        }

        var ending = new Thread(() =>
        {
            for (int i = 3; i < Spaces; i += 10)
            {
                spaces[i].Exit();
            }
        });
        ending.Start();
        var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 2 << 20, 512, TimeSpan.FromSeconds(10));
        ending.Join();
        Assert.Equal(Spaces, report.Spaces + report.Failures.Count);
        Assert.InRange(report.Failures.Count, 0, Spaces / 10);
        Assert.InRange(joined.Word(file, 8), (ulong)report.Spaces, (ulong)Spaces);
    }
}
