using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>
/// Where in a schedule a preemption can matter: before a step that has to do with what another thread does later. To
/// preempt before any other comes to the same as to preempt before the next one that has (partial-order reduction;
/// Flanagan and Godefroid, POPL 2005).
/// </summary>
/// <remarks>
/// Two steps conflict if they are about the same thing and one of them may change it. What is done behind a release or a
/// flush is no step: what it lets others do conflicts with the taking that follows.
/// </remarks>
internal static class Conflicts
{
    private enum Kind
    {
        None,
        Entry,
        Table,
        Lock,
        AttachCount,
        Sequence,
        Epoch,
        Frame,
        Word,
        Bytes,
    }

    /// <summary>For every step, whether what its thread is about to do conflicts with what another one does later.</summary>
    /// <param name="steps">The steps of a schedule.</param>
    /// <param name="conflicts">The answers.</param>
    public static void Find(List<ScheduleStep> steps, List<bool> conflicts)
    {
        var made = Made(steps);
        conflicts.Clear();
        conflicts.AddRange(Enumerable.Repeat(false, steps.Count));

        // Who reads and who writes a thing later on, one bit for each thread.
        var later = new Dictionary<(Kind, long), (uint Readers, uint Writers)>();
        for (int i = steps.Count - 1; i >= 0; i--)
        {
            var step = steps[i];
            Note(later, made[i], 1u << step.Chosen);
            if (step.Scanned != 0)
            {
                Note(later, new Access(Kind.Table, step.Scanned, IsWrite: false), 1u << step.Chosen);
            }

            var next = AccessOf(step);
            var (readers, writers) = later.GetValueOrDefault((next.Kind, next.What));
            if (next is { Kind: Kind.Entry, IsWrite: true })
            {
                readers |= later.GetValueOrDefault((Kind.Table, next.What >> 9)).Readers;
            }

            conflicts[i] = next.Kind != Kind.None && ((writers | (next.IsWrite ? readers : 0)) & ~(1u << step.Current)) != 0;
        }
    }

    /// <summary>For every step, what the chosen thread did then: what it had come to, perhaps long before.</summary>
    private static Access[] Made(List<ScheduleStep> steps)
    {
        var made = new Access[steps.Count];
        var pending = new Access[32];
        for (int i = 0; i < steps.Count; i++)
        {
            // Who waits for a lock is still about to take it.
            if (steps[i].Point is not SchedulePoint.LockWaiting)
            {
                pending[steps[i].Current] = AccessOf(steps[i]);
            }

            made[i] = pending[steps[i].Chosen];
        }

        return made;
    }

    private static Access AccessOf(in ScheduleStep step) => step.Point switch
    {
        SchedulePoint.EntryRead => new(Kind.Entry, step.What, false),
        SchedulePoint.EntryWrite => new(Kind.Entry, step.What, true),
        SchedulePoint.LockTaking => new(Kind.Lock, step.What, true),
        SchedulePoint.AttachCount => new(Kind.AttachCount, step.What, true),
        SchedulePoint.SequenceRead => new(Kind.Sequence, 0, false),
        SchedulePoint.SequenceWrite => new(Kind.Sequence, 0, true),
        SchedulePoint.EpochEntered or SchedulePoint.EpochLeaving => new(Kind.Epoch, 0, false),
        SchedulePoint.EpochAdvance => new(Kind.Epoch, 0, true),
        SchedulePoint.FrameAllocate or SchedulePoint.FrameFree => new(Kind.Frame, 0, true),
        SchedulePoint.SharedWord => new(Kind.Word, 0, true),
        SchedulePoint.Bytes => new(Kind.Bytes, 0, true),
        _ => default,
    };

    private static void Note(Dictionary<(Kind, long), (uint Readers, uint Writers)> later, in Access access, uint thread)
    {
        if (access.Kind != Kind.None)
        {
            var (readers, writers) = later.GetValueOrDefault((access.Kind, access.What));
            later[(access.Kind, access.What)] = access.IsWrite ? (readers, writers | thread) : (readers | thread, writers);
        }
    }

    private readonly record struct Access(Kind Kind, long What, bool IsWrite);
}
