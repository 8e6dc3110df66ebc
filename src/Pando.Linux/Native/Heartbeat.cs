namespace Pando.Linux.Native;

/// <summary>Tells whoever watches a reading thread that another call into the kernel has returned.</summary>
internal sealed class Heartbeat
{
    private long _beats;
    private volatile bool _stopped;

    /// <summary>How many calls have returned; read by any thread.</summary>
    public long Beats => Volatile.Read(ref _beats);

    /// <summary>A call has returned. Only the reading thread calls this.</summary>
    /// <exception cref="OperationCanceledException">Nobody waits for this thread any more.</exception>
    public void Beat()
    {
        Volatile.Write(ref _beats, _beats + 1);
        if (_stopped)
        {
            throw new OperationCanceledException();
        }
    }

    /// <summary>Lets the reading thread end at its next beat.</summary>
    public void Stop() => _stopped = true;
}
