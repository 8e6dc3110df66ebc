using Pando.Kvm.Processor;
using Pando.Kvm.Programs;

namespace Pando.Kvm.Tests;

public class WorkloadTests
{
    private const ulong Data = 0x7000_0000;
    private const ulong Pages = 64;

    public WorkloadTests() => Requires.Kvm();

    [Fact]
    public void Sequential_read_sums_every_page()
    {
        using var guest = new GuestMachine();
        var result = Run(guest, Workloads.SequentialRead(GuestMachine.CodeAddress), (rdi: Data, rsi: 4096, rdx: Pages, r8: 0, r9: 0));
        Assert.Equal(Pages * (Pages + 1) / 2, result);
    }

    [Fact]
    public void Random_read_sums_the_pages_that_the_host_predicts()
    {
        using var guest = new GuestMachine();
        var result = Run(guest, Workloads.RandomRead(GuestMachine.CodeAddress), (rdi: Data, rsi: Pages, rdx: 5000, r8: 42, r9: 4096));
        ulong expected = 0;
        foreach (var unit in WorkloadSums.RandomUnits(42, Pages, 5000))
        {
            expected += unit + 1;
        }

        Assert.Equal(expected, result);
    }

    [Fact]
    public void Write_leaves_the_predicted_words_and_their_sum()
    {
        using var guest = new GuestMachine();
        var result = Run(guest, Workloads.Write(GuestMachine.CodeAddress), (rdi: Data, rsi: 8, rdx: Pages * 512, r8: 9, r9: 0));
        Assert.Equal(WorkloadSums.WrittenSum(Data, 8, Pages * 512, 9), result);
        for (ulong page = 0; page < Pages; page++)
        {
            Assert.Equal(WorkloadSums.WrittenWord(Data + (page * 4096) + 8, 9), guest.Memory.Word(_pages[page] + 8));
        }
    }

    [Fact]
    public void Locked_increment_adds_one_to_each_counter_each_time()
    {
        using var guest = new GuestMachine();
        var result = Run(guest, Workloads.LockedIncrement(GuestMachine.CodeAddress), (rdi: Data + 8, rsi: 4096, rdx: Pages, r8: 7, r9: 0));
        Assert.Equal(7 * Pages, result);
        Assert.All(_pages, page => Assert.Equal(7UL, guest.Memory.Word(page + 8)));
    }

    [Fact]
    public void Pointer_chase_ends_where_the_chain_leads()
    {
        using var guest = new GuestMachine();
        var result = Run(
            guest, Workloads.PointerChase(GuestMachine.CodeAddress), (rdi: Data, rsi: 0, rdx: (Pages * 3) + 5, r8: 0, r9: 0),
            page => Data + ((page + 1) % Pages * 4096));
        Assert.Equal(Data + (5 * 4096), result);
    }

    private readonly ulong[] _pages = new ulong[Pages];

    private ulong Run(
        GuestMachine guest, UserProgram program, (ulong rdi, ulong rsi, ulong rdx, ulong r8, ulong r9) arguments,
        Func<ulong, ulong>? word = null)
    {
        var (processor, space) = guest.Prepare(program);
        for (ulong page = 0; page < Pages; page++)
        {
            _pages[page] = guest.MapPage(space, Data + (page * 4096), word?.Invoke(page) ?? page + 1);
        }

        (processor.Registers.Rdi, processor.Registers.Rsi, processor.Registers.Rdx, processor.Registers.R8, processor.Registers.R9) = arguments;
        Assert.Equal(new ProcessorExit(ExitKind.SystemCall), processor.Run(TimeSpan.FromMinutes(10)));
        Assert.Equal((ulong)SystemCallNumber.Exit, processor.Registers.Rax);
        return processor.Registers.Rdi;
    }
}
