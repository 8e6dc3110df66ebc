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
        using var loop = new EndlessLoop(guest);
        var processor = loop.Processor;
        for (var round = 0; round < 100; round++)
        {
            loop.WaitForEntryAfter(processor.Gate.Entries - 1);
            var before = processor.Gate.Entries;
            processor.Gate.Kick();
            loop.WaitForEntryAfter(before);
        }

        Assert.True(loop.Runs);
        Assert.Equal(new ProcessorExit(ExitKind.Stopped), loop.Stop());
    }

    [Fact]
    public void A_held_vcpu_does_not_enter_until_released()
    {
        using var guest = new GuestMachine();
        using var loop = new EndlessLoop(guest);
        var processor = loop.Processor;
        loop.WaitForEntryAfter(0);
        processor.Gate.Hold();
        processor.Gate.Hold();
        var page = guest.Allocate();
        guest.Machine.RemoveMemory(0, guest.Memory.Length); // an entry now would end in NoMemory
        Thread.Sleep(20);
        guest.Machine.AddMemory(0, guest.Memory.Length, guest.Memory.Address);
        processor.Gate.Release();
        processor.Gate.Release();
        Thread.Sleep(50);
        Assert.True(loop.Runs);
        Assert.Equal(new ProcessorExit(ExitKind.Stopped), loop.Stop());
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
                    exits[number] = processor.Run(TimeSpan.FromMinutes(10));
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

    /// <summary>A vCPU in an endless loop on a thread of its own; it is out before the machine can go.</summary>
    private sealed class EndlessLoop : IDisposable
    {
        private readonly Thread _thread;
        private ProcessorExit _exit;
        private Exception? _failure;

        public EndlessLoop(GuestMachine guest)
        {
            var program = BrokenPrograms.EndlessLoop(GuestMachine.CodeAddress);
            (Processor, _) = guest.Prepare(program);
            _thread = new Thread(() =>
            {
                try
                {
                    _exit = Processor.Run();
                }
                catch (Exception exception)
                {
                    _failure = exception;
                }
            });
            _thread.Start();
        }

        public VirtualProcessor Processor { get; }

        public bool Runs => _thread.IsAlive;

        /// <summary>Waits, however the host shares out its time; the loop ends by itself only where something is wrong.</summary>
        public void WaitForEntryAfter(long entries)
        {
            while (Processor.Gate.Entries <= entries)
            {
                Assert.True(Runs, $"the vCPU is out: {_exit}, {_failure}");
                Thread.Sleep(0);
            }
        }

        public ProcessorExit Stop()
        {
            Processor.Stop();
            _thread.Join();
            Assert.Null(_failure);
            return _exit;
        }

        public void Dispose()
        {
            Processor.Stop();
            _thread.Join();
        }
    }
}
