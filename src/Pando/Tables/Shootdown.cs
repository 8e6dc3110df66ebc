using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Tables;

/// <summary>The processors of a machine, as those who remove rights see them. Safe for threads.</summary>
internal sealed class Shootdown(StripedCounter events, Omissions omissions)
{
    private readonly SleepLock _lock = new(LockRank.Processors);
    private readonly StripedCounter _events = events;
    private readonly Omissions _omissions = omissions;

    // By number; what is not there yet is null. Written under _lock, replaced by a larger one when full; read without a lock.
    private ITranslationCache?[] _processors = new ITranslationCache?[8];
    private int _count;

    // Numbers whose processors have ended and that no space is marked with. Protected by _lock.
    private readonly Stack<int> _free = [];

    /// <summary>The processors at this moment, each with its number.</summary>
    public IEnumerable<(int Number, ITranslationCache Processor)> Processors
    {
        get
        {
            var processors = Volatile.Read(ref _processors);
            for (int number = 0; number < processors.Length; number++)
            {
                if (Volatile.Read(ref processors[number]) is { } processor)
                {
                    yield return (number, processor);
                }
            }
        }
    }

    /// <summary>Adds a processor that is complete; gives its number.</summary>
    /// <inheritdoc cref="Make"/>
    public int Add(ITranslationCache processor)
    {
        int given = -1;
        Make(number =>
        {
            given = number;
            return processor;
        });
        return given;
    }

    /// <summary>
    /// Makes a processor with the next number and adds it, so that flushes reach it from the moment in which it is complete.
    /// Where making it fails, nothing was added.
    /// </summary>
    /// <param name="make">Makes the processor with a number. It adds none itself.</param>
    /// <exception cref="InvalidOperationException">The machine has as many processors as it can have.</exception>
    public T Make<T>(Func<int, T> make)
        where T : class, ITranslationCache
    {
        using (_lock.Hold())
        {
            bool again = _free.TryPeek(out int free);
            if (!again && _count == ProcessorSet.Capacity)
            {
                throw new InvalidOperationException(
                    $"A machine has at most {ProcessorSet.Capacity:N0} processors, which this one has; use those that there are, for one space after another.");
            }

            var processor = make(again ? free : _count);
            if (again)
            {
                Volatile.Write(ref _processors[_free.Pop()], processor);
                return processor;
            }

            if (_count == _processors.Length)
            {
                var larger = new ITranslationCache?[_count * 2];
                _processors.CopyTo(larger, 0);
                larger[_count] = processor;
                Volatile.Write(ref _processors, larger);
            }
            else
            {
                Volatile.Write(ref _processors[_count], processor);
            }

            _count++;
            return processor;
        }
    }

    /// <summary>
    /// Takes out a processor that has ended and loads no space any more; one that is not there is left alone. Its number is given
    /// again when no space is marked with it.
    /// </summary>
    /// <param name="processor">The processor.</param>
    /// <param name="spaces">All spaces that it may have loaded.</param>
    public void Remove(ITranslationCache processor, IEnumerable<SpaceTables> spaces)
    {
        using (_lock.Hold())
        {
            int number = Array.IndexOf(_processors, processor);
            if (number >= 0)
            {
                Volatile.Write(ref _processors[number], null);
                foreach (var space in spaces)
                {
                    space.MarkDroppedFrom(number);
                }

                _free.Push(number);
            }
        }
    }

    /// <summary>Flushes a range of a space from every processor that may hold it.</summary>
    public void Flush(SpaceTables space, AddressRange range, bool tables)
    {
        // After the changes of entries; a processor sets its mark before it walks.
        Schedule.Reach(SchedulePoint.SharedWord);
        Interlocked.MemoryBarrier();
        int number = space.LoadedOn.NextFrom(0);
        if (number < 0 || _omissions.Leave(OmittedStep.Flush))
        {
            return;
        }

        Schedule.Reach(SchedulePoint.FlushBegin);
        int reached = 0;
        for (; number >= 0; number = space.LoadedOn.NextFrom(number + 1))
        {
            // Read after the mark: who has set it was there before. (A space that is made by hand may have marks of nobody.)
            var processors = Volatile.Read(ref _processors);
            if (number < processors.Length && Volatile.Read(ref processors[number]) is { } processor && processor.Drop(space, range, tables))
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
        if (space.LoadedOn.IsEmpty)
        {
            return;
        }

        Schedule.Reach(SchedulePoint.FlushBegin);
        int reached = 0;
        foreach (var processor in Volatile.Read(ref _processors))
        {
            reached += processor is not null && processor.Forget(space) ? 1 : 0;
        }

        Count(reached);
    }

    /// <summary>Flushes every space that may show a file's tables from every processor that holds one.</summary>
    public void FlushShared(SharedTableOwner owner)
    {
        if (_omissions.Leave(OmittedStep.Flush))
        {
            return;
        }

        Schedule.Reach(SchedulePoint.SharedWord);
        Interlocked.MemoryBarrier();
        Schedule.Reach(SchedulePoint.FlushBegin);
        int reached = 0;
        foreach (var processor in Volatile.Read(ref _processors))
        {
            reached += processor is not null && processor.DropShared(owner) ? 1 : 0;
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
