using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>userfaultfd.</summary>
public sealed class UserFaultTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_missing_page_is_asked_for_once_and_has_what_the_handler_copied(bool shared)
    {
        using var bench = new OperationBench();
        byte[] contents = new byte[Page];
        Array.Fill(contents, (byte)7);
        var recorder = new UserFaultRecorder((space, at, _) => at == At ? space.UserCopy(at, contents) : space.UserZero(at, Page));
        var (one, other) = (bench.Start(), bench.Start());
        var file = bench.MemoryFile(4 * Page);
        one.Map(shared ? MapRequest.SharedFile(file, Rights.ReadWrite) : MapRequest.Anonymous(4 * Page, Rights.ReadWrite));
        other.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        bench.Does(one.Space.RegisterUserFaults(At, 4 * Page, UserFaultModes.Missing, recorder));
        Assert.Equal((7, 0), (one.Load(At + 5), one.Load(At + Page)));
        Assert.Equal([(At, UserFaultKind.Missing, AccessKind.Read), (At + Page, UserFaultKind.Missing, AccessKind.Read)], recorder.Asked);
        other.Store(At + (2 * Page), 3);
        one.Store(At + 5, 8);
        if (shared)
        {
            // What the file has is not missing, and what the handler gave is everybody's.
            Assert.Equal((3, 8), (one.Load(At + (2 * Page)), other.Load(At + 5)));
            Assert.Equal((2, (0, 0, 0, 1)), (recorder.Asked.Count, one.Own));
        }

        Assert.Equal(Errno.EEXIST, one.Space.UserCopy(At, contents));
        bench.Does(one.Space.UnregisterUserFaults(At, 4 * Page));
        Assert.Equal(0, one.Load(At + (3 * Page)));
        bench.Sound();
    }

    [Fact]
    public void Minor_faults_are_the_process_s_own_although_others_map_the_page()
    {
        using var bench = new OperationBench();
        var file = bench.MemoryFile(4 * Page);
        var sharers = bench.StartSharers(2, file);
        var recorder = new UserFaultRecorder((space, at, _) => space.UserContinue(at, Page));
        sharers[1].Store(At + Page, 4);
        bench.Does(sharers[0].Space.RegisterUserFaults(At, 4 * Page, UserFaultModes.Minor, recorder));
        Assert.False(sharers[0].Sees(At));
        Assert.Equal((1, 1, 1, 1), (Own(sharers[0], At + Page, 4), sharers[1].Own.Root, recorder.Asked.Count, 1));
        Assert.Equal([(At + Page, UserFaultKind.Minor, AccessKind.Read)], recorder.Asked);
        Assert.Equal(Errno.EEXIST, sharers[0].Space.UserContinue(At + Page, Page));
        Assert.Equal(Errno.EFAULT, sharers[0].Space.UserContinue(At + (2 * Page), Page));
        Assert.Equal((0, 0, 0, 1), sharers[1].Own);
        bench.Does(sharers[0].Space.UnregisterUserFaults(At, 4 * Page));
        Assert.Equal((0, 0, 0, 1), sharers[0].Own);

        static int Own(BenchProcess process, VirtualAddress at, byte expected)
        {
            Assert.Equal(expected, process.Load(at));
            return process.Own.Pte;
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Protected_pages_ask_for_stores_of_this_process_alone(bool shared)
    {
        using var bench = new OperationBench();
        var recorder = new UserFaultRecorder((space, at, _) => space.UserWriteProtect(at, Page, false));
        var file = bench.MemoryFile(4 * Page);
        var (one, other) = (bench.Start(), bench.StartSharers(1, file)[0]);
        one.Map(shared ? MapRequest.SharedFile(file, Rights.ReadWrite) : MapRequest.Anonymous(4 * Page, Rights.ReadWrite));
        one.Store(At, 1);
        one.Load(At + Page);
        bench.Does(one.Space.RegisterUserFaults(At, 4 * Page, UserFaultModes.WriteProtect, recorder));
        bench.Does(one.Space.UserWriteProtect(At, 2 * Page, true));
        other.Store(At + Page, 5);
        Assert.Equal(shared ? (1, 5) : (1, 0), (one.Load(At), one.Load(At + Page)));
        Assert.Empty(recorder.Asked);
        one.Store(At, 2);
        one.Store(At + Page, 3);
        one.Store(At + Page, 4);
        one.Store(At + (2 * Page), 6);
        Assert.Equal([(At, UserFaultKind.WriteProtect, AccessKind.Write), (At + Page, UserFaultKind.WriteProtect, AccessKind.Write)], recorder.Asked);
        Assert.Equal((2, 4, 6), (one.Load(At), one.Load(At + Page), one.Load(At + (2 * Page))));
        bench.Does(one.Space.UserWriteProtect(At, Page, true));
        bench.Does(one.Space.UnregisterUserFaults(At, 4 * Page));
        one.Store(At, 9);
        Assert.Equal(2, recorder.Asked.Count);
        Assert.Equal(shared ? 9 : 0, other.Load(At));
        bench.Sound();
    }

    [Fact]
    public void A_child_has_no_handler_and_past_the_end_nobody_is_asked()
    {
        using var bench = new OperationBench();
        var recorder = new UserFaultRecorder();
        var process = bench.Start();
        process.Map(new MapRequest(4 * Page, Rights.ReadWrite) { File = bench.MemoryFile(2 * Page), Shared = true });
        bench.Does(process.Space.RegisterUserFaults(At, 4 * Page, UserFaultModes.Missing, recorder));
        Assert.Equal(AccessOutcome.BusError, process.LoadOutcome(At + (3 * Page)));
        Assert.Empty(recorder.Asked);
        Assert.Equal(Errno.EFAULT, process.Space.UserZero(At + (3 * Page), Page));
        Assert.Equal(0, process.Fork().Load(At + Page));
        Assert.Equal(AccessOutcome.BusError, process.LoadOutcome(At));
        Assert.Equal((At, UserFaultKind.Missing, AccessKind.Read), Assert.Single(recorder.Asked));
    }

    [Fact]
    public void Every_bad_argument_has_its_errno_and_changes_nothing()
    {
        using var bench = new OperationBench();
        var process = bench.StartSharers(1, bench.DaxFile(2 * Mebi))[0];
        var space = process.Space;
        var memory = process.Map(MapRequest.SharedFile(bench.MemoryFile(4 * Page), Rights.Read) with { OpenedFor = Rights.Read }, At + Gibi);
        var anonymous = process.Map(MapRequest.Anonymous(4 * Page, Rights.ReadWrite), At + (2 * Gibi));
        var huge = process.Map(MapRequest.SharedFile(bench.HugeFile(4 * Mebi), Rights.ReadWrite), At + (3 * Gibi));
        var (handler, another) = (new UserFaultRecorder(), new UserFaultRecorder());
        bench.Fails(Errno.EINVAL, () => space.RegisterUserFaults(At, Page, UserFaultModes.Missing, handler));
        bench.Fails(Errno.EINVAL, () => space.RegisterUserFaults(anonymous + 1, Page, UserFaultModes.Missing, handler));
        bench.Fails(Errno.EINVAL, () => space.RegisterUserFaults(anonymous, 0, UserFaultModes.Missing, handler));
        bench.Fails(Errno.EINVAL, () => space.RegisterUserFaults(anonymous, Page, UserFaultModes.None, handler));
        bench.Fails(Errno.EINVAL, () => space.RegisterUserFaults(anonymous, Page, (UserFaultModes)8, handler));
        bench.Fails(Errno.EINVAL, () => space.RegisterUserFaults(anonymous, Page, UserFaultModes.Minor, handler));
        bench.Fails(Errno.EINVAL, () => space.RegisterUserFaults(huge, Page, UserFaultModes.Missing, handler));
        bench.Fails(Errno.EPERM, () => space.RegisterUserFaults(memory, Page, UserFaultModes.Missing, handler));
        bench.Fails(Errno.ENOENT, () => space.UserZero(anonymous, Page));
        bench.Fails(Errno.ENOENT, () => space.UserContinue(anonymous, Page));
        bench.Fails(Errno.ENOENT, () => space.UserWriteProtect(anonymous, Page, true));
        bench.Fails(Errno.EINVAL, () => space.UserCopy(anonymous, new byte[100]));
        bench.Fails(Errno.EINVAL, () => space.UnregisterUserFaults(anonymous + 1, Page));
        bench.Fails(Errno.EINVAL, () => space.UnregisterUserFaults(At + (5 * Gibi), Page));
        bench.Does(space.RegisterUserFaults(anonymous, Page, UserFaultModes.Missing, handler));
        bench.Fails(Errno.EBUSY, () => space.RegisterUserFaults(anonymous, Page, UserFaultModes.Missing, another));
    }
}
