using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Kvm.Native;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Kvm.Tests;

public class SpaceRoundTests
{
    public SpaceRoundTests() => Requires.Kvm();

    /// <summary>Whether vCPUs park between rounds: as they do where there are PCIDs, and as they do where there are none.</summary>
    public static TheoryData<bool> Parks => [false, true];

    [Fact]
    public void A_round_that_is_called_off_ends_soon_and_the_spaces_can_be_entered_again()
    {
        using var joined = new JoinedMachine(processors: 2, sharing: SharingLevels.None, largePages: false);
        using var file = joined.Device.CreateFile("data", 2 << 20);
        var spaces = new AddressSpace[200];
        for (int i = 0; i < spaces.Length; i++)
        {
            spaces[i] = joined.Machine.CreateSpace();
            JoinedMachine.Map(spaces[i], file);
        }

        // Called off from within: as soon as a vCPU is through with its first spaces, far from all of them.
        using var cancellation = new CancellationTokenSource();
        int ended = 0;
        Assert.Throws<OperationCanceledException>(() => joined.Kvm.ReadAndCount(
            spaces,
            JoinedMachine.Data,
            4096,
            512,
            TimeSpan.FromMinutes(10),
            more =>
            {
                Interlocked.Add(ref ended, more);
                cancellation.Cancel();
            },
            cancellation.Token));
        Assert.InRange(ended, 1, spaces.Length - 1);

        var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 4096, 512, TimeSpan.FromMinutes(10), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(spaces.Length, report.Spaces);
        Assert.Empty(report.Failures);
    }

    [Fact]
    public void A_machine_that_keeps_loads_away_by_keys_is_refused()
    {
        using var machine = new Machine(new MachineOptions { Ram = 16 << 20, ExecuteOnlyByKey = true });
        Assert.Contains("CR4.PKE", Assert.Throws<ArgumentException>(() => new KvmMachine(machine)).Message, StringComparison.Ordinal);
        machine.CreateSpace().Exit();
        machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_machine_whose_vcpus_could_not_be_made_is_as_it_was()
    {
        using var machine = new Machine(new MachineOptions { Ram = 16 << 20 });
        Assert.Throws<KvmException>(() => new KvmMachine(machine, KvmMachine.MostProcessors + 1));
        var space = machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(4096, Rights.ReadWrite)).Value;
        Assert.True(space.Fault(at, AccessKind.Write).IsResolved);
        machine.Audit().ThrowIfUnsound();
        space.Exit();
        machine.Audit().ThrowIfUnsound();
        using var after = new KvmMachine(machine, 1);
    }

    [Theory]
    [MemberData(nameof(Parks))]
    public void Hundreds_of_spaces_take_turns_on_two_vcpus_and_each_reads_and_writes_all_of_the_file(bool parks)
    {
        const int Spaces = 700;
        using var joined = new JoinedMachine(processors: 2, parks: parks);
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

        var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 2 << 20, 512, TimeSpan.FromMinutes(10), cancellation: TestContext.Current.CancellationToken);
        Assert.Empty(report.Failures);
        Assert.Equal((Spaces, unchecked(sum * Spaces)), (report.Spaces, report.Sum));
        for (long offset = 8; offset < 1 << 30; offset += 2 << 20)
        {
            Assert.Equal((ulong)Spaces, joined.Word(file, offset));
        }
    }

    [Theory]
    [MemberData(nameof(Parks))]
    public void Spaces_that_cannot_go_on_are_named_and_the_others_finish(bool parks)
    {
        const int Spaces = 60;
        using var joined = new JoinedMachine(processors: 2, parks: parks);
        using var file = joined.Device.CreateFile("data", 8 << 20);
        var spaces = new AddressSpace[Spaces];
        for (int i = 0; i < Spaces; i++)
        {
            spaces[i] = joined.Machine.CreateSpace();
            JoinedMachine.Map(spaces[i], file, i % 20 == 7 ? Rights.Read : Rights.ReadWrite);
        }

        spaces[30].Exit();
        var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 2 << 20, 4, TimeSpan.FromMinutes(10), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(4, report.Failures.Count);
        Assert.Equal(3, report.Failures.Count(f => f.Contains("Segmentation", StringComparison.Ordinal)));
        Assert.Equal(Spaces - 4, report.Spaces);
        Assert.Equal((ulong)Spaces - 4, joined.Word(file, (2 << 20) + 8));
    }

    [Theory]
    [MemberData(nameof(Parks))]
    public void Spaces_that_end_during_a_round_end_their_turns_alone(bool parks)
    {
        const int Spaces = 400;
        using var joined = new JoinedMachine(processors: 2, parks: parks);
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
        var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 2 << 20, 512, TimeSpan.FromMinutes(10), cancellation: TestContext.Current.CancellationToken);
        ending.Join();
        Assert.Equal(Spaces, report.Spaces + report.Failures.Count);
        Assert.True(report.Failures.Count <= Spaces / 10, string.Join(Environment.NewLine, report.Failures));
        Assert.InRange(joined.Word(file, 8), (ulong)report.Spaces, (ulong)Spaces);
    }

    [Theory]
    [MemberData(nameof(Parks))]
    public void Spaces_that_change_while_they_take_turns_again_and_again_are_never_seen_as_they_were(bool parks)
    {
        // Few spaces, so that a processor keeps what it knows of them from round to round where it can.
        const int Spaces = 12;
        const long Offset = 2 << 20;
        using var joined = new JoinedMachine(processors: 2, parks: parks, sharing: SharingLevels.None);
        using var old = joined.Device.CreateFile("old", Offset);
        using var young = joined.Device.CreateFile("young", Offset);
        joined.Word(old, 0) = 1;
        joined.Word(young, 0) = 1000;
        var spaces = new AddressSpace[Spaces];
        for (int i = 0; i < Spaces; i++)
        {
            spaces[i] = joined.Machine.CreateSpace();
            JoinedMachine.Map(spaces[i], old);
        }

        for (int round = 0; round < 60; round++)
        {
            // The space's own mapping, or what a file shows to all.
            int changed = round % Spaces;
            bool isYoung = round / Spaces % 2 == 0;
            JoinedMachine.Map(spaces[changed], isYoung ? young : old);
            if (round % 5 == 4)
            {
                Assert.Equal(Errno.None, joined.Device.Migrate(young.Locate(0)!.Value - joined.Device.Start, Offset));
            }

            ulong youngOnes = isYoung ? (ulong)changed + 1 : Spaces - (ulong)changed - 1;
            var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 4096, 1, TimeSpan.FromMinutes(10), cancellation: TestContext.Current.CancellationToken);
            Assert.Empty(report.Failures);
            Assert.Equal((round, (youngOnes * 1000) + Spaces - youngOnes), (round, report.Sum));
        }
    }

    [Theory]
    [MemberData(nameof(Parks))]
    public void Stops_that_come_at_any_moment_of_a_round_leave_out_no_space_and_enter_none_twice(bool parks)
    {
        const int Spaces = 500;
        const int Words = 3;
        using var joined = new JoinedMachine(parks: parks);
        using var file = joined.Device.CreateFile("data", 8 << 20);
        var spaces = new AddressSpace[Spaces];
        for (int i = 0; i < Spaces; i++)
        {
            spaces[i] = joined.Machine.CreateSpace();
            JoinedMachine.Map(spaces[i], file);
        }

        bool running = true;
        long stops = 0;
        var stopping = new Thread(() =>
        {
            for (; Volatile.Read(ref running); stops++)
            {
                joined.Kvm.Processors[0].Cpu.Stop();
                joined.Kvm.Processors[0].Cpu.Gate.Kick();
                Thread.SpinWait((int)(stops * 37 % 4000));
            }
        });
        stopping.Start();
        const int Rounds = 8;
        for (int round = 0; round < Rounds; round++)
        {
            var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 2 << 20, Words, TimeSpan.FromMinutes(10), cancellation: TestContext.Current.CancellationToken);
            Assert.Empty(report.Failures);
            Assert.Equal(Spaces, report.Spaces);
        }

        Volatile.Write(ref running, false);
        stopping.Join();
        for (int word = 0; word < Words; word++)
        {
            Assert.Equal((ulong)Spaces * Rounds, joined.Word(file, ((long)word << 21) + 8));
        }

        Assert.True(stops > 0);
    }
}
