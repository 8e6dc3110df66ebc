using Pando.Kvm.Native;

namespace Pando.Kvm.Processor;

/// <summary>Stands between a vCPU's thread and guest mode; other threads use it to get the vCPU out, and know it.</summary>
/// <remarks>
/// <para>The vCPU's thread says "inside" and only then looks for requests; a requester states its request and only
/// then looks for "inside" (a full fence on both sides). So either the thread sees the request before it enters,
/// or the requester sees it inside and sends the kick signal.</para>
/// <para>The signal is blocked in the thread and let through by KVM_RUN alone (KVM_SET_SIGNAL_MASK, api.rst 4.22):
/// it ends the call even where it arrives just before it, needs no handler, and cannot be lost.</para>
/// <para>Every method but <see cref="TryEnter"/> and <see cref="Leave"/> may be called by any thread.</para>
/// </remarks>
internal sealed unsafe class EntryGate
{
    // SIGSTKFLT, which nothing sends or uses. No real-time signal: that needs room in the user's queue, and without it is
    // not sent (EAGAIN; kernel/signal.c, __send_signal_locked).
    private const int KickSignal = 16;
    private const ulong KickBit = 1UL << (KickSignal - 1);

    private const int Outside = 0;
    private const int Inside = 1;

    private int _place;
    private int _holds;
    private int _stopReasons;
    private long _entries;
    private int _thread;

    /// <summary>Times that guest mode was entered.</summary>
    internal long Entries => Volatile.Read(ref _entries);

    /// <summary>Blocks the kick signal in the calling thread, and returns the mask that KVM_RUN is to run with.</summary>
    internal static ulong BlockKickSignal()
    {
        var kick = new LibC.SignalSet { Kernel = KickBit };
        LibC.SignalSet before;
        var error = LibC.ThreadSignalMask(LibC.SignalBlock, &kick, &before);
        return error == 0
            ? before.Kernel & ~KickBit
            : throw new KvmException($"pthread_sigmask failed: {KvmException.NameOf(error)}");
    }

    /// <summary>
    /// Called by the vCPU's thread before KVM_RUN. Waits while the vCPU is held; returns false where it is to stop.
    /// </summary>
    /// <param name="thread">The calling thread (gettid).</param>
    /// <param name="ignoreStops">True for ring-0 code, which runs to its exit: a stop waits.</param>
    internal bool TryEnter(int thread, bool ignoreStops)
    {
        _thread = thread;
        for (var wait = new SpinWait(); ; wait.SpinOnce(sleep1Threshold: -1))
        {
            Interlocked.Increment(ref _entries);
            Interlocked.Exchange(ref _place, Inside);
            if (Volatile.Read(ref _holds) == 0)
            {
                break;
            }

            Leave();
        }

        if (ignoreStops || Volatile.Read(ref _stopReasons) == 0)
        {
            return true;
        }

        Leave();
        return false;
    }

    /// <summary>Called by the vCPU's thread after KVM_RUN.</summary>
    internal void Leave() => Interlocked.Exchange(ref _place, Outside);

    /// <summary>Takes the kick signal off the calling thread's pending signals, or the next KVM_RUN would end at once.</summary>
    internal static void DrainKickSignal()
    {
        var kick = new LibC.SignalSet { Kernel = KickBit };
        var none = default(LibC.TimeSpecification);
        while (LibC.SignalTimedWait(&kick, null, &none) > 0)
        {
        }
    }

    /// <summary>Gets the vCPU out of guest mode if it is inside; it may go in again. Returns when it has been out.</summary>
    internal void Kick()
    {
        Interlocked.MemoryBarrier();
        var entry = Volatile.Read(ref _entries);
        if (Volatile.Read(ref _place) == Inside)
        {
            LibC.SignalThread(Volatile.Read(ref _thread), KickSignal);
            WaitUntilOut(entry);
        }
    }

    /// <summary>Gets the vCPU out and keeps it out until <see cref="Release"/>. Holds nest and may overlap.</summary>
    internal void Hold()
    {
        Interlocked.Increment(ref _holds);
        Kick();
    }

    /// <summary>Ends one <see cref="Hold"/>.</summary>
    internal void Release() => Interlocked.Decrement(ref _holds);

    /// <summary>Makes the vCPU's Run return as soon as it is in ring 3; does not wait.</summary>
    internal void RequestStop(int reason)
    {
        Interlocked.Or(ref _stopReasons, reason);
        if (Volatile.Read(ref _place) == Inside)
        {
            LibC.SignalThread(Volatile.Read(ref _thread), KickSignal);
        }
    }

    /// <summary>The reasons asked for so far, which count as answered.</summary>
    internal int TakeStopReasons() => Interlocked.Exchange(ref _stopReasons, 0);

    /// <summary>Withdraws one reason.</summary>
    internal void WithdrawStop(int reason) => Interlocked.And(ref _stopReasons, ~reason);

    private void WaitUntilOut(long entry)
    {
        var wait = new SpinWait();
        while (Volatile.Read(ref _place) == Inside && Volatile.Read(ref _entries) == entry)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }
    }
}
