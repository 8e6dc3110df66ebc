namespace Pando.Concurrency;

/// <summary>What a test implements to decide, at every named point, which thread goes on.</summary>
internal interface IScheduleController
{
    /// <summary>The calling thread is at <paramref name="point"/>; the call returns when it may go on.</summary>
    void Reach(SchedulePoint point);
}
