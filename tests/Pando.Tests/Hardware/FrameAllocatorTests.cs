using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Tests.Hardware;

public sealed class FrameAllocatorTests : IDisposable
{
    private readonly PhysicalMemory _memory = new(8 << 20, X64.Geometry);
    private readonly Omissions _omissions = new();
    private readonly FrameAllocator _frames;

    public FrameAllocatorTests() => _frames = new FrameAllocator(_memory, _omissions);

    public void Dispose() => _memory.Release();

    [Fact]
    public void Every_frame_but_the_first_is_handed_out_once_and_comes_back()
    {
        var taken = new HashSet<int>();
        while (_frames.TryAllocate(FrameKind.Anonymous, out var frame))
        {
            Assert.True(taken.Add(frame.Number));
        }

        Assert.Equal(_memory.FrameCount - 1, taken.Count);
        Assert.DoesNotContain(0, taken);
        Assert.Equal(taken.Count, _frames.FramesInUse);
        foreach (int number in taken)
        {
            _frames.Free(new Frame(number));
        }

        Assert.Equal(0, _frames.FramesInUse);
    }

    [Fact]
    public void Blocks_whose_frames_have_all_come_back_are_whole_again()
    {
        // Blocks 1 to 3 as single frames, and back; then as blocks. Frame 0 keeps block 0 from ever being whole.
        var frames = new List<Frame>();
        while (_frames.TryAllocate(FrameKind.Anonymous, out var frame))
        {
            frames.Add(frame);
        }

        Assert.False(_frames.TryAllocateBlock(FrameKind.FileData, out _));
        frames.ForEach(_frames.Free);
        var blocks = new List<Frame>();
        while (_frames.TryAllocateBlock(FrameKind.FileData, out var block))
        {
            blocks.Add(block);
        }

        Assert.Equal([512, 1024, 1536], blocks.Select(block => block.Number).Order());
        Assert.Equal(3 * 512, _frames.FramesInUse);
        blocks.ForEach(_frames.Free);
        Assert.Equal(0, _frames.FramesInUse);
    }

    [Fact]
    public void One_frame_that_is_out_keeps_its_block_from_being_whole()
    {
        var frames = new List<Frame>();
        while (_frames.TryAllocate(FrameKind.Anonymous, out var frame))
        {
            frames.Add(frame);
        }

        frames.Where(frame => frame.Number != 700).ToList().ForEach(_frames.Free);
        int blocks = 0;
        while (_frames.TryAllocateBlock(FrameKind.FileData, out var block))
        {
            Assert.NotEqual(512, block.Number);
            blocks++;
        }

        Assert.Equal(2, blocks);
    }

    [Fact]
    public void A_frame_that_was_written_comes_back_zeroed()
    {
        var frames = new List<Frame>();
        while (_frames.TryAllocate(FrameKind.Anonymous, out var frame))
        {
            Assert.Equal(-1, _memory.Bytes(_memory.AddressOf(frame), X64.PageSize).IndexOfAnyExcept((byte)0));
            _memory.Bytes(_memory.AddressOf(frame), X64.PageSize).Fill(0xee);
            frames.Add(frame);
        }

        frames.ForEach(_frames.Free);
        Assert.True(_frames.TryAllocateBlock(FrameKind.FileData, out var block));
        Assert.Equal(-1, _memory.Bytes(_memory.AddressOf(block), 1 << 21).IndexOfAnyExcept((byte)0));
        Assert.True(_frames.TryAllocate(FrameKind.SpaceTable, out var table));
        Assert.Equal(-1, _memory.Bytes(_memory.AddressOf(table), X64.PageSize).IndexOfAnyExcept((byte)0));
        ref var record = ref _memory.Record(table);
        Assert.True(record is { Kind: FrameKind.SpaceTable, Order: 0, AttachCount: 0, References: 0, Owner: 0, AnonymousLeaves: 0, Lock: 0 });
    }

    [Fact]
    public void A_frame_that_is_given_back_twice_is_reported()
    {
        Assert.True(_frames.TryAllocate(FrameKind.Anonymous, out var frame));
        _frames.Free(frame);
        Assert.Throws<InvalidOperationException>(() => _frames.Free(frame));
        Assert.Throws<InvalidOperationException>(() => _frames.Free(Frame.None));
    }

    [Fact]
    public void A_test_decides_which_allocation_fails()
    {
        int asked = 0;
        _omissions[OmittedStep.Allocation] = () => ++asked == 2;
        Assert.True(_frames.TryAllocate(FrameKind.Anonymous, out _));
        Assert.False(_frames.TryAllocate(FrameKind.Anonymous, out var none));
        Assert.True(none.IsNone);
        Assert.True(_frames.TryAllocateBlock(FrameKind.FileData, out _));
        _omissions[OmittedStep.Allocation] = () => true;
        Assert.False(_frames.TryAllocateBlock(FrameKind.FileData, out _));
        Assert.Equal(513, _frames.FramesInUse);
    }

    [Fact]
    public void Threads_never_get_the_same_frame_and_give_every_one_back()
    {
        int[] owners = new int[_memory.FrameCount];
        var failures = new List<string>();
        var threads = Enumerable.Range(1, 4).Select(id => new Thread(() =>
        {
            var mine = new Queue<Frame>();
            for (int i = 0; i < 20_000; i++)
            {
                bool block = i % 500 == 0;
                if ((i / 300 % 2 == 0 || mine.Count == 0) && (block ? _frames.TryAllocateBlock(FrameKind.FileData, out var frame) : _frames.TryAllocate(FrameKind.Anonymous, out frame)))
                {
                    if (Interlocked.CompareExchange(ref owners[frame.Number], id, 0) != 0)
                    {
                        lock (failures)
                        {
                            failures.Add($"{frame} has two owners");
                        }
                    }

                    mine.Enqueue(frame);
                }
                else if (mine.TryDequeue(out frame))
                {
                    Volatile.Write(ref owners[frame.Number], 0);
                    _frames.Free(frame);
                }
            }

            while (mine.TryDequeue(out var frame))
            {
                Volatile.Write(ref owners[frame.Number], 0);
                _frames.Free(frame);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.Empty(failures);
        Assert.Equal(0, _frames.FramesInUse);
        for (int i = 0; i < 3; i++)
        {
            Assert.True(_frames.TryAllocateBlock(FrameKind.FileData, out _));
        }
    }
}
