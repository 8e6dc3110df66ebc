using System.Text;

namespace Pando.Tests.Concurrency;

/// <summary>What an exploration has done and found.</summary>
internal sealed class Exploration
{
    /// <summary>Schedules that were run before anything was found, that one included.</summary>
    public int Schedules { get; set; }

    /// <summary>Of those, the ones with random priorities.</summary>
    public int Random { get; set; }

    /// <summary>For each number of preemptions, schedules run and schedules there are as far as they are known.</summary>
    public List<(int Run, long Known)> ByPreemptions { get; } = [];

    /// <summary>Steps of the longest schedule.</summary>
    public int LongestSchedule { get; set; }

    /// <summary>How long it took.</summary>
    public TimeSpan Time { get; set; }

    /// <summary>What was found, with the schedule, as text; null where nothing was.</summary>
    public string? Failure { get; set; }

    /// <summary>The shortest schedule that was found to fail.</summary>
    public string? Schedule { get; set; }

    /// <summary>Whether every schedule up to that many preemptions has been run.</summary>
    public bool IsComplete(int preemptions) =>
        ByPreemptions.Count > preemptions && ByPreemptions.Take(preemptions + 1).All(level => level.Run == level.Known);

    public override string ToString()
    {
        var text = new StringBuilder($"{Schedules:N0} schedules");
        for (int i = 0; i < ByPreemptions.Count; i++)
        {
            var (run, known) = ByPreemptions[i];
            text.Append(run == known ? $", all {run:N0}" : $", {run:N0} of {known:N0}").Append($" with {i} preemptions");
        }

        return text.Append(Random > 0 ? $", {Random:N0} with random priorities" : "").Append($"; up to {LongestSchedule:N0} steps; {Time.TotalMilliseconds:N0} ms").ToString();
    }
}
