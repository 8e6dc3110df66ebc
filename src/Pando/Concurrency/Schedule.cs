using System.Diagnostics;

namespace Pando.Concurrency;

/// <summary>
/// The seam through which a test build controls the order of threads. Every lock, atomic step, epoch and flush of
/// Pando passes a named <see cref="SchedulePoint"/>; a test sets <see cref="Controller"/> and decides who runs.
/// In the ordinary build the calls do not exist.
/// </summary>
internal static class Schedule
{
    [ThreadStatic]
    private static IScheduleController? _controller;

    /// <summary>What controls the calling thread, or null. Each thread has its own.</summary>
    public static IScheduleController? Controller
    {
        get => _controller;
        set => _controller = value;
    }

    /// <summary>A thread has come to a point.</summary>
    [Conditional("PANDO_CHECKED")]
    public static void Reach(SchedulePoint point) => _controller?.Reach(point);

    /// <summary>
    /// Waits a moment for a condition that another thread will change. Under a controller it tells the controller
    /// that this thread cannot go on, so that no schedule spins for ever.
    /// </summary>
    public static void Wait(ref SpinWait spin)
    {
#if PANDO_CHECKED
        if (_controller is { } controller)
        {
            controller.Reach(SchedulePoint.LockWaiting);
            return;
        }
#endif
        spin.SpinOnce();
    }

    /// <summary>
    /// Which of a number of stripes (copies that spare threads each other's cache lines) the calling thread uses: its
    /// processor's. Under a controller the first, so that the same schedule does the same wherever threads run.
    /// </summary>
    public static int Stripe(int stripes)
    {
#if PANDO_CHECKED
        if (_controller is not null)
        {
            return 0;
        }
#endif
        return Thread.GetCurrentProcessorId() % stripes;
    }
}
