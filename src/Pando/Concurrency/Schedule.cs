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
    /// <param name="point">The point.</param>
    /// <param name="what">
    /// A number that tells what is about to be read, written or locked from other things of its kind; 0 where that is not said.
    /// </param>
    [Conditional("PANDO_CHECKED")]
    public static void Reach(SchedulePoint point, long what = 0) => _controller?.Reach(point, what);

    /// <summary>
    /// Waits a moment for a condition that another thread will change. Under a controller it tells the controller
    /// that this thread cannot go on, so that no schedule spins for ever.
    /// </summary>
    /// <param name="spin">How often it has waited.</param>
    /// <param name="sleeps">Whether it may sleep for a millisecond when it has waited often; else it yields the processor at most.</param>
    public static void Wait(ref SpinWait spin, bool sleeps = true)
    {
#if PANDO_CHECKED
        if (_controller is { } controller)
        {
            controller.Reach(SchedulePoint.LockWaiting, 0);
            return;
        }
#endif
        spin.SpinOnce(sleeps ? 20 : -1);
    }

    /// <summary>Whether a controller decides when the calling thread goes on. Never in the ordinary build.</summary>
    public static bool IsControlled =>
#if PANDO_CHECKED
        _controller is not null;
#else
        false;
#endif

    /// <summary>Whether a test has a part of the protocol left out. Never in the ordinary build.</summary>
    public static bool LeavesOut(ProtocolPart part) =>
#if PANDO_CHECKED
        _controller is { } controller && controller.LeavesOut(part);
#else
        false;
#endif

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
