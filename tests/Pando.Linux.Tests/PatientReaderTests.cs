using Pando.Linux.Native;
using Pando.Linux.Proc;

namespace Pando.Linux.Tests;

/// <summary>Who is waited for, who is left behind, and what is said of them.</summary>
[Collection(nameof(LiveLinux))]
public class PatientReaderTests
{
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(0.4);

    [Fact]
    public void Who_answers_after_being_given_up_is_not_stuck()
    {
        using var answer = new ManualResetEventSlim();
        using var ended = new ManualResetEventSlim();
        var reader = new PatientReader(new ScanOptions { Proc = nameof(Who_answers_after_being_given_up_is_not_stuck), Budget = Short });
        var kept = new List<int>();

        reader.ForEach([1, 2], 1, pid => pid, "its test", (pid, _) =>
        {
            if (pid == 1)
            {
                answer.Wait(TestContext.Current.CancellationToken);
                ended.Set();
            }

            return pid;
        }, (_, pid) => kept.Add(pid));

        Assert.Equal([2], kept);
        Assert.Equal([1], reader.Stuck.Keys);
        Assert.True(reader.IsBlockedAt(1));
        answer.Set();
        ended.Wait(TestContext.Current.CancellationToken);
        Assert.True(SpinWait.SpinUntil(() => !reader.IsBlockedAt(1), TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public void Who_is_being_read_when_the_time_is_over_is_left_and_not_called_stuck()
    {
        var reader = new PatientReader(new ScanOptions { Proc = nameof(Who_is_being_read_when_the_time_is_over_is_left_and_not_called_stuck), Budget = Short });
        reader.Time.Until(0.5);

        var left = reader.ForEach([1, 2, 3, 4], 2, pid => pid, "its test", (_, file) => Endless(file), (_, _) => Assert.Fail("nothing is kept of it"));

        Assert.Equal(4, left);
        Assert.Empty(reader.Stuck);
        Assert.Equal(3, reader.ForEach([5, 6, 7], 2, pid => pid, "its test", (pid, _) => pid, (_, _) => Assert.Fail("the time is over")));
    }

    [Fact]
    public void Without_a_budget_no_time_is_over()
    {
        var time = new TimeBudget(null);
        time.Begin();
        time.Until(0);

        Assert.False(time.IsOver);
        Assert.Equal(Short, time.Left(Short));
    }

    [Fact]
    public void What_one_phase_leaves_goes_to_the_next()
    {
        var time = new TimeBudget(TimeSpan.FromDays(1));
        time.Begin();
        time.Until(0.5);
        var first = time.Left(TimeSpan.MaxValue);
        time.Until(0.75);

        Assert.InRange(first.TotalHours, 11, 12);
        Assert.InRange(time.Left(TimeSpan.MaxValue).TotalHours, 17, 18);
        Assert.False(time.IsOver);
        time.Until(0);
        Assert.True(time.IsOver);
        Assert.Equal(TimeSpan.Zero, time.Left(Short));
    }

    /// <summary>Calls that return, without end, until nobody waits for them.</summary>
    private static int Endless(FileContents file)
    {
        for (var calls = 0; ; calls++)
        {
            file.Heart.Beat();
        }
    }
}
