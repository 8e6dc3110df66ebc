namespace Pando.Tests.Concurrency;

/// <summary>
/// Random priorities: the runnable thread with the highest goes on, and at a few random steps the one that runs gets
/// the lowest of all. A bug that takes d orderings of steps is found with a probability of at least 1/(n k^(d-1)) for n
/// threads and k steps (Burckhardt, Kothari, Musuvathi and Nagarakatte, ASPLOS 2010).
/// </summary>
#pragma warning disable CA5394 // A test wants a sequence that it can have again.
internal sealed class PriorityChoice : IScheduleChoice
{
    private readonly int[] _priorities;
    private readonly HashSet<int> _changes = [];
    private int _lowest;

    /// <param name="random">Where the priorities and the changes come from.</param>
    /// <param name="threads">How many threads there are.</param>
    /// <param name="steps">How many steps there are about.</param>
    /// <param name="changes">How often a priority changes.</param>
    public PriorityChoice(Random random, int threads, int steps, int changes)
    {
        _priorities = [.. Enumerable.Range(1, threads)];
        random.Shuffle(_priorities);
        for (int i = 0; i < changes; i++)
        {
            _changes.Add(random.Next(1, Math.Max(2, steps)));
        }
    }

    public int Choose(int number, in ScheduleStep step)
    {
        if (_changes.Contains(number))
        {
            _priorities[step.Current] = --_lowest;
        }

        int chosen = step.Usual;
        for (int i = 0; i < _priorities.Length; i++)
        {
            if ((step.Runnable & (1u << i)) != 0 && ((step.Runnable & (1u << chosen)) == 0 || _priorities[i] > _priorities[chosen]))
            {
                chosen = i;
            }
        }

        return chosen;
    }
}
