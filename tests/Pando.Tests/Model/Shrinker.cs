namespace Pando.Tests.Model;

/// <summary>
/// Delta debugging (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002): takes away ever
/// smaller pieces of a failing sequence as long as it keeps failing.
/// </summary>
internal static class Shrinker
{
    /// <summary>A part of <paramref name="sequence"/> that fails, and of which no single element can be left out.</summary>
    public static IReadOnlyList<T> Shrink<T>(IReadOnlyList<T> sequence, Func<IReadOnlyList<T>, bool> fails)
    {
        for (int piece = Math.Max(1, sequence.Count / 2); ;)
        {
            bool shrunk = false;
            for (int start = sequence.Count - 1; start >= 0; start -= piece)
            {
                int from = Math.Max(0, start - piece + 1);
                var without = sequence.Where((_, i) => i < from || i > start).ToList();
                if (fails(without))
                {
                    sequence = without;
                    shrunk = true;
                }
            }

            if (piece == 1 && !shrunk)
            {
                return sequence;
            }

            piece = Math.Max(1, piece / 2);
        }
    }
}
