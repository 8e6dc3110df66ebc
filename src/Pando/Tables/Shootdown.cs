using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Tables;

/// <summary>The processors of a machine, as those who remove rights see them. Safe for threads.</summary>
internal sealed class Shootdown(StripedCounter events)
{
    private readonly Lock _lock = new();
    private readonly StripedCounter _events = events;
    private ITranslationCache[] _processors = [];

    /// <summary>
    /// A test's hook: where it answers true for a flush, the flush is left out. It exists to show that the tests see it.
    /// </summary>
    public Func<AddressRange, bool>? LeaveOut { get; set; }

    /// <summary>The processors at this moment.</summary>
    public IReadOnlyList<ITranslationCache> Processors => Volatile.Read(ref _processors);

    /// <summary>Adds a processor; gives its number.</summary>
    public int Add(ITranslationCache processor)
    {
        lock (_lock)
        {
            _processors = [.. _processors, processor];
            return _processors.Length - 1;
        }
    }

    /// <summary>Flushes a range of a space from every processor that may hold it.</summary>
    public void Flush(SpaceTables space, AddressRange range, bool tables)
    {
        // After the changes of entries; a processor sets its bit before it walks.
        Schedule.Reach(SchedulePoint.SharedWord);
        Interlocked.MemoryBarrier();
        ulong loaded = space.LoadedOn;
        if (loaded == 0 || (LeaveOut is { } leaveOut && leaveOut(range)))
        {
            return;
        }

        Schedule.Reach(SchedulePoint.FlushBegin);
        var processors = Volatile.Read(ref _processors);
        int reached = 0;
        for (int i = 0; i < processors.Length; i++)
        {
            if ((loaded & (1UL << (i & 63))) != 0 && processors[i].Drop(space, range, tables))
            {
                reached++;
            }
        }

        Count(reached);
    }

    /// <summary>Makes every processor forget a space that is about to end.</summary>
    public void Forget(SpaceTables space)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        Interlocked.MemoryBarrier();
        if (space.LoadedOn == 0)
        {
            return;
        }

        Schedule.Reach(SchedulePoint.FlushBegin);
        int reached = 0;
        foreach (var processor in Volatile.Read(ref _processors))
        {
            reached += processor.Forget(space) ? 1 : 0;
        }

        Count(reached);
    }

    /// <summary>Flushes every space that may show a file's tables from every processor that holds one.</summary>
    public void FlushShared(SharedTableOwner owner)
    {
        if (LeaveOut is { } leaveOut && leaveOut(default))
        {
            return;
        }

        Schedule.Reach(SchedulePoint.SharedWord);
        Interlocked.MemoryBarrier();
        Schedule.Reach(SchedulePoint.FlushBegin);
        int reached = 0;
        foreach (var processor in Volatile.Read(ref _processors))
        {
            reached += processor.DropShared(owner) ? 1 : 0;
        }

        Count(reached);
    }

    private void Count(int reached)
    {
        _events.Add((int)TableEvent.Flush);
        if (reached > 0)
        {
            _events.Add((int)TableEvent.ProcessorReached, reached);
        }

        Schedule.Reach(SchedulePoint.FlushEnd);
    }
}
