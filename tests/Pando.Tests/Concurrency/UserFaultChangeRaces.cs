#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Concurrency;

/// <summary>
/// Faults that a handler resolves, beside what handlers do and beside everything that changes the file or the space: a page that is registered shows only what somebody gave it, a page that is protected takes a store only after
/// somebody has let go of it, no frame is lost, and nobody waits for ever.
/// </summary>
public class UserFaultChangeRaces
{
    /// <summary>One or two accesses of a process to what is registered.</summary>
    private static readonly Dictionary<string, Action<WatchedMemory>> Accesses = new()
    {
        ["loads of what is not shown"] = memory =>
        {
            memory.Load(0);
            memory.Load(3);
        },
        ["a store to what is not there"] = memory =>
        {
            memory.Store(0);
            memory.Load(0);
        },
        ["stores to what is there, shown and not"] = memory =>
        {
            memory.Store(1);
            memory.Store(3);
        },
        ["a load and a store of what is protected"] = memory =>
        {
            memory.Load(2);
            memory.Store(2);
        },
        ["populating for stores"] = memory => memory.Populate(),
    };

    /// <summary>What a handler, or who has set it up, does of itself.</summary>
    private static readonly Dictionary<string, Action<WatchedMemory>> Requests = new()
    {
        ["copy"] = memory => memory.Copy(0, protect: false),
        ["copy protected"] = memory => memory.Copy(0, protect: true),
        ["zeroes"] = memory => memory.Zero(0),
        ["continue"] = memory => memory.Continue(3, protect: false),
        ["continue protected"] = memory => memory.Continue(3, protect: true),
        ["protect"] = memory => memory.Protect(0, WatchedMemory.Pages),
        ["protect and let go"] = memory =>
        {
            memory.Protect(1, 2);
            memory.LetGo(1, 1);
        },
        ["unregister"] = memory => memory.Unregister(0, WatchedMemory.Pages),
        ["unregister a page"] = memory => memory.Unregister(1, 1),
        ["register other modes"] = memory => memory.RegisterAnew(UserFaultModes.Missing),
    };

    /// <summary>What happens to the file, or to the space, meanwhile.</summary>
    private static readonly Dictionary<string, Action<WatchedMemory>> Changes = new()
    {
        ["a hole"] = memory => memory.Punch(0, WatchedMemory.Pages),
        ["a hole of a page"] = memory => memory.Punch(3, 1),
        ["truncation and growth"] = memory =>
        {
            memory.Resize(1);
            memory.Resize(WatchedMemory.Pages);
        },
        ["munmap"] = memory => memory.Unmap(0, WatchedMemory.Pages),
        ["munmap of a page"] = memory => memory.Unmap(1, 1),
        ["mremap"] = memory => memory.Move(0, WatchedMemory.Pages),
        ["mremap of a page"] = memory => memory.Move(1, 1),
        ["mprotect"] = memory =>
        {
            memory.Allow(0, WatchedMemory.Pages, Rights.Read);
            memory.Allow(0, WatchedMemory.Pages, Rights.ReadWrite);
        },
        ["mprotect of a page"] = memory =>
        {
            memory.Allow(2, 1, Rights.None);
            memory.Allow(2, 1, Rights.ReadWrite);
        },
        ["MADV_DONTNEED"] = memory => memory.Drop(0, WatchedMemory.Pages),
        ["MADV_REMOVE"] = memory => memory.Remove(0, 2),
        ["fork"] = memory => memory.Fork(ends: false),
        ["fork and exit"] = memory => memory.Fork(ends: true),
        ["exit"] = memory => memory.Exit(),
        ["reclaim"] = memory => memory.World.Machine.Reclaim(),
        ["another process"] = memory => memory.TouchElsewhere(),
    };

    public static TheoryData<WatchedKind, string> Cases
    {
        get
        {
            var cases = new TheoryData<WatchedKind, string>();
            foreach (var kind in Enum.GetValues<WatchedKind>())
            {
                foreach (string change in Changes.Keys)
                {
                    cases.Add(kind, change);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void No_page_shows_what_nobody_gave_it_beside(WatchedKind kind, string change)
    {
        // Every access meets every request, in one case or another.
        string[] accesses = [.. Accesses.Keys];
        int next = (int)kind + Changes.Keys.ToList().IndexOf(change);
        int schedules = 0;
        foreach (string request in Requests.Keys)
        {
            string access = accesses[next++ % accesses.Length];
            var result = Explorer.Find(
                () => Make(kind, access, request, change),
                (kind is WatchedKind.HugeFile or WatchedKind.PartsOfLargePage ? 12 : 30) * Explorer.Factor,
                name: $"() => UserFaultChangeRaces.Make(WatchedKind.{kind}, \"{access}\", \"{request}\", \"{change}\")");
            schedules += result.Schedules;
            Assert.True(result.Failure is null, result.Failure);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{schedules:N0} schedules");
    }

    internal static Scenario Make(WatchedKind kind, string access, string request, string change)
    {
        var memory = new WatchedMemory(kind);
        return memory.World.Race(
            memory.CheckAtTheEnd,
            () => memory.Try(Accesses[access]),
            () => memory.Try(Requests[request]),
            () => memory.Try(Changes[change]));
    }
}
#endif
