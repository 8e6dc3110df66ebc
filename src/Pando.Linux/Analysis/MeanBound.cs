namespace Pando.Linux.Analysis;

/// <summary>
/// Bounds of the mean of a population of numbers from 0 to 1, of which some were drawn at random, for any distribution: Hoeffding's first inequality
/// (Probability Inequalities for Sums of Bounded Random Variables, 1963, theorem 1), which holds for draws without replacement too (section 6 there).
/// The mean m fails to be bounded with probability at most exp(-n KL(sample's mean, m)). A normal approximation would not do: where all of a
/// sample are alike it says that all of the rest are, too.
/// </summary>
internal static class MeanBound
{
    private const int Steps = 50;

    /// <summary>The mean is above this with a probability of at most exp(-<paramref name="doubt"/>).</summary>
    public static double Upper(double mean, int count, double doubt)
    {
        if (count == 0 || mean >= 1)
        {
            return 1;
        }

        return mean <= 0 ? 1 - Math.Exp(-doubt / count) : Solve(mean, mean, 1, doubt / count);
    }

    /// <summary>The mean is below this with a probability of at most exp(-<paramref name="doubt"/>).</summary>
    public static double Lower(double mean, int count, double doubt) => 1 - Upper(1 - mean, count, doubt);

    /// <summary>
    /// The sum of <paramref name="population"/> numbers from 0 to 1, of which <paramref name="count"/> were drawn at random and add up to
    /// <paramref name="found"/>, is above this with a probability of at most exp(-<paramref name="doubt"/>). The lesser of two: by the mean, and by the
    /// numbers' side of the same draw, which is the narrower where much of the population was drawn. There a sum of K or more is taken to be K ones, of which each is
    /// drawn with the chance count/population: of all numbers with one sum it is those that are 0 or 1 for which so small a finding is likeliest (the
    /// generating function is convex in each), and draws without replacement are bounded by independent ones.
    /// </summary>
    public static double UpperSum(double found, int count, int population, double doubt)
    {
        if (count == 0 || count >= population)
        {
            return count == 0 ? population : found;
        }

        var chance = (double)count / population;
        long low = (long)Math.Ceiling(found / chance), high = population;
        while (low < high)
        {
            var ones = (low + high + 1) / 2;
            (low, high) = ones * Divergence(found / ones, chance) <= doubt ? (ones, high) : (low, ones - 1);
        }

        return Math.Min(population * Upper(found / count, count, doubt), low + 1);
    }

    /// <summary>The sum is below this with a probability of at most exp(-<paramref name="doubt"/>).</summary>
    public static double LowerSum(double found, int count, int population, double doubt) => Math.Max(found, population - UpperSum(count - found, count, population, doubt));

    /// <summary>The number between low and high at which the divergence from the mean is the given one; it grows from low to high.</summary>
    private static double Solve(double mean, double low, double high, double divergence)
    {
        for (var i = 0; i < Steps; i++)
        {
            var middle = (low + high) / 2;
            (low, high) = Divergence(mean, middle) > divergence ? (low, middle) : (middle, high);
        }

        return high;
    }

    /// <summary>Kullback-Leibler divergence of two coins.</summary>
    private static double Divergence(double p, double q) =>
        q >= 1 ? double.PositiveInfinity : (p <= 0 ? 0 : p * Math.Log(p / q)) + (p >= 1 ? 0 : (1 - p) * Math.Log((1 - p) / (1 - q)));
}
