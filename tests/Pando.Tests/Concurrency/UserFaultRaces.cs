#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Support;
using static Pando.Tests.Concurrency.RaceWorld;

namespace Pando.Tests.Concurrency;

/// <summary>Faults that a user's handler resolves, and files in RAM, beside changes of the file and of the space.</summary>
public class UserFaultRaces
{
    private static readonly byte[] Sevens = [.. Enumerable.Repeat((byte)7, (int)Page)];

    [Fact]
    public void Hazard_37_a_handler_may_do_anything_while_others_unmap_and_truncate() => Explorer.Explore(HandlerBesideUnmap);

    [Fact]
    public void A_page_that_is_provided_beside_a_truncation_does_not_come_back_with_growth() => Explorer.Explore(CopyBesideTruncation);

    [Fact]
    public void Two_who_provide_one_page_give_it_the_contents_of_one() => Explorer.Explore(TwoCopies);

    [Fact]
    public void A_page_that_is_provided_to_private_memory_beside_a_store_is_one_or_the_other() => Explorer.Explore(CopyBesideStore);

    [Fact]
    public void A_first_touch_of_a_memory_file_beside_a_hole_and_growth_shows_zeroes() => Explorer.Explore(TouchBesideHole);

    [Fact]
    public void A_store_beside_a_write_protection_asks_the_handler_or_came_before() => Explorer.Explore(StoreBesideUserWriteProtect);

    internal static Scenario HandlerBesideUnmap()
    {
        var world = new RaceWorld();
        var file = world.MemoryFile(8 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        var handler = new UserFaultRecorder((asking, address, _) =>
        {
            Assert.True(asking.Fault(At + (4 * Page), AccessKind.Write) is { IsResolved: true } or { Kind: FaultKind.BusError });
            var error = asking.UserCopy(address, Sevens);
            return error is Errno.EEXIST ? Errno.None : error;
        });
        Succeeds(space.RegisterUserFaults(At, Page, UserFaultModes.Missing, handler));
        return world.Race(
            () =>
            {
                Assert.Equal(7, world.ByteOf(file, 0));
                Assert.Null(world.Shown(space, 4 * Page));
            },
            () => Resolves(space, 0, AccessKind.Read),
            () => Resolves(space, 0, AccessKind.Write),
            () => Succeeds(space.Unmap(At + (2 * Page), Page)),
            () => Succeeds(file.SetSize(2 * Page)));
    }

    internal static Scenario CopyBesideTruncation()
    {
        var world = new RaceWorld();
        var file = world.MemoryFile(4 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        Succeeds(space.RegisterUserFaults(At, 4 * Page, UserFaultModes.Missing, new UserFaultRecorder()));
        Errno copied = default;
        bool truncated = false;
        bool after = false;
        return world.Race(
            () =>
            {
                byte now = file.Locate(Page) is { } place ? world.Machine.Memory.Bytes(place, 1)[0] : (byte)0;
                Assert.True(now == 0 || (now == 7 && copied == Errno.None), $"{now} after {copied}");
                Assert.False(after && copied == Errno.None && file.Size == Page);
            },
            () =>
            {
                Point();
                after = truncated;
                copied = space.UserCopy(At + Page, Sevens);
                Assert.True(copied is Errno.None or Errno.EFAULT, copied.ToString());
            },
            () =>
            {
                Succeeds(file.SetSize(Page));
                Point();
                truncated = true;
            },
            () => Succeeds(file.PunchHole(2 * Page, Page)));
    }

    internal static Scenario TwoCopies()
    {
        var world = new RaceWorld();
        var file = world.MemoryFile(4 * Page);
        var (one, two) = (world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)), world.Space(MapRequest.SharedFile(file, Rights.ReadWrite)));
        foreach (var space in (AddressSpace[])[one, two])
        {
            Succeeds(space.RegisterUserFaults(At, 4 * Page, UserFaultModes.Missing, new UserFaultRecorder()));
        }

        var outcomes = new Errno[2];
        byte[] eights = [.. Enumerable.Repeat((byte)8, (int)Page)];
        return world.Race(
            () =>
            {
                Assert.Single(outcomes, Errno.None);
                Assert.Single(outcomes, Errno.EEXIST);
                Assert.Equal(outcomes[0] == Errno.None ? 7 : 8, world.ByteOf(file, 0));
                Assert.Equal(world.ByteOf(file, 0), world.ByteOf(file, Page - 1));
            },
            () => outcomes[0] = one.UserCopy(At, Sevens),
            () => outcomes[1] = two.UserCopy(At, eights));
    }

    internal static Scenario CopyBesideStore()
    {
        var world = new RaceWorld();
        var space = world.Space(MapRequest.Anonymous(Mebi, Rights.ReadWrite));
        Succeeds(space.RegisterUserFaults(At, Mebi, UserFaultModes.Missing, new UserFaultRecorder((asking, address, _) => asking.UserZero(address, Page) is Errno.None or Errno.EEXIST ? Errno.None : Errno.EINVAL)));
        var processor = world.Processor(space);
        Errno copied = default;
        return world.Race(
            () =>
            {
                Assert.True(processor.TryRead(At, out byte first).IsCompleted);
                Assert.True(processor.TryRead(At + 1, out byte second).IsCompleted);
                Assert.Equal((3, copied == Errno.None ? 7 : 0), (first, second));
            },
            () => Assert.True(processor.TryWrite(At, (byte)3).IsCompleted),
            () =>
            {
                copied = space.UserCopy(At, Sevens);
                Assert.True(copied is Errno.None or Errno.EEXIST, copied.ToString());
            });
    }

    internal static Scenario TouchBesideHole()
    {
        var world = new RaceWorld();
        var file = world.MemoryFile(4 * Page);
        var request = MapRequest.SharedFile(file, Rights.ReadWrite);
        var (one, two) = (world.Processor(world.Space(request)), world.Processor(world.Space(request)));
        Assert.True(one.TryWrite(At, (byte)1).IsCompleted);
        return world.Race(
            () =>
            {
                Assert.True(one.TryRead(At, out byte first).IsCompleted);
                Assert.True(two.TryRead(At, out byte second).IsCompleted);
                Assert.Equal(first, second);
                Assert.True(first is 0 or 5, $"read {first}");
            },
            () => Assert.True(one.TryWrite(At, (byte)5).IsCompleted),
            () => Assert.True(two.TryRead(At, out byte value).IsCompleted && value is 0 or 1 or 5),
            () =>
            {
                Succeeds(file.PunchHole(0, Page));
                Succeeds(file.SetSize(8 * Page));
            });
    }

    internal static Scenario StoreBesideUserWriteProtect()
    {
        var world = new RaceWorld();
        var file = world.MemoryFile(4 * Page);
        var space = world.Space(MapRequest.SharedFile(file, Rights.ReadWrite));
        var handler = new UserFaultRecorder((asking, address, _) => asking.UserWriteProtect(address, Page, false));
        Succeeds(space.RegisterUserFaults(At, 4 * Page, UserFaultModes.WriteProtect, handler));
        var processor = world.Processor(space);
        Assert.True(processor.TryWrite(At, (byte)1).IsCompleted);
        byte seen = 0;
        return world.Race(
            () =>
            {
                Assert.Equal(3, world.ByteOf(file, 0));
                Assert.True(handler.Asked.Count > 0 || seen == 3);
            },
            () =>
            {
                Assert.True(processor.TryWrite(At, (byte)2).IsCompleted);
                Assert.True(processor.TryWrite(At, (byte)3).IsCompleted);
            },
            () =>
            {
                Succeeds(space.UserWriteProtect(At, Page, true));
                seen = world.ByteOf(file, 0);
            });
    }
}
#endif
