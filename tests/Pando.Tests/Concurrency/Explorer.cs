using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>
/// Runs a scenario under many schedules, each in a fresh world: first all without a preemption, then with one, with two
/// and so on (the search of CHESS: Musuvathi and Qadeer, PLDI 2007), then with random priorities
/// (<see cref="PriorityChoice"/>). The environment variable PANDO_SCHEDULES multiplies how many.
/// </summary>
/// <remarks>
/// <para>
/// A preemption is tried only before a step that <see cref="Conflicts"/> with one that another thread is yet to make.
/// (Random priorities change at any step.) A schedule is told by where it deviates from the usual: a thread goes on while it can. Each is made once: from one
/// that has been run, by one deviation more, behind the last. Where there are more than can be run, a part of them is
/// taken by chance, with a fixed seed.
/// </para>
/// <para>
/// What fails is run again, to see that it depends on the schedule alone, then deviations are left out as long as it
/// still fails, and what is left is told in a form for <see cref="Replay"/>.
/// </para>
/// </remarks>
#pragma warning disable CA5394 // A test wants a sequence that it can have again.
internal sealed class Explorer : IDisposable
{
    /// <summary>Schedules for a scenario where nothing else is said.</summary>
    public const int Usual = 750;

    // Of a schedule with more preemptions, one with fewer is looked for among so many.
    private const int MostReadable = 2;
    private const int SchedulesForShorter = 1500;

    private readonly Func<Scenario> _make;
    private readonly Exploration _result = new();
    private readonly Random _random;
    private ControlledThread[] _threads = [];
    private readonly List<ScheduleStep> _steps = [];
    private readonly List<bool> _conflicts = [];

    private Explorer(Func<Scenario> make, int seed)
    {
        _make = make;
        _random = new Random(seed);
    }

    /// <summary>PANDO_SCHEDULES: by how much to multiply.</summary>
    public static int Factor { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("PANDO_SCHEDULES"), NumberStyles.Integer, CultureInfo.InvariantCulture, out int factor) ? Math.Max(1, factor) : 1;

    /// <summary>Explores, and fails the test with the schedule where the scenario fails.</summary>
    public static Exploration Explore(Func<Scenario> make, int schedules = Usual, int preemptions = 3, int seed = 1, [CallerArgumentExpression(nameof(make))] string name = "")
    {
        var result = Find(make, schedules * Factor, preemptions, seed, name);
        TestContext.Current.TestOutputHelper?.WriteLine(result.ToString());
        if (result.Failure is { } failure)
        {
            Assert.Fail(failure);
        }

        return result;
    }

    /// <summary>Explores, and tells what was found.</summary>
    public static Exploration Find(Func<Scenario> make, int schedules, int preemptions = 3, int seed = 1, [CallerArgumentExpression(nameof(make))] string name = "")
    {
        using var explorer = new Explorer(make, seed);
        var watch = Stopwatch.StartNew();
        var failed = explorer.Search(schedules, preemptions);
        explorer._result.Time = watch.Elapsed;
        if (failed is not null)
        {
            explorer.Report(failed, name);
        }

        return explorer._result;
    }

    /// <summary>Runs one schedule, as an exploration has told it.</summary>
    public static void Replay(Func<Scenario> make, string schedule)
    {
        using var explorer = new Explorer(make, 1);
        var choice = new PlannedChoice(Deviation.Parse(schedule));
        if (explorer.RunOne(choice) is { } failed)
        {
            Assert.Fail(failed.Failure + Environment.NewLine + failed.Standing);
        }

        if (!choice.IsComplete)
        {
            throw new ScheduleChangedException($"The threads ended before all of \"{schedule}\" was done: the code has changed since.");
        }
    }

    public void Dispose()
    {
        foreach (var thread in _threads)
        {
            thread.Dispose();
        }
    }

    private Failed? Search(int schedules, int preemptions)
    {
        // A third is left for random priorities, unless everything is done before.
        int systematic = schedules - (schedules / 3);
        var level = new Sample(_random, schedules);
        level.Add(new Plan(null, default));
        for (int bound = 0; bound <= preemptions; bound++)
        {
            var more = new Sample(_random, schedules);
            int run = 0;
            for (; level.TryTake(out var plan) && _result.Schedules < systematic; run++)
            {
                var deviations = plan.Deviations();
                if (RunOne(new PlannedChoice(deviations)) is { } failed)
                {
                    return failed;
                }

                Conflicts.Find(_steps, _conflicts);
                for (int i = deviations.Length == 0 ? 0 : deviations[^1].Step + 1; i < _steps.Count; i++)
                {
                    var step = _steps[i];
                    if (step.IsCurrentRunnable && !_conflicts[i])
                    {
                        continue;
                    }

                    for (uint others = step.Runnable & ~(1u << step.Chosen); others != 0; others &= others - 1)
                    {
                        var next = new Plan(plan, new Deviation(i, System.Numerics.BitOperations.TrailingZeroCount(others), step.Before));
                        (step.IsCurrentRunnable ? more : level).Add(next);
                    }
                }
            }

            _result.ByPreemptions.Add((run, level.Added));
            if (_result.Schedules >= systematic)
            {
                break;
            }

            level = more;
        }

        for (bool isDone = level.Added == 0; !isDone && _result.Schedules < schedules; _result.Random++)
        {
            var choice = new PriorityChoice(_random, _threads.Length, _result.LongestSchedule, 1 + (_result.Random % 4));
            if (RunOne(choice) is { } failed)
            {
                return failed;
            }
        }

        return null;
    }

    /// <summary>Runs one schedule in a fresh world.</summary>
    /// <returns>How it failed, or null.</returns>
    private Failed? RunOne(IScheduleChoice choice)
    {
        _result.Schedules++;
        _steps.Clear();
        Schedule.Controller = AloneController.Instance;
        try
        {
            var scenario = _make();
            try
            {
                if (_threads.Length == 0)
                {
                    _threads = [.. scenario.Threads.Select((_, number) => new ControlledThread(number))];
                }

                using var run = ScheduleRun.Run(_threads, scenario, choice, _steps);
                _result.LongestSchedule = Math.Max(_result.LongestSchedule, _steps.Count);
                if (run.Failure is { } failure)
                {
                    // They were ended in the middle of something.
                    Array.ForEach(_threads, thread => thread.Dispose());
                    _threads = [];
                    return new Failed(Deviation.Of(_steps), [.. _steps], failure, run.Standing);
                }

                try
                {
                    scenario.Check();
                    return null;
                }
                catch (Exception wrong)
                {
                    return new Failed(Deviation.Of(_steps), [.. _steps], wrong, "  All threads have ended." + Environment.NewLine);
                }
            }
            finally
            {
                scenario.World?.Dispose();
            }
        }
        finally
        {
            Schedule.Controller = null;
        }
    }

    private void Report(Failed first, string name)
    {
        int schedules = _result.Schedules;
        var failed = Shrink(first, out bool isSteady);
        if (isSteady && failed.Deviations.Length > MostReadable)
        {
            // What random priorities have found may be had with fewer preemptions; from where they stand they cannot be
            // left out one by one.
            using var again = new Explorer(_make, seed: 2);
            if (again.Search(SchedulesForShorter, preemptions: MostReadable) is { } other
                && again.Shrink(other, out bool isOtherSteady) is { } shorter
                && isOtherSteady
                && shorter.Deviations.Length < failed.Deviations.Length)
            {
                failed = shorter;
            }
        }

        _result.Schedules = schedules;
        _result.Schedule = Deviation.Format(failed.Deviations);
        var text = new StringBuilder($"Schedule {schedules:N0} fails: {failed.Failure}").AppendLine().AppendLine();
        if (!isSteady)
        {
            text.AppendLine("The same schedule did not do the same when it was run again: the scenario depends on more than the order of its threads.");
        }

        text.AppendLine("The order of the threads:");
        int from = 0;
        for (int i = 1; i <= failed.Steps.Count; i++)
        {
            if (i == failed.Steps.Count || failed.Steps[i].Chosen != failed.Steps[from].Chosen)
            {
                string until = i < failed.Steps.Count ? failed.Steps[i].Point is { } point ? $"to {point}" : "to its end" : "to the end";
                text.AppendLine(CultureInfo.InvariantCulture, $"  {(char)('A' + failed.Steps[from].Chosen)} from step {from} {until}");
                from = i;
            }
        }

        text.AppendLine("Where they stand:").Append(failed.Standing);
        text.Append(CultureInfo.InvariantCulture, $"To have it again: Explorer.Replay({name}, \"{_result.Schedule}\");");
        _result.Failure = text.ToString();
    }

    /// <summary>Leaves out deviations as long as the schedule still fails.</summary>
    private Failed Shrink(Failed failed, out bool isSteady)
    {
        var again = RunOne(new PlannedChoice(failed.Deviations));
        isSteady = again is not null && again.Steps.SequenceEqual(failed.Steps);
        for (int i = failed.Deviations.Length - 1; isSteady && i >= 0; i--)
        {
            Deviation[] fewer = [.. failed.Deviations.Where((_, index) => index != i).Select(deviation => deviation with { Before = 0 })];
            if (RunOne(new PlannedChoice(fewer, isExact: false)) is { } still && still.Deviations.Length < failed.Deviations.Length)
            {
                failed = still;
                i = failed.Deviations.Length;
            }
        }

        return failed;
    }

    /// <summary>A schedule that has failed.</summary>
    private sealed record Failed(Deviation[] Deviations, List<ScheduleStep> Steps, Exception Failure, string Standing);

    /// <summary>A schedule that is to be run: another one, and one deviation more.</summary>
    private sealed record Plan(Plan? From, Deviation Last)
    {
        public Deviation[] Deviations()
        {
            var deviations = new List<Deviation>();
            for (var plan = this; plan.From is not null; plan = plan.From)
            {
                deviations.Add(plan.Last);
            }

            deviations.Reverse();
            return [.. deviations];
        }
    }

    /// <summary>Of plans that are added one by one, as many as can be run, each with the same chance.</summary>
    private sealed class Sample(Random random, int most)
    {
        private readonly List<Plan> _plans = [];

        /// <summary>How many were added.</summary>
        public long Added { get; private set; }

        public void Add(Plan plan)
        {
            Added++;
            if (_plans.Count < most)
            {
                _plans.Add(plan);
            }
            else if (random.NextInt64(Added) is var index && index < most)
            {
                _plans[(int)index] = plan;
            }
        }

        public bool TryTake(out Plan plan)
        {
            // From anywhere, so that what is run is no one corner of what there is if not all can be.
            int index = _plans.Count == 0 ? -1 : random.Next(_plans.Count);
            plan = index < 0 ? null! : _plans[index];
            if (index >= 0)
            {
                _plans[index] = _plans[^1];
                _plans.RemoveAt(_plans.Count - 1);
            }

            return index >= 0;
        }
    }

    /// <summary>Controls the explorer's own thread, which makes and checks worlds while nobody else runs.</summary>
    private sealed class AloneController : IScheduleController
    {
        public static readonly AloneController Instance = new();

        public void Reach(SchedulePoint point, long what)
        {
            if (point == SchedulePoint.LockWaiting)
            {
                throw new InvalidOperationException("A lock is held, although every thread has ended.");
            }
        }
    }
}
