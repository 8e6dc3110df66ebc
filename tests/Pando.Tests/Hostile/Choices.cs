namespace Pando.Tests.Hostile;

/// <summary>Which values of several lists to try together.</summary>
#pragma warning disable CA5394 // A test wants a sequence that it can have again.
internal static class Choices
{
    /// <summary>
    /// Every combination where there are few. Otherwise each value beside the first ones of the others, each beside the
    /// second ones, and the rest by chance.
    /// </summary>
    /// <param name="counts">How many values each list has.</param>
    /// <param name="most">The most combinations.</param>
    public static IEnumerable<int[]> Of(int[] counts, int most)
    {
        if (Array.Exists(counts, count => count == 0))
        {
            return [];
        }

        double all = counts.Aggregate(1.0, (product, count) => product * count);
        return all <= most ? All(counts, (int)all) : Some(counts, most);
    }

    private static IEnumerable<int[]> All(int[] counts, int all)
    {
        for (int number = 0; number < all; number++)
        {
            int[] choice = new int[counts.Length];
            int rest = number;
            for (int i = 0; i < counts.Length; i++)
            {
                choice[i] = rest % counts[i];
                rest /= counts[i];
            }

            yield return choice;
        }
    }

    private static List<int[]> Some(int[] counts, int most)
    {
        var choices = new List<int[]>();
        for (int others = 0; others < 2; others++)
        {
            for (int i = 0; i < counts.Length; i++)
            {
                for (int value = others; value < counts[i] && choices.Count < most; value++)
                {
                    int[] choice = [.. counts.Select(count => Math.Min(others, count - 1))];
                    choice[i] = value;
                    choices.Add(choice);
                }
            }
        }

        var random = new Random(counts.Length);
        while (choices.Count < most)
        {
            choices.Add([.. counts.Select(count => random.Next(count))]);
        }

        return choices;
    }
}
