using Pando.Concurrency;

namespace Pando.Hardware;

/// <summary>
/// Hands out frames of RAM: single ones, and blocks of as many as a table has entries (x86-64: 4 KiB, 2 MiB). Frames come from small per-processor caches that
/// are filled and emptied in batches from the blocks, so that threads rarely meet. A block whose frames have all
/// come back is whole again.
/// </summary>
/// <remarks>
/// All members are safe for threads and may be called under any lock but a processor's. For that reason the
/// allocator never reclaims by itself: who finds memory out drops his locks, asks the machine to reclaim, and tries again.
/// </remarks>
internal sealed class FrameAllocator
{
    private const int Batch = 64;
    private const int CacheLimit = 2 * Batch;

    private readonly PhysicalMemory _memory;
    private readonly Omissions _omissions;
    private readonly Cache[] _caches;

    // A block is what one entry of the lowest but one level can show.
    private readonly int _blockOrder;
    private readonly int _framesInBlock;

    // Whole blocks; of one more the first frames may be there, which are handed out one by one.
    private readonly int _blockCount;

    // The blocks' lock protects all fields below and the Block... fields of the records.
    private int _blocksLock;
    private int _nextFreshBlock;
    private int _wholeBlocks;      // list through BlockNext of blocks that are wholly free
    private int _partialBlocks;    // list through BlockNext and BlockPrevious
    private int _framesOut;        // frames in caches or in use

    public FrameAllocator(PhysicalMemory memory, Omissions omissions)
    {
        _memory = memory;
        _omissions = omissions;
        _blockOrder = memory.Geometry.IndexBits;
        _framesInBlock = 1 << _blockOrder;
        _blockCount = memory.FrameCount >> _blockOrder;
        _caches = new Cache[Math.Max(1, Environment.ProcessorCount)];
        for (int i = 0; i < _caches.Length; i++)
        {
            _caches[i] = new Cache();
        }

        // Frame 0 means "none" and stays out for ever, so that block 0 is never whole. Nor is one that RAM ends in.
        _partialBlocks = -1;
        _wholeBlocks = -1;
        _nextFreshBlock = Math.Min(1, _blockCount);
        Split(0, 1);
        if (_blockCount > 0 && memory.FrameCount > _blockCount << _blockOrder)
        {
            Split(_blockCount, _blockCount << _blockOrder);
        }
    }

    /// <summary>Frames that are in use, exactly, at rest.</summary>
    public int FramesInUse
    {
        get
        {
            int used;
            using (WordLock.Hold(ref _blocksLock, LockRank.FrameBlocks))
            {
                used = _framesOut;
            }

            foreach (var cache in _caches)
            {
                used -= Volatile.Read(ref cache.Count);
            }

            return used;
        }
    }

    /// <summary>Whether a frame is free at this moment, anywhere.</summary>
    public bool HasFree
    {
        get
        {
            using (WordLock.Hold(ref _blocksLock, LockRank.FrameBlocks))
            {
                if (_partialBlocks >= 0 || _wholeBlocks >= 0 || _nextFreshBlock < _blockCount)
                {
                    return true;
                }
            }

            return Array.Exists(_caches, static cache => Volatile.Read(ref cache.Count) > 0);
        }
    }

    /// <summary>One more than the highest frame that may ever have been handed out.</summary>
    public int HighWater =>
        _memory.FrameCount > _blockCount << _blockOrder ? _memory.FrameCount : Volatile.Read(ref _nextFreshBlock) << _blockOrder;

    /// <summary>Allocates a zeroed frame.</summary>
    /// <returns>False where memory is out.</returns>
    public bool TryAllocate(FrameKind kind, out Frame frame) => TryAllocate(kind, zero: true, out frame);

    /// <summary>Allocates a frame, zeroed if asked.</summary>
    public bool TryAllocate(FrameKind kind, bool zero, out Frame frame)
    {
        Schedule.Reach(SchedulePoint.FrameAllocate);
        if (_omissions.Leave(OmittedStep.Allocation))
        {
            frame = Frame.None;
            return false;
        }

        var cache = _caches[Schedule.Stripe(_caches.Length)];
        if (!TryTake(cache, out frame))
        {
            // Other processors' caches may hold frames.
            DrainCaches();
            if (!TryTake(cache, out frame))
            {
                return false;
            }
        }

        ref var record = ref _memory.Record(frame);
        if (zero && record.Used)
        {
            _memory.Clear(frame);
        }

        Initialise(ref record, kind, 0);
        return true;
    }

    /// <summary>Allocates a zeroed, aligned block of frames.</summary>
    public bool TryAllocateBlock(FrameKind kind, out Frame first)
    {
        Schedule.Reach(SchedulePoint.FrameAllocate);
        first = Frame.None;
        if (_omissions.Leave(OmittedStep.Allocation))
        {
            return false;
        }

        bool drained = false;
        while (true)
        {
            int block;
            using (WordLock.Hold(ref _blocksLock, LockRank.FrameBlocks))
            {
                block = TakeWholeBlock();
                if (block >= 0)
                {
                    _framesOut += _framesInBlock;
                }
            }

            if (block >= 0)
            {
                first = new Frame(block << _blockOrder);
                break;
            }

            if (drained)
            {
                return false;
            }

            DrainCaches();
            drained = true;
        }

        for (int i = 0; i < _framesInBlock; i++)
        {
            var frame = new Frame(first.Number + i);
            ref var record = ref _memory.Record(frame);
            if (record.Used)
            {
                _memory.Clear(frame);
            }

            Initialise(ref record, kind, i == 0 ? _blockOrder : 0);
        }

        return true;
    }

    /// <summary>Gives a frame, or the whole block whose first frame it is, back.</summary>
    public void Free(Frame frame)
    {
        Schedule.Reach(SchedulePoint.FrameFree);
        ref var record = ref _memory.Record(frame);
        if (record.Kind == FrameKind.Free || frame.IsNone)
        {
            throw new InvalidOperationException($"{frame} is given back although it is free.");
        }

        if (record.Poisoned)
        {
            // Memory that has failed stays out for ever.
            for (int i = 0; i < 1 << record.Order; i++)
            {
                _memory.Record(new Frame(frame.Number + i)).Kind = FrameKind.Bad;
            }

            return;
        }

        if (record.Order == _blockOrder)
        {
            FreeBlock(frame);
            return;
        }

        record.Kind = FrameKind.Free;
        var cache = _caches[Schedule.Stripe(_caches.Length)];
        using var held = WordLock.Hold(ref cache.Lock, LockRank.FrameCache);
        record.NextFree = cache.Head;
        cache.Head = frame.Number;
        cache.Count++;
        if (cache.Count > CacheLimit)
        {
            GiveBack(cache, Batch);
        }
    }

    private static void Initialise(ref FrameRecord record, FrameKind kind, int order)
    {
        record.Kind = kind;
        record.Order = (byte)order;
        record.Used = true;
        record.Lock = 0;
        record.AttachCount = 0;
        record.References = 0;
        record.Owner = 0;
        record.Origin = 0;
        record.AnonymousLeaves = 0;
        record.PartOwner = 0;
        record.Part = 0;
    }

    private bool TryTake(Cache cache, out Frame frame)
    {
        using var held = WordLock.Hold(ref cache.Lock, LockRank.FrameCache);
        if (cache.Count == 0)
        {
            Fill(cache);
        }

        frame = new Frame(cache.Head);
        if (!frame.IsNone)
        {
            cache.Head = _memory.Record(frame).NextFree;
            cache.Count--;
        }

        return !frame.IsNone;
    }

    private void Fill(Cache cache)
    {
        using var held = WordLock.Hold(ref _blocksLock, LockRank.FrameBlocks);
        int wanted = Batch;
        while (wanted > 0)
        {
            if (_partialBlocks < 0)
            {
                int whole = TakeWholeBlock();
                if (whole < 0)
                {
                    break;
                }

                Split(whole, whole << _blockOrder);
            }

            int block = _partialBlocks;
            ref var head = ref BlockRecord(block);
            while (wanted > 0 && head.BlockFreeCount > 0)
            {
                int number = head.BlockFreeHead;
                ref var record = ref _memory.Record(new Frame(number));
                head.BlockFreeHead = record.NextFree;
                head.BlockFreeCount--;
                record.NextFree = cache.Head;
                cache.Head = number;
                cache.Count++;
                _framesOut++;
                wanted--;
            }

            if (head.BlockFreeCount == 0)
            {
                Unlink(block);
            }
        }
    }

    private void DrainCaches()
    {
        foreach (var cache in _caches)
        {
            using var held = WordLock.Hold(ref cache.Lock, LockRank.FrameCache);
            GiveBack(cache, int.MaxValue);
        }
    }

    private void GiveBack(Cache cache, int count)
    {
        using var held = WordLock.Hold(ref _blocksLock, LockRank.FrameBlocks);
        for (; count > 0 && cache.Count > 0; count--)
        {
            int number = cache.Head;
            ref var record = ref _memory.Record(new Frame(number));
            cache.Head = record.NextFree;
            cache.Count--;
            _framesOut--;
            int block = number >> _blockOrder;
            ref var head = ref BlockRecord(block);
            record.NextFree = head.BlockFreeHead;
            head.BlockFreeHead = number;
            if (head.BlockFreeCount++ == 0)
            {
                Link(block);
            }

            if (head.BlockFreeCount == _framesInBlock)
            {
                Unlink(block);
                PutWholeBlock(block);
            }
        }
    }

    private void FreeBlock(Frame first)
    {
        for (int i = 0; i < _framesInBlock; i++)
        {
            _memory.Record(new Frame(first.Number + i)).Kind = FrameKind.Free;
        }

        using var held = WordLock.Hold(ref _blocksLock, LockRank.FrameBlocks);
        _framesOut -= _framesInBlock;
        PutWholeBlock(first.Number >> _blockOrder);
    }

    private int TakeWholeBlock()
    {
        int block = _wholeBlocks;
        if (block >= 0)
        {
            _wholeBlocks = BlockRecord(block).BlockNext;
            return block;
        }

        return _nextFreshBlock < _blockCount ? _nextFreshBlock++ : -1;
    }

    private void PutWholeBlock(int block)
    {
        ref var head = ref BlockRecord(block);
        head.BlockFreeCount = 0;
        head.BlockNext = _wholeBlocks;
        _wholeBlocks = block;
    }

    /// <summary>Makes the frames of a block ones of its list, from a first one on; for as far as there are any.</summary>
    private void Split(int block, int first)
    {
        ref var head = ref BlockRecord(block);
        head.BlockFreeHead = 0;
        int end = (int)Math.Min((long)(block + 1) << _blockOrder, _memory.FrameCount);
        for (int number = end - 1; number >= first; number--)
        {
            _memory.Record(new Frame(number)).NextFree = head.BlockFreeHead;
            head.BlockFreeHead = number;
        }

        head.BlockFreeCount = end - first;
        Link(block);
    }

    private void Link(int block)
    {
        ref var head = ref BlockRecord(block);
        head.BlockPrevious = -1;
        head.BlockNext = _partialBlocks;
        if (_partialBlocks >= 0)
        {
            BlockRecord(_partialBlocks).BlockPrevious = block;
        }

        _partialBlocks = block;
    }

    private void Unlink(int block)
    {
        ref var head = ref BlockRecord(block);
        if (head.BlockPrevious >= 0)
        {
            BlockRecord(head.BlockPrevious).BlockNext = head.BlockNext;
        }
        else
        {
            _partialBlocks = head.BlockNext;
        }

        if (head.BlockNext >= 0)
        {
            BlockRecord(head.BlockNext).BlockPrevious = head.BlockPrevious;
        }
    }

    private ref FrameRecord BlockRecord(int block) => ref _memory.Record(new Frame(block << _blockOrder));

    private sealed class Cache
    {
        public int Lock;
        public int Head;
        public int Count;
    }
}
