using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Spaces;

/// <summary>
/// userfaultfd's write protection: pages of files stay protected whatever happens to the leaves that show them, and until they are told
/// otherwise.
/// </summary>
public sealed class UserProtectionTests
{
    private const long Size = 4 * Mebi;
    private const int Pages = (int)(Size / Page);

    public enum Pages4Mebi
    {
        Small,
        Transparent,
        Fixed,
    }

    public static TheoryData<Pages4Mebi, string> Operations()
    {
        var data = new TheoryData<Pages4Mebi, string>();
        foreach (var pages in Enum.GetValues<Pages4Mebi>())
        {
            foreach (string operation in (string[])["unprotect", "mprotect", "munmap", "mremap", "punch", "remove", "dontneed", "truncate", "unregister", "other modes", "fork", "lock", "populate", "reclaim"])
            {
                data.Add(pages, operation);
            }
        }

        return data;
    }

    /// <summary>4 MiB are protected; something happens to the first page. Every other page still asks before it is stored to.</summary>
    [Theory]
    [MemberData(nameof(Operations))]
    public void Protection_stays_when_something_happens_to_one_page(Pages4Mebi pages, string operation)
    {
        using var bench = new OperationBench();
        MemoryFile file = pages switch
        {
            Pages4Mebi.Small => bench.MemoryFile(Size),
            Pages4Mebi.Transparent => bench.MemoryFile(Size, 2 * Mebi),
            _ => bench.HugeFile(Size),
        };
        long one = file.MappingAlignment;
        var (process, other) = (bench.Start(), bench.StartSharers(1, file)[0]);
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        Assert.True(process.Space.Populate(AddressRange.FromLength(At, Size), AccessKind.Write).IsResolved);
        var recorder = new UserFaultRecorder((space, at, _) => space.UserWriteProtect(at, one, false));
        bench.Does(process.Space.RegisterUserFaults(At, Size, UserFaultModes.WriteProtect, recorder));

        // Now it has tables of its own, with leaves as large as can be.
        Assert.True(process.Space.Populate(AddressRange.FromLength(At, Size), AccessKind.Write).IsResolved);
        bench.Does(process.Space.UserWriteProtect(At, Size, true));

        bool firstIsFree = operation is "unprotect" or "unregister" or "other modes";
        bool firstIsGone = firstIsFree || operation is "munmap" or "mremap";
        bench.Does(Do(operation));
        if (firstIsFree)
        {
            // Also where one leaf has shown it and protected pages.
            process.Store(At, 6);
            Assert.Empty(recorder.Asked);
            bench.Sound();
        }

        bool firstAsked = recorder.Asked.Count > 0;
        for (long offset = firstIsGone ? one : 0; offset < Size; offset += one)
        {
            int before = recorder.Asked.Count;
            if (operation is "truncate" && file.Size == 0)
            {
                break;
            }

            other.Store(At + offset, 5);
            Assert.Equal(before, recorder.Asked.Count);
            process.Store(At + offset, 6);
            if (offset > 0 || !firstAsked)
            {
                Assert.Equal((At + offset, UserFaultKind.WriteProtect, AccessKind.Write), recorder.Asked[^1]);
                Assert.Equal(before + 1, recorder.Asked.Count);
            }

            Assert.Equal(6, other.Load(At + offset));
        }

        bench.Sound();

        Errno Do(string what)
        {
            var space = process.Space;
            switch (what)
            {
                case "unprotect":
                    return space.UserWriteProtect(At, one, false);
                case "mprotect":
                    bench.Does(space.Protect(At, one, Rights.Read));
                    return space.Protect(At, one, Rights.ReadWrite);
                case "munmap":
                    return space.Unmap(At, one);
                case "mremap":
                    return space.Remap(At, one, one, RemapFlags.MayMove | RemapFlags.Fixed, At + Gibi).Error;
                case "punch":
                    return file.PunchHole(0, one);
                case "remove":
                    return space.Advise(At, one, Advice.Remove);
                case "dontneed":
                    return space.Advise(At, one, Advice.DontNeed);
                case "truncate":
                    bench.Does(file.SetSize(0));
                    return file.SetSize(Size);
                case "unregister":
                    return space.UnregisterUserFaults(At, one);
                case "other modes":
                    return space.RegisterUserFaults(At, one, UserFaultModes.Missing, recorder);
                case "fork":
                    process.Fork().Store(At, 9);
                    return Errno.None;
                case "lock":
                    return space.LockMemory(At, one);
                case "populate":
                    return space.Advise(At, one, Advice.PopulateWrite);
                default:
                    bench.Machine.Reclaim();
                    return Errno.None;
            }
        }
    }

    [Fact]
    public void What_is_no_longer_registered_is_stored_to_and_populated_without_the_handler()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(bench.MemoryFile(Size, 2 * Mebi), Rights.ReadWrite));
        process.Store(At, 1);
        var recorder = new UserFaultRecorder((space, at, _) => space.UserWriteProtect(at, Page, false));
        bench.Does(process.Space.RegisterUserFaults(At, Size, UserFaultModes.WriteProtect, recorder));
        bench.Does(process.Space.UserWriteProtect(At, Size, true));
        bench.Does(process.Space.UnregisterUserFaults(At, Page));
        process.Store(At, 2);
        bench.Does(process.Space.Advise(At, Page, Advice.PopulateWrite));
        Assert.Empty(recorder.Asked);
        bench.Does(process.Space.Advise(At, 2 * Mebi, Advice.PopulateWrite));
        Assert.Equal(511, recorder.Asked.Count);
    }

    [Fact]
    public void Protection_stays_when_no_table_can_be_had_for_the_parts_of_a_large_leaf()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(bench.MemoryFile(Size, 2 * Mebi), Rights.ReadWrite));
        process.Store(At, 1);
        var recorder = new UserFaultRecorder((space, at, _) => space.UserWriteProtect(at, Page, false));
        bench.Does(process.Space.RegisterUserFaults(At, Size, UserFaultModes.WriteProtect, recorder));
        bench.Does(process.Space.UserWriteProtect(At, Size, true));
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = () => true;
        bench.Does(process.Space.Unmap(At, Page));
        bench.Machine.Store.Omissions[OmittedStep.Allocation] = null;
        for (int page = 1; page < Pages; page += 100)
        {
            process.Store(At + (page * Page), 2);
            Assert.Equal((At + (page * Page), UserFaultKind.WriteProtect, AccessKind.Write), recorder.Asked[^1]);
        }
    }

    [Fact]
    public void A_part_of_a_page_that_cannot_be_smaller_is_not_protected()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(bench.HugeFile(Size), Rights.ReadWrite));
        process.Store(At, 1);
        bench.Does(process.Space.RegisterUserFaults(At, Size, UserFaultModes.WriteProtect, new UserFaultRecorder()));
        bench.Fails(Errno.EINVAL, () => process.Space.UserWriteProtect(At, Page, true));
        bench.Fails(Errno.EINVAL, () => process.Space.UserWriteProtect(At + Page, 2 * Mebi, true));
        bench.Does(process.Space.UserWriteProtect(At, 2 * Mebi, true));
        bench.Fails(Errno.EINVAL, () => process.Space.UserWriteProtect(At, Page, false));
        Assert.Equal(AccessOutcome.BusError, process.StoreOutcome(At + (5 * Page)));
    }

    [Fact]
    public void What_is_not_there_yet_is_protected_and_takes_no_memory_but_the_marks()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        var file = bench.MemoryFile(8 * Gibi);
        process.Map(MapRequest.SharedFile(file, Rights.ReadWrite));
        bench.Does(process.Space.RegisterUserFaults(At, 8 * Gibi, UserFaultModes.WriteProtect | UserFaultModes.Missing, new UserFaultRecorder((space, at, kind) =>
            kind == UserFaultKind.Missing ? space.UserZero(at, Page) : space.UserWriteProtect(at, Page, false))));
        int before = bench.Machine.FramesInUse;
        bench.Does(process.Space.UserWriteProtect(At, 8 * Gibi, true));
        Assert.InRange(bench.Machine.FramesInUse - before, 64, 70);
        Assert.Null(file.Locate(Gibi));
        process.Store(At + Gibi, 1);
        bench.Does(process.Space.UserWriteProtect(At, 8 * Gibi, false));
        process.Store(At + (2 * Gibi), 1);
        Assert.Equal(0, process.Space.ProtectedPages.FrameCount);
    }

    [Fact]
    public void Marks_are_given_back_as_pages_are_unprotected()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(bench.MemoryFile(8 * Gibi), Rights.ReadWrite));
        bench.Does(process.Space.RegisterUserFaults(At, 8 * Gibi, UserFaultModes.WriteProtect, new UserFaultRecorder()));
        bench.Does(process.Space.UserWriteProtect(At, 8 * Gibi, true));
        int all = process.Space.ProtectedPages.FrameCount;
        bench.Does(process.Space.UserWriteProtect(At + (32 * Page), Page, true));
        bench.Does(process.Space.UserWriteProtect(At, 4 * Gibi, false));
        Assert.Equal(all - 32, process.Space.ProtectedPages.FrameCount);
        bench.Does(process.Space.Unmap(At + (4 * Gibi) + Page, (4 * Gibi) - Page));
        Assert.Equal(1, process.Space.ProtectedPages.Count);
        Assert.InRange(process.Space.ProtectedPages.FrameCount, 1, all - 63);
        bench.Does(process.Space.UserWriteProtect(At + (4 * Gibi), Page, false));
        Assert.Equal(0, process.Space.ProtectedPages.FrameCount);
        bench.Sound();
    }

    [Fact]
    public void Where_memory_is_out_nothing_is_protected()
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(bench.MemoryFile(Gibi), Rights.ReadWrite));
        bench.Does(process.Space.RegisterUserFaults(At, Gibi, UserFaultModes.WriteProtect, new UserFaultRecorder()));
        for (int nth = 0; ; nth++)
        {
            int left = nth;
            bench.Machine.Store.Omissions[OmittedStep.Allocation] = () => left-- <= 0;
            var error = process.Space.UserWriteProtect(At, Gibi, true);
            bench.Machine.Store.Omissions[OmittedStep.Allocation] = null;
            bench.Sound();
            Assert.Equal(error == Errno.None ? Gibi / Page : 0, process.Space.ProtectedPages.Count);
            if (error == Errno.None)
            {
                Assert.InRange(nth, 8, 16);
                break;
            }

            Assert.Equal(Errno.ENOMEM, error);
        }
    }

    [Theory]
    [InlineData(UserFaultModes.Missing)]
    [InlineData(UserFaultModes.WriteProtect)]
    public void A_handler_that_resolves_nothing_ends_the_access_in_a_bus_error(UserFaultModes mode)
    {
        using var bench = new OperationBench();
        var process = bench.Start();
        process.Map(MapRequest.SharedFile(bench.MemoryFile(Size), Rights.ReadWrite));
        var recorder = new UserFaultRecorder((_, _, _) => Errno.None);
        bench.Does(process.Space.RegisterUserFaults(At, Size, mode, recorder));
        if (mode == UserFaultModes.WriteProtect)
        {
            bench.Does(process.Space.UserWriteProtect(At, Size, true));
        }

        Assert.Equal(AccessOutcome.BusError, process.StoreOutcome(At));
        Assert.Equal(Errno.EFAULT, process.Space.Advise(At, Size, Advice.PopulateWrite));
        Assert.InRange(recorder.Asked.Count, 2, 100_000);
    }
}
