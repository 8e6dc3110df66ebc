#if PANDO_CHECKED // The ordinary build has no schedule points.
using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>The explorer finds what it is for, in models that are wrong on purpose, and says how to have it again.</summary>
public class ExplorerTests
{
    [Fact]
    public void A_lost_update_is_found_with_one_preemption_and_can_be_had_again()
    {
        var found = Explorer.Find(LostUpdate, 100);
        Report(found);
        Assert.Contains("Expected: 2", found.Failure, StringComparison.Ordinal);
        Assert.Contains($"Explorer.Replay(LostUpdate, \"{found.Schedule}\");", found.Failure, StringComparison.Ordinal);
        Assert.InRange(found.Schedules, 2, 10);
        Assert.Single(Deviation.Parse(found.Schedule!));
        Assert.Contains("Expected: 2", Assert.ThrowsAny<Exception>(() => Explorer.Replay(LostUpdate, found.Schedule!)).Message, StringComparison.Ordinal);
        Explorer.Replay(LostUpdate, "");
    }

    [Fact]
    public void Two_locks_taken_in_opposite_order_are_found_as_a_deadlock_with_where_each_thread_stands()
    {
        var found = Explorer.Find(OppositeOrder, 100);
        Report(found);
        Assert.Contains("Deadlock", found.Failure, StringComparison.Ordinal);
        Assert.Contains("A at LockWaiting", found.Failure, StringComparison.Ordinal);
        Assert.Contains("B at LockWaiting", found.Failure, StringComparison.Ordinal);
        Assert.InRange(found.Schedules, 2, 20);
    }

    [Fact]
    public void A_thing_made_twice_without_compare_and_exchange_is_found_and_with_it_is_not()
    {
        var found = Explorer.Find(() => MakeOnce(exchanges: false), 100);
        Report(found);
        Assert.NotNull(found.Failure);
        Assert.Null(Explorer.Find(() => MakeOnce(exchanges: true), 1000).Failure);
    }

    [Fact]
    public void A_thread_that_waits_for_what_never_comes_is_a_livelock()
    {
        bool flag = false;
        var found = Explorer.Find(
            () => new Scenario(
                [
                    () =>
                    {
                        while (!flag)
                        {
                            Schedule.Reach(SchedulePoint.SharedWord);
                        }
                    },
                    () => Schedule.Reach(SchedulePoint.SharedWord),
                ],
                () => { }),
            10);
        Assert.Contains("Livelock", found.Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void An_order_that_takes_three_threads_and_two_preemptions_is_found()
    {
        // C must run between two steps of B, which must run between two steps of A.
        var found = Explorer.Find(
            () =>
            {
                int a = 0, b = 0, wrong = 0;
                return new Scenario(
                    [
                        () => { a = 1; Point(); a = 2; },
                        () => { bool first = a == 1; Point(); b = first ? 1 : 0; Point(); b = 2; },
                        () => wrong = b == 1 && a == 1 ? 1 : 0,
                    ],
                    () => Assert.Equal(0, wrong));
            },
            1000);
        Report(found);
        Assert.NotNull(found.Failure);
        Assert.Equal(2, Deviation.Parse(found.Schedule!).Length);
    }

    [Fact]
    public void Every_order_of_steps_that_concern_each_other_is_run()
    {
        // Two threads of three steps each, which stand for 6! / (3! 3!) = 20 orders.
        var orders = new List<string>();
        var result = Explorer.Find(
            () =>
            {
                string order = "";
                Action Body(char name) => () =>
                {
                    for (int i = 0; i < 3; i++)
                    {
                        Point();
                        order += name;
                    }
                };
                return new Scenario([Body('a'), Body('b')], () => orders.Add(order));
            },
            1000,
            preemptions: 10);
        Assert.Null(result.Failure);
        Assert.Equal(20, orders.Distinct().Count());
        Assert.True(result.IsComplete(6));
    }

    [Fact]
    public void A_scenario_that_depends_on_more_than_the_order_of_its_threads_is_reported()
    {
        int runs = 0;
        var found = Explorer.Find(
            () =>
            {
                int extra = runs++ % 2;
                return new Scenario(
                    [
                        () =>
                        {
                            for (int i = 0; i < 2 + extra; i++)
                            {
                                Schedule.Reach(i == extra ? SchedulePoint.SharedWord : SchedulePoint.EntryRead);
                            }
                        },
                        Point,
                    ],
                    () => { });
            },
            100);
        Assert.Contains("depends on more than the order of its threads", found.Failure, StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_about_different_things_are_not_interleaved_and_about_one_thing_they_are()
    {
        static Scenario Two(long first, long second) => new(
            [() => Schedule.Reach(SchedulePoint.EntryWrite, first), () => Schedule.Reach(SchedulePoint.EntryWrite, second)],
            () => { });

        // Whoever begins first; and, where it matters, the other between its coming to the step and making it.
        Assert.Equal([(2, 2L), (0, 0L)], Explorer.Find(() => Two(1, 2), 100, preemptions: 1).ByPreemptions);
        Assert.Equal([(2, 2L), (2, 2L)], Explorer.Find(() => Two(1, 1), 100, preemptions: 1).ByPreemptions);
    }

    [Fact]
    public void A_schedule_that_the_code_has_no_steps_for_is_not_taken_for_one_that_passes()
    {
        Assert.Throws<ScheduleChangedException>(() => Explorer.Replay(LostUpdate, "0B 999A"));
        Assert.Contains("cannot go on", Assert.ThrowsAny<Exception>(() => Explorer.Replay(LostUpdate, "2D")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_told_has_no_preemption_that_it_does_not_need()
    {
        var found = Explorer.Find(
            () =>
            {
                int value = 0;
                void Add()
                {
                    for (int i = 0; i < 20; i++)
                    {
                        Point();
                    }

                    int seen = value;
                    Point();
                    value = seen + 1;
                }

                return new Scenario([Add, Add, Add], () => Assert.Equal(3, value));
            },
            3000,
            preemptions: 0);
        Assert.NotNull(found.Failure);
        Assert.True(found.Random > 0);
        Assert.InRange(Deviation.Parse(found.Schedule!).Length, 1, 2);
    }

    private static void Point() => Schedule.Reach(SchedulePoint.SharedWord);

    private static void Report(Exploration found) =>
        TestContext.Current.TestOutputHelper?.WriteLine($"found in schedule {found.Schedules}: {found.Schedule}");

    private static Scenario LostUpdate()
    {
        int value = 0;
        void Add()
        {
            Point();
            int seen = value;
            Point();
            value = seen + 1;
        }

        return new Scenario([Add, Add], () => Assert.Equal(2, value));
    }

    private static Scenario OppositeOrder()
    {
        int first = 0, second = 0;
        return new Scenario(
            [
                () =>
                {
                    using (WordLock.Hold(ref first, LockRank.None))
                    {
                        WordLock.Hold(ref second, LockRank.None).Dispose();
                    }
                },
                () =>
                {
                    using (WordLock.Hold(ref second, LockRank.None))
                    {
                        WordLock.Hold(ref first, LockRank.None).Dispose();
                    }
                },
            ],
            () => { });
    }

    private static Scenario MakeOnce(bool exchanges)
    {
        object? made = null;
        int count = 0;
        void Make()
        {
            Point();
            if (made is null)
            {
                Point();
                if (!exchanges)
                {
                    made = new object();
                    count++;
                }
                else if (Interlocked.CompareExchange(ref made, new object(), null) is null)
                {
                    count++;
                }
            }
        }

        return new Scenario([Make, Make, Make], () => Assert.Equal(1, count));
    }
}
#endif
