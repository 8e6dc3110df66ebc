namespace Pando.Concurrency;

/// <summary>When a thread that waits for another stops spinning and sleeps until it is woken.</summary>
internal static class Sleep
{
    // SpinWait spins for its first ten rounds and yields the processor afterwards. From the twentieth on each round would sleep for a
    // whole millisecond; who sleeps until he is woken goes on sooner.
    private const int Rounds = 20;

    /// <summary>Whether enough has been spun. Never under a controller of schedules, which decides itself who goes on.</summary>
    public static bool IsDue(in SpinWait spin) => spin.Count >= Rounds && !Schedule.IsControlled;
}
