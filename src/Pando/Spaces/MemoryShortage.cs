using Pando.Concurrency;

namespace Pando.Spaces;

/// <summary>
/// What every operation does that finds no frame free: it drops its locks, makes room, and tries again, a few times; only
/// then has memory run out. One value for each operation.
/// </summary>
/// <remarks>
/// Room is made by giving back what can be had without harm. Frames that only wait until nobody can see them come free when
/// those who are in an epoch leave it; an operation waits for that, since nobody waits for anything long inside an epoch.
/// Others may take what came free: whoever lost it so often shares a machine whose memory is out.
/// </remarks>
internal struct MemoryShortage(VirtualMemory memory)
{
    private const int MostTries = 8;

    // A thread in an epoch may have lost its processor to others of the host: some thousand moments are a few seconds.
    private const int MostMoments = 4096;

    private readonly VirtualMemory _memory = memory;
    private int _tries;

    /// <summary>Makes room. The caller holds no lock and is in no epoch.</summary>
    /// <returns>Whether it is worth trying again: something came free, and this was not the last try.</returns>
    public bool MakesRoom()
    {
        LockOrder.AssertNoneHeld();
        Epochs.AssertOutside();
        return _tries++ < MostTries && (_memory.Reclaim() || CameFree());
    }

    private readonly bool CameFree()
    {
        var retired = _memory.Store.Retired;
        long before = retired.GivenBack;
        var spin = new SpinWait();
        for (int i = 0; i < MostMoments && retired.Count > 0; i++)
        {
            // By this thread or by another.
            if (retired.Collect() > 0 || retired.GivenBack != before)
            {
                return true;
            }

            if (_memory.Store.Epochs.IsHeldUp)
            {
                Schedule.Wait(ref spin);
            }
        }

        // Nothing waits. What is free now somebody else has just given back.
        return _memory.Store.Frames.HasFree;
    }
}
