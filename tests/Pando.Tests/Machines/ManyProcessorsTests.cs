using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Tests.Machines;

/// <summary>More processors than a word has bits: each is flushed, and none is asked for what it does not have.</summary>
public sealed class ManyProcessorsTests : IDisposable
{
    private const int Count = 1024;
    private const long Page = X64.PageSize;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly Machine _machine = new(new MachineOptions { Ram = 16L << 20 });

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Each_of_1024_processors_forgets_what_is_unmapped_and_what_the_file_loses()
    {
        using var file = _machine.CreateMemoryFile("shared", 8 * Page);
        var space = Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        var processors = Processors(space);
        foreach (var processor in processors)
        {
            Assert.True(processor.TryWrite(At + Page, processor.Number).IsCompleted);
            Assert.True(processor.TryRead(At + (2 * Page), out int _).IsCompleted);
        }

        long flushes = _machine.Count(TableEvent.Flush);
        long reached = _machine.Count(TableEvent.ProcessorReached);
        Assert.Equal(Errno.None, space.Unmap(At + Page, Page));
        Assert.Equal((_machine.Count(TableEvent.Flush) - flushes) * Count, _machine.Count(TableEvent.ProcessorReached) - reached);
        Assert.True(_machine.Count(TableEvent.Flush) > flushes);
        _machine.Audit().ThrowIfUnsound();
        Assert.All(processors, processor => Assert.Equal(AccessOutcome.NotMapped, processor.TryRead(At + Page, out int _).Outcome));

        Assert.Equal(Errno.None, file.SetSize(Page));
        _machine.Audit().ThrowIfUnsound();
        Assert.All(processors, processor => Assert.Equal(AccessOutcome.BusError, processor.TryRead(At + (2 * Page), out int _).Outcome));

        space.Exit();
        Assert.All(processors, processor => Assert.Equal(AccessOutcome.NoSpace, processor.TryRead(At, out int _).Outcome));
        Assert.True(space.LoadedOn.IsEmpty);
    }

    [Fact]
    public void A_flush_asks_the_processors_that_have_the_space_loaded_and_no_others()
    {
        var other = Space(MapRequest.Anonymous(4 * Page, Rights.ReadWrite));
        var processors = Processors(other);
        var space = Space(MapRequest.Anonymous(4 * Page, Rights.ReadWrite));
        int[] mine = [0, 63, 64, 1000, 1023];
        foreach (int number in mine)
        {
            processors[number].Switch(space);
            Assert.True(processors[number].TryWrite(At, 1).IsCompleted);
        }

        long drops = processors.Sum(processor => processor.Counters.Drops);
        Assert.Equal(Errno.None, space.Unmap(At, Page));
        Assert.Equal(mine.Length, processors.Sum(processor => processor.Counters.Drops) - drops);
        Assert.All(mine, number => Assert.Equal(AccessOutcome.NotMapped, processors[number].TryRead(At, out int _).Outcome));
    }

    [Fact]
    public void A_processor_too_many_is_refused_and_leaves_nothing_behind()
    {
        var space = Space(MapRequest.Anonymous(4 * Page, Rights.ReadWrite));
        SoftwareProcessor? last = null;
        for (int i = 0; i < Machine.MostProcessors; i++)
        {
            last = _machine.AddProcessor();
            Assert.Equal(i, last.Number);
        }

        Assert.Throws<InvalidOperationException>(_machine.AddProcessor);
        Assert.Equal(Machine.MostProcessors, _machine.Store.Shootdown.Processors.Count());
        last!.Switch(space);
        Assert.True(last.TryWrite(At, 1).IsCompleted);
        using var file = _machine.CreateMemoryFile("file", Page);
        Assert.Equal(Errno.None, file.SetSize(0));
        Assert.Equal(Errno.None, space.Unmap(At, Page));
        Assert.Equal(AccessOutcome.NotMapped, last.TryRead(At, out int _).Outcome);
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Who_cannot_be_made_is_not_among_the_processors()
    {
        var shootdown = _machine.Store.Shootdown;
        Assert.Throws<NotSupportedException>(() => shootdown.Make<SoftwareProcessor>(_ => throw new NotSupportedException()));
        Assert.Empty(shootdown.Processors);
        Assert.Equal(0, _machine.AddProcessor().Number);
    }

    private AddressSpace Space(MapRequest request)
    {
        var space = _machine.CreateSpace();
        Assert.True(space.Map(request with { Address = At, Placement = MapPlacement.Fixed }).Succeeded);
        return space;
    }

    private SoftwareProcessor[] Processors(AddressSpace space)
    {
        var processors = new SoftwareProcessor[Count];
        for (int i = 0; i < Count; i++)
        {
            processors[i] = _machine.AddProcessor();
            processors[i].Switch(space);
        }

        return processors;
    }
}
