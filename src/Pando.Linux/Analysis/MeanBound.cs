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
        q >= 1 ? double.PositiveInfinity : (p * Math.Log(p / q)) + ((1 - p) * Math.Log((1 - p) / (1 - q)));
}
