using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// Frames that no table points at any more and no processor can reach, but that a walker without locks may still be
/// reading. They go back to the allocator when the epoch in which they were retired is over.
/// </summary>
/// <remarks>
/// The frames' own records are the links of a list, oldest first, so that retiring takes no managed memory and a bounded
/// number of steps. What a late walker reads of a record (origin, owner, kind, counts) stays as it was.
/// </remarks>
internal sealed class RetiredFrames(PhysicalMemory memory, FrameAllocator frames, Epochs epochs)
{
    private const int CollectEvery = 256;

    // The most that are given back between two moments at which others can add theirs.
    private const int CollectAtOnce = 64;

    private readonly PhysicalMemory _memory = memory;
    private readonly FrameAllocator _frames = frames;
    private readonly Epochs _epochs = epochs;

    // Protected by _lock: the oldest and the newest frame of the list, and counts of what stands in it.
    private int _lock;
    private Frame _oldest;
    private Frame _newest;
    private int _frameCount;
    private int _sinceCollect;

    // How many were ever added, and ever given back: an entry is one frame or one block.
    private long _added;
    private long _removed;

    /// <summary>Called, with this class's lock free, before frames that were added before the call are given back. Set at rest.</summary>
    public Action? BeforeReuse { get; set; }

    /// <summary>Frames that wait.</summary>
    public int Count => Volatile.Read(ref _frameCount);

    /// <summary>How many times a frame or a block was ever given back.</summary>
    public long GivenBack => Volatile.Read(ref _removed);

    /// <summary>
    /// Adds a frame, or the first of those that were allocated together. Tries, now and then, to give back those whose time
    /// has come.
    /// </summary>
    public void Add(Frame frame)
    {
        bool collect;
        using (WordLock.Hold(ref _lock, LockRank.Limbo))
        {
            ref var record = ref _memory.Record(frame);
            record.RetiredNext = Frame.None.Number;
            record.RetiredIn = _epochs.Current;
            if (_oldest.IsNone)
            {
                _oldest = frame;
            }
            else
            {
                _memory.Record(_newest).RetiredNext = frame.Number;
            }

            _newest = frame;
            _added++;
            _frameCount += 1 << record.Order;
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
        long until;
        using (WordLock.Hold(ref _lock, LockRank.Limbo))
        {
            // What is added after this look must wait for the next time.
            until = _added;
        }

        BeforeReuse?.Invoke();
        int freed = 0;
        int now;
        do
        {
            now = CollectSome(until);
            freed += now;
        }
        while (now > 0);
        return freed;
    }

    private int CollectSome(long until)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.Limbo);
        int freed = 0;
        for (int i = 0; i < CollectAtOnce && !_oldest.IsNone && _removed < until; i++)
        {
            ref var record = ref _memory.Record(_oldest);
            if (!_epochs.IsOver(record.RetiredIn))
            {
                break;
            }

            var frame = _oldest;
            _oldest = new Frame(record.RetiredNext);
            _removed++;
            freed += 1 << record.Order;
            _frames.Free(frame);
        }

        _frameCount -= freed;
        return freed;
    }
}
