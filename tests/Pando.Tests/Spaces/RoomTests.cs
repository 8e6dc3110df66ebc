using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

/// <summary>
/// Memory has run out only when nothing can be given back: each operation that allocates finds the frames of a machine whose
/// memory is all used, but for what merely waits, or stays warm.
/// </summary>
public sealed class RoomTests : IDisposable
{
    private const long Page = X64.PageSize;
    private const long Mebi = 1L << 20;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly Machine _machine = new(new MachineOptions { Ram = 4 * Mebi, LargePages = false });
    private readonly AddressSpace _space;
    private readonly AddressSpace _filler;

    public RoomTests()
    {
        _space = _machine.CreateSpace();
        Map(_space, MapRequest.Anonymous(4 * Mebi, Rights.ReadWrite), 0);
        for (long at = 0; at < 4 * Mebi; at += 2 * Mebi)
        {
            Assert.True(_space.Fault(At + at, AccessKind.Write).IsResolved);
        }

        _filler = _machine.CreateSpace();
        Map(_filler, MapRequest.Anonymous(16 * Mebi, Rights.ReadWrite), 0);
    }

    public static TheoryData<string> Operations =>
        ["fault", "populate", "map and populate", "fork", "make a space", "move", "move several", "lock", "advise", "user copy", "user copy into a file", "private store"];

    public void Dispose() => _machine.Dispose();

    [Theory]
    [MemberData(nameof(Operations))]
    public void Frames_that_only_wait_are_found(string operation)
    {
        var run = Prepare(operation);
        Fill();

        // Thirty frames wait for an epoch; none is free.
        Assert.Equal(Errno.None, _filler.Advise(At, 30 * Page, Advice.DontNeed));
        Assert.True(_machine.Store.Retired.Count >= 30);
        Assert.False(_machine.Store.Frames.TryAllocate(FrameKind.Anonymous, out _));
        run();
        _machine.Audit().ThrowIfUnsound();
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void Tables_that_stay_warm_are_found(string operation)
    {
        var run = Prepare(operation);
        var leaving = _machine.CreateSpace();
        using var file = _machine.CreateMemoryFile("warm", 32 * 2 * Mebi);
        Map(leaving, MapRequest.SharedFile(file, Rights.Read), 0);
        for (long at = 0; at < file.Size; at += 2 * Mebi)
        {
            Assert.True(leaving.Fault(At + at, AccessKind.Read).IsResolved);
        }

        Fill();
        leaving.Exit();
        while (_machine.Store.Frames.TryAllocate(FrameKind.Bad, out _))
        {
            // What the exit has given back goes too.
        }

        Assert.True(file.Tables.TableCount >= 32);
        run();
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void Memory_that_is_out_is_said_to_be_out_and_nothing_has_changed(string operation)
    {
        var run = Prepare(operation);
        Fill();
        int frames = _machine.FramesInUse;
        int spaces = _machine.Spaces.Count;
        var failure = Record.Exception(run);
        Assert.True(failure is InsufficientMemoryException or Xunit.Sdk.XunitException, $"{failure}");
        Assert.Equal(spaces, _machine.Spaces.Count);
        _machine.Reclaim();
        _machine.Audit().ThrowIfUnsound();
        Assert.Equal(frames, _machine.FramesInUse);
    }

#if PANDO_CHECKED
    [Fact]
    public void Frames_that_wait_for_a_thread_in_an_epoch_are_waited_for()
    {
        Fill();
        Assert.Equal(Errno.None, _filler.Advise(At, 30 * Page, Advice.DontNeed));
        using var inside = Concurrency.PausedThread.Run(() => _filler.Fault(At + Mebi, AccessKind.Read), Pando.Concurrency.SchedulePoint.EpochEntered);
        Assert.False(_machine.Reclaim());
        var outcome = FaultKind.Spurious;
        var faulting = new Thread(() => outcome = _space.Fault(At + Page, AccessKind.Write).Kind);
        faulting.Start();
        Assert.False(faulting.Join(20));
        inside.Finish();
        faulting.Join();
        Assert.Equal(FaultKind.Copied, outcome);
        _machine.Audit().ThrowIfUnsound();
    }
#endif

    private Action Prepare(string operation)
    {
        switch (operation)
        {
            case "fault":
                return () => Resolved(_space.Fault(At + Page, AccessKind.Write));
            case "populate":
                return () => Resolved(_space.Populate(AddressRange.FromLength(At + Page, 8 * Page), AccessKind.Write));
            case "map and populate":
                return () =>
                {
                    Map(_space, MapRequest.Anonymous(4 * Page, Rights.ReadWrite) with { Populate = PopulateKind.Write }, 8 * Mebi);
                    bool[] resident = new bool[4];
                    Assert.Equal(Errno.None, _space.Resident(At + (8 * Mebi), resident));
                    Assert.DoesNotContain(false, resident);
                };
            case "fork":
                return () => Assert.NotNull(_space.Fork());
            case "make a space":
                return () => _machine.CreateSpace();
            case "move":
                return () => Assert.Equal(Errno.None, _space.Remap(At, Page, Page, RemapFlags.MayMove | RemapFlags.Fixed, At + (1L << 40)).Error);
            case "move several":
                return () => Assert.Equal(Errno.None, _space.Remap(At, 4 * Mebi, 4 * Mebi, RemapFlags.MayMove | RemapFlags.Fixed, At + (1L << 40)).Error);
            case "lock":
                return () => Assert.Equal(Errno.None, _space.LockMemory(At, 8 * Page));
            case "advise":
                return () => Assert.Equal(Errno.None, _space.Advise(At, 8 * Page, Advice.PopulateWrite));
            case "user copy":
                Assert.Equal(Errno.None, _space.RegisterUserFaults(At, 2 * Mebi, UserFaultModes.Missing, new Nobody()));
                return () => Assert.Equal(Errno.None, _space.UserCopy(At + Page, new byte[4 * Page]));
            case "user copy into a file":
                var memory = _machine.CreateMemoryFile("memory", 4 * Mebi);
                Map(_space, MapRequest.SharedFile(memory, Rights.ReadWrite), 8 * Mebi);
                Assert.Equal(Errno.None, _space.RegisterUserFaults(At + (8 * Mebi), 4 * Mebi, UserFaultModes.Missing, new Nobody()));
                return () => Assert.Equal(Errno.None, _space.UserCopy(At + (8 * Mebi), new byte[4 * Page]));
            default:
                var shown = _machine.CreateMemoryFile("shown", 4 * Page);
                Map(_space, MapRequest.PrivateFile(shown, Rights.ReadWrite), 8 * Mebi);
                Resolved(_space.Fault(At + (8 * Mebi), AccessKind.Read));

                // Another keeps the file's table: what the store leaves is not to be had.
                var other = _machine.CreateSpace();
                Map(other, MapRequest.PrivateFile(shown, Rights.ReadWrite), 8 * Mebi);
                Resolved(other.Fault(At + (8 * Mebi), AccessKind.Read));
                return () => Resolved(_space.Fault(At + (8 * Mebi), AccessKind.Write));
        }
    }

    /// <summary>Uses all memory, so that nothing is free and nothing can be given back.</summary>
    private void Fill()
    {
        while (_filler.Populate(AddressRange.FromLength(At, 16 * Mebi), AccessKind.Write).IsResolved)
        {
            Assert.Fail("The filler is too small for the machine.");
        }

        _machine.Reclaim();
        while (_machine.Store.Frames.TryAllocate(FrameKind.Bad, out _))
        {
            // The last ones, for which the filler had no table.
        }
    }

    private static void Map(AddressSpace space, MapRequest request, long at) =>
        Assert.Equal(Errno.None, space.Map(request with { Address = At + at, Placement = MapPlacement.Fixed }).Error);

    private static void Resolved(FaultResult result) => Assert.True(result.IsResolved, result.ToString());

    private sealed class Nobody : IUserFaultHandler
    {
        public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access) => false;
    }
}
