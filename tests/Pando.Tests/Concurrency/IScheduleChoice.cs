namespace Pando.Tests.Concurrency;

/// <summary>Decides who goes on, at each step of a schedule.</summary>
internal interface IScheduleChoice
{
    /// <summary>The thread to go on, one of the runnable ones.</summary>
    /// <param name="number">The step's number, from 0.</param>
    /// <param name="step">The step, with the usual thread as the chosen one.</param>
    int Choose(int number, in ScheduleStep step);
}
