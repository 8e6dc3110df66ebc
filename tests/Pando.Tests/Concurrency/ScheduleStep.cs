using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>One decision of a schedule.</summary>
/// <param name="Current">The thread that came to a point, or ended.</param>
/// <param name="Point">The point; null where it ended, or the schedule begins.</param>
/// <param name="What">What the point is about, told from others of its kind; 0 where that is not known.</param>
/// <param name="Scanned">The table that the thread reads through after this step, without further ones; 0 if none.</param>
/// <param name="Runnable">The threads that could go on, one bit each.</param>
/// <param name="Usual">Who goes on if nobody interferes: the same thread while it can.</param>
/// <param name="Chosen">Who went on.</param>
/// <param name="Before">Stands for all that happened before: who came to which points, and who went on.</param>
internal readonly record struct ScheduleStep(int Current, SchedulePoint? Point, long What, long Scanned, uint Runnable, int Usual, int Chosen, ulong Before)
{
    /// <summary>Whether the current thread could go on: to let another one is a preemption then.</summary>
    public bool IsCurrentRunnable => Point is not null && (Runnable & (1u << Current)) != 0;
}
