using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Spaces;

namespace Pando.Kvm.Tests;

/// <summary>A user-fault handler that throws on a vCPU's thread: the exception comes out of the run, and nothing stays held.</summary>
public class HandlerFailureTests
{
    private const ulong Pages = 16;

    public HandlerFailureTests() => Requires.Kvm();

    [Fact]
    public void An_exception_of_the_handler_comes_out_of_the_run_and_the_next_run_succeeds()
    {
        using var joined = new JoinedMachine(processors: 2, largePages: false);
        var handler = new ThrowingHandler { Throws = true };
        var space = joined.Machine.CreateSpace();
        Assert.True(space.Map(MapRequest.Anonymous((long)Pages * 4096, Rights.ReadWrite) with { Address = JoinedMachine.Data, Placement = MapPlacement.Fixed }).Succeeded);
        Assert.Equal(Errno.None, space.RegisterUserFaults(JoinedMachine.Data, (long)Pages * 4096, UserFaultModes.Missing, handler));
        using var file = joined.Device.CreateFile("data", (long)Pages * 4096);
        var neighbour = joined.Machine.CreateSpace();
        JoinedMachine.Map(neighbour, file);

        Assert.Throws<TimeoutException>(() => ProcessRunner.Run(joined.Kvm, Writer(space), Writer(neighbour)));
        joined.Machine.Audit().ThrowIfUnsound();

        handler.Throws = false;
        ulong expected = WorkloadSums.WrittenSum(JoinedMachine.Data.Value, 4096, Pages, 77);
        Assert.Equal([expected, expected], ProcessRunner.Run(joined.Kvm, Writer(space), Writer(neighbour)).Select(process => process.End!.Result));
        Assert.Equal(1 + (int)Pages, handler.Asked);
        space.Exit();
        neighbour.Exit();
    }

    [Fact]
    public void An_exception_of_the_handler_comes_out_of_a_round_of_spaces_and_the_next_round_succeeds()
    {
        const int Spaces = 20;
        using var joined = new JoinedMachine(processors: 2);
        using var file = joined.Machine.CreateMemoryFile("memory", 4096);
        var handler = new ThrowingHandler { Throws = true };
        var spaces = new AddressSpace[Spaces];
        for (int i = 0; i < Spaces; i++)
        {
            spaces[i] = joined.Machine.CreateSpace();
            JoinedMachine.Map(spaces[i], file);
            Assert.Equal(Errno.None, spaces[i].RegisterUserFaults(JoinedMachine.Data, 4096, UserFaultModes.Missing, handler));
        }

        Assert.Throws<TimeoutException>(() => joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 4096, 1, JoinedMachine.Patience, cancellation: TestContext.Current.CancellationToken));
        joined.Machine.Audit().ThrowIfUnsound();

        handler.Throws = false;
        var report = joined.Kvm.ReadAndCount(spaces, JoinedMachine.Data, 4096, 1, JoinedMachine.Patience, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal((Spaces, 0), (report.Spaces, report.Failures.Count));
        Assert.Equal((ulong)Spaces, joined.Word(file, 8));
    }

    private static GuestProcess Writer(AddressSpace space)
    {
        var process = new GuestProcess(space, CommonCode.Write.Address) { TimeLimit = JoinedMachine.Patience };
        process.Registers.Rdi = JoinedMachine.Data.Value;
        process.Registers.Rsi = 4096;
        process.Registers.Rdx = Pages;
        process.Registers.R8 = 77;
        return process;
    }

    private sealed class ThrowingHandler : IUserFaultHandler
    {
        private int _asked;

        public bool Throws { get; set; }

        public int Asked => Volatile.Read(ref _asked);

        public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access)
        {
            Interlocked.Increment(ref _asked);
            return Throws ? throw new TimeoutException("The handler's own storage did not answer.") : space.UserZero(address, 4096) is Errno.None or Errno.EEXIST;
        }
    }
}
