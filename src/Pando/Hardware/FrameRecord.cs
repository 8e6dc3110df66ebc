using System.Runtime.InteropServices;

namespace Pando.Hardware;

/// <summary>
/// What Pando knows of one frame of RAM; one record for each, in native memory beside the RAM. Two cache lines,
/// the first for what faults and attaches touch, so that two tables' locks never share one.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = SizeInBytes)]
internal struct FrameRecord
{
    public const int SizeInBytes = 128;

    /// <summary>The lock of the table's entries, for a frame that is a table. See Concurrency.WordLock.</summary>
    [FieldOffset(0)]
    public int Lock;

    /// <summary>
    /// A file's table: how many slots point at it; <see cref="Dead"/> once it may never be attached again. Its own
    /// counter and nothing else (hazard 8). Changed by atomic steps.
    /// </summary>
    [FieldOffset(4)]
    public int AttachCount;

    /// <summary>An anonymous frame: how many leaves refer to it. Changed by atomic steps.</summary>
    [FieldOffset(8)]
    public int References;

    /// <summary>A table: the number of its owner (a space's or a file's).</summary>
    [FieldOffset(12)]
    public int Owner;

    /// <summary>A file's table: the file offset at its entry 0. A space's table: the virtual address at its entry 0.</summary>
    [FieldOffset(16)]
    public long Origin;

    /// <summary>The next frame in a free list of the allocator.</summary>
    [FieldOffset(24)]
    public int NextFree;

    /// <summary>In the first frame of a block: the head of the block's free list.</summary>
    [FieldOffset(28)]
    public int BlockFreeHead;

    /// <summary>In the first frame of a block: free frames of the block in the block's own list.</summary>
    [FieldOffset(32)]
    public int BlockFreeCount;

    /// <summary>In the first frame of a block: neighbours in the list of partly free blocks.</summary>
    [FieldOffset(36)]
    public int BlockNext;

    /// <summary>See <see cref="BlockNext"/>.</summary>
    [FieldOffset(40)]
    public int BlockPrevious;

    /// <summary>What the frame is used for.</summary>
    [FieldOffset(44)]
    public FrameKind Kind;

    /// <summary>log2 of the frames that were allocated together: 0, or that of a block for its first one.</summary>
    [FieldOffset(45)]
    public byte Order;

    /// <summary>Whether the frame's bytes may be other than zero.</summary>
    [FieldOffset(46)]
    public bool Used;

    /// <summary>A table: its level.</summary>
    [FieldOffset(47)]
    public byte Level;

    /// <summary>A space's table of PTEs: how many of its leaves are anonymous frames. Changed under the table's lock.</summary>
    [FieldOffset(48)]
    public int AnonymousLeaves;

    /// <summary>
    /// A space's table: the first part of a file that it may show, by the file's number as an owner and the part's; 0 for none. Changed
    /// under the table's lock, or under the space's for writing. See Tables.TableParts.
    /// </summary>
    [FieldOffset(56)]
    public int PartOwner;

    /// <summary>See <see cref="PartOwner"/>.</summary>
    [FieldOffset(60)]
    public int Part;

    /// <summary>A file's table: the first file offset that it may show.</summary>
    [FieldOffset(64)]
    public long WindowStart;

    /// <summary>A file's table: the first file offset past those it may show.</summary>
    [FieldOffset(72)]
    public long WindowEnd;

    /// <summary>A file's table: its class, packed.</summary>
    [FieldOffset(80)]
    public int Class;

    /// <summary>A frame of a memory file: its memory has failed.</summary>
    [FieldOffset(84)]
    public bool Poisoned;

    /// <summary>A frame that waits for an epoch to end: the one that was retired next. See Tables.RetiredFrames.</summary>
    [FieldOffset(88)]
    public int RetiredNext;

    /// <summary>A frame that waits for an epoch to end: that epoch.</summary>
    [FieldOffset(96)]
    public long RetiredIn;

    /// <summary>The value of <see cref="AttachCount"/> of a table that may never be attached again.</summary>
    public const int Dead = int.MinValue;
}
