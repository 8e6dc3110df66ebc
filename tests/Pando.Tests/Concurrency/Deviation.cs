using System.Globalization;

namespace Pando.Tests.Concurrency;

/// <summary>A step of a schedule at which not the usual thread went on.</summary>
/// <param name="Step">The step's number.</param>
/// <param name="Thread">Who went on.</param>
/// <param name="Before">What must have happened before, as in <see cref="ScheduleStep.Before"/>; 0 where that is not known.</param>
internal readonly record struct Deviation(int Step, int Thread, ulong Before = 0)
{
    /// <summary>The deviations of a schedule that has been run.</summary>
    public static Deviation[] Of(List<ScheduleStep> steps)
    {
        var deviations = new List<Deviation>();
        for (int i = 0; i < steps.Count; i++)
        {
            if (steps[i].Chosen != steps[i].Usual)
            {
                deviations.Add(new Deviation(i, steps[i].Chosen, steps[i].Before));
            }
        }

        return [.. deviations];
    }

    /// <summary>A schedule as text, "17B 60A": at step 17 B goes on, at step 60 A.</summary>
    public static string Format(IEnumerable<Deviation> deviations) =>
        string.Join(' ', deviations.Select(deviation => string.Create(CultureInfo.InvariantCulture, $"{deviation.Step}{(char)('A' + deviation.Thread)}")));

    public static Deviation[] Parse(string text) =>
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(part => new Deviation(int.Parse(part.AsSpan(0, part.Length - 1), CultureInfo.InvariantCulture), part[^1] - 'A'))];
}
