using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>Who decides when a <see cref="ControlledThread"/> stands still and when it goes on.</summary>
internal interface IThreadOrder
{
    /// <summary>The calling thread has come to a point; the call returns when it may go on.</summary>
    void Reached(ControlledThread thread, SchedulePoint point, long what);

    /// <summary>The calling thread's body has ended; <see cref="ControlledThread.Failure"/> says how.</summary>
    void Ended(ControlledThread thread);

    /// <summary>Whether the calling thread leaves out a part of the protocol.</summary>
    bool LeavesOut(ProtocolPart part) => false;
}
