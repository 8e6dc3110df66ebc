using Pando.Kvm.Processor;
using Pando.Kvm.Programs;

namespace Pando.Kvm.Tests;

public class KickTests
{
    private const ulong Data = 0x7000_0000;

    public KickTests() => Requires.Kvm();

    [Fact]
    public void A_kick_gets_a_running_vcpu_out_and_it_goes_on_by_itself()
    {
        using var guest = new GuestMachine();
        var (processor, thread, exit) = RunEndlessLoop(guest);
        for (var round = 0; round < 100; round++)
        {
            WaitForEntryAfter(processor, processor.Gate.Entries - 1);
            var before = processor.Gate.Entries;
            processor.Gate.Kick();
            WaitForEntryAfter(processor, before);
        }

        Assert.True(thread.IsAlive);
        processor.Stop();
        Assert.True(thread.Join(TimeSpan.FromSeconds(20)));
        Assert.Equal(new ProcessorExit(ExitKind.Stopped), exit.Value);
    }

    [Fact]
    public void A_held_vcpu_does_not_enter_until_released()
    {
        using var guest = new GuestMachine();
        var (processor, thread, exit) = RunEndlessLoop(guest);
        WaitForEntryAfter(processor, 0);
        processor.Gate.Hold();
        processor.Gate.Hold();
        var page = guest.Allocate();
        guest.Machine.RemoveMemory(0, guest.Memory.Length); // an entry now would end in NoMemory
        Thread.Sleep(20);
        guest.Machine.AddMemory(0, guest.Memory.Length, guest.Memory.Address);
        processor.Gate.Release();
        processor.Gate.Release();
        Assert.False(thread.Join(50));
        processor.Stop();
        Assert.True(thread.Join(TimeSpan.FromSeconds(20)));
        Assert.Equal(new ProcessorExit(ExitKind.Stopped), exit.Value);
        Assert.Equal(0UL, guest.Memory.Word(page));
    }

    [Fact]
    public void A_stop_asked_for_before_the_run_ends_it_at_once()
    {
        using var guest = new GuestMachine();
        var program = BrokenPrograms.EndlessLoop(GuestMachine.CodeAddress);
        var (processor, space) = guest.Prepare(program);
        processor.Stop();
        Assert.Equal(new ProcessorExit(ExitKind.Stopped), processor.Run());
    }

    [Fact]
    public void Two_vcpus_in_two_spaces_count_exactly_under_a_rain_of_kicks_and_flushes()
    {
        const ulong Counters = 16;
        const ulong Times = 200_000;
        const int LeastRounds = 20;
        using var guest = new GuestMachine();
        var program = Workloads.LockedIncrement(GuestMachine.CodeAddress);
        var page = guest.Allocate();
        var threads = new List<Thread>();
        var exits = new ProcessorExit[2];
        var processors = new VirtualProcessor[2];
        var rounds = 0;
        var runs = 0;
        for (var i = 0; i < 2; i++)
        {
            var number = i;
            var space = guest.CreateSpace();
            guest.Load(space, program);
            guest.Entry(space, Data) = page | GuestMachine.UserPage;
            var processor = processors[i] = guest.Machine.CreateProcessor();
            processor.Space = space;
            threads.Add(new Thread(() =>
            {
                // As often as it takes, however the host shares out its time.
                do
                {
                    GuestMachine.Start(processor, space, program);
                    processor.Registers.Rdi = Data;
                    processor.Registers.Rsi = 64;
                    processor.Registers.Rdx = Counters;
                    processor.Registers.R8 = Times;
                    exits[number] = processor.Run(TimeSpan.FromSeconds(60));
                    Interlocked.Increment(ref runs);
                }
                while (exits[number].Kind == ExitKind.SystemCall && Volatile.Read(ref rounds) < LeastRounds);
            }));
        }

        var tables = processors.Select(p => guest.TableOf(p.Space, Data)).ToArray();
        threads.ForEach(static t => t.Start());
        while (threads.Exists(static t => t.IsAlive))
        {
            guest.Machine.KickAll();
            guest.Machine.Flush(tables);
            guest.Machine.FlushEverything();
            Interlocked.Increment(ref rounds);
            Thread.Sleep(0);
        }

        Assert.Equal([new ProcessorExit(ExitKind.SystemCall), new ProcessorExit(ExitKind.SystemCall)], exits);
        for (ulong i = 0; i < Counters; i++)
        {
            Assert.Equal((ulong)runs * Times, guest.Memory.Word(page + (i * 64)));
        }
    }

    private static (VirtualProcessor Processor, Thread Thread, StrongBox Exit) RunEndlessLoop(GuestMachine guest)
    {
        var program = BrokenPrograms.EndlessLoop(GuestMachine.CodeAddress);
        var (processor, space) = guest.Prepare(program);
        var exit = new StrongBox();
        var thread = new Thread(() => exit.Value = processor.Run());
        thread.Start();
        return (processor, thread, exit);
    }

    private static void WaitForEntryAfter(VirtualProcessor processor, long entries) =>
        Assert.True(SpinWait.SpinUntil(() => processor.Gate.Entries > entries, TimeSpan.FromSeconds(20)));

    private sealed class StrongBox
    {
        internal ProcessorExit Value { get; set; }
    }
}
