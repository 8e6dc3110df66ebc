using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// Frames that no table points at any more and no processor can reach, but that a walker without locks may still be
/// reading. They go back to the allocator when the epoch in which they were retired is over.
/// </summary>
internal sealed class RetiredFrames(FrameAllocator frames, Epochs epochs)
{
    private const int CollectEvery = 256;

    private readonly FrameAllocator _frames = frames;
    private readonly Epochs _epochs = epochs;

    // Protected by _lock: a ring of (epoch, frame), oldest first.
    private int _lock;
    private (long Epoch, int Frame, int Count)[] _ring = new (long, int, int)[1024];
    private int _head;
    private int _count;
    private int _frameCount;
    private int _sinceCollect;
    private long _added;

    /// <summary>Called, with this class's lock free, before frames that were added before the call are given back. Set at rest.</summary>
    public Action? BeforeReuse { get; set; }

    /// <summary>Frames that wait.</summary>
    public int Count => Volatile.Read(ref _frameCount);

    /// <summary>
    /// Adds a frame, or the first of <paramref name="count"/> that were allocated together. Tries, now and then, to
    /// give back those whose time has come.
    /// </summary>
    public void Add(Frame frame, int count)
    {
        bool collect;
        using (WordLock.Hold(ref _lock, LockRank.Limbo))
        {
            if (_count == _ring.Length)
            {
                var larger = new (long, int, int)[_ring.Length * 2];
                for (int i = 0; i < _count; i++)
                {
                    larger[i] = _ring[(_head + i) % _ring.Length];
                }

                _ring = larger;
                _head = 0;
            }

            _ring[(_head + _count) % _ring.Length] = (_epochs.Current, frame.Number, count);
            _count++;
            _added++;
            _frameCount += count;
            collect = ++_sinceCollect >= CollectEvery;
            if (collect)
            {
                _sinceCollect = 0;
            }
        }

        if (collect)
        {
            Collect();
        }
    }

    /// <summary>Advances the epoch where nobody prevents it, and gives back the frames whose epoch is over.</summary>
    /// <returns>How many frames were given back.</returns>
    public int Collect()
    {
        _epochs.TryAdvance();
        _epochs.TryAdvance();
        int freed = 0;
        long until = long.MaxValue;
        if (BeforeReuse is { } before)
        {
            // What is added after this look must wait for the next time.
            using (WordLock.Hold(ref _lock, LockRank.Limbo))
            {
                until = _added;
            }

            before();
        }

        using var held = WordLock.Hold(ref _lock, LockRank.Limbo);
        while (_count > 0 && _added - _count < until && _epochs.IsOver(_ring[_head].Epoch))
        {
            var (_, frame, count) = _ring[_head];
            _head = (_head + 1) % _ring.Length;
            _count--;
            _frameCount -= count;
            _frames.Free(new Frame(frame));
            freed += count;
        }

        return freed;
    }
}
