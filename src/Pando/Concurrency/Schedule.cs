using System.Diagnostics;

namespace Pando.Concurrency;

/// <summary>
/// The seam through which a test build controls the order of threads. Every lock, atomic step, epoch and flush of
/// Pando passes a named <see cref="SchedulePoint"/>; a test sets <see cref="Controller"/> and decides who runs.
/// In the ordinary build the calls do not exist.
/// </summary>
internal static class Schedule
{
    /// <summary>What controls the current asynchronous flow (a test's own threads), or null.</summary>
    public static IScheduleController? Controller { get; set; }

    /// <summary>A thread has come to a point.</summary>
    [Conditional("PANDO_CHECKED")]
    public static void Reach(SchedulePoint point) => Controller?.Reach(point);

    /// <summary>
    /// Waits a moment for a condition that another thread will change. Under a controller it tells the controller
    /// that this thread cannot go on, so that no schedule spins for ever.
    /// </summary>
    public static void Wait(ref SpinWait spin)
    {
#if PANDO_CHECKED
        if (Controller is { } controller)
        {
            controller.Reach(SchedulePoint.LockWaiting);
            return;
        }
#endif
        spin.SpinOnce();
    }
}
