namespace Pando.Tests.Concurrency;

/// <summary>The usual thread, but for given deviations.</summary>
/// <param name="deviations">In order of their steps.</param>
/// <param name="isExact">Whether a deviation that cannot be made is an error; if not, it is passed over.</param>
internal sealed class PlannedChoice(Deviation[] deviations, bool isExact = true) : IScheduleChoice
{
    private int _next;

    /// <summary>Whether all deviations have been made.</summary>
    public bool IsComplete => _next == deviations.Length;

    public int Choose(int number, in ScheduleStep step)
    {
        if (_next == deviations.Length || deviations[_next].Step != number)
        {
            return step.Usual;
        }

        var deviation = deviations[_next++];
        bool isPossible = deviation.Thread >= 0 && deviation.Thread < 32 && (step.Runnable & (1u << deviation.Thread)) != 0;
        if (isExact && (!isPossible || (deviation.Before != 0 && deviation.Before != step.Before)))
        {
            throw new ScheduleChangedException(
                $"At step {number}, {(isPossible ? "not the same has happened" : $"thread {(char)('A' + deviation.Thread)} cannot go on")} as when the schedule was found: the scenario depends on more than the order of its threads, or the code has changed since.");
        }

        return isPossible ? deviation.Thread : step.Usual;
    }
}
