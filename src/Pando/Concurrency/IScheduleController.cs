namespace Pando.Concurrency;

/// <summary>What a test implements to decide, at every named point, which thread goes on.</summary>
internal interface IScheduleController
{
    /// <summary>The calling thread is at <paramref name="point"/>; the call returns when it may go on.</summary>
    /// <param name="point">The point.</param>
    /// <param name="what">What it is about, told from others of its kind; 0 where that is not said.</param>
    void Reach(SchedulePoint point, long what);

    /// <summary>Whether the calling thread leaves out a part of the protocol, so that a test can see that it is missed.</summary>
    bool LeavesOut(ProtocolPart part) => false;
}
