namespace Pando.Kvm.Programs;

/// <summary>What the <see cref="Workloads"/> must exit with, computed by the host.</summary>
internal static class WorkloadSums
{
    /// <summary>The units that <see cref="Workloads.RandomRead"/> reads, in order.</summary>
    internal static IEnumerable<ulong> RandomUnits(ulong seed, ulong units, ulong count)
    {
        for (ulong i = 0; i < count; i++)
        {
            seed = unchecked((seed * Workloads.RandomMultiplier) + Workloads.RandomIncrement);
            yield return Math.BigMul(seed, units, out _);
        }
    }

    /// <summary>The word that <see cref="Workloads.Write"/> writes to <paramref name="address"/>.</summary>
    internal static ulong WrittenWord(ulong address, ulong seed) => unchecked((address * Workloads.RandomMultiplier) + seed);

    /// <summary>The sum that <see cref="Workloads.Write"/> exits with.</summary>
    internal static ulong WrittenSum(ulong address, ulong stride, ulong count, ulong seed)
    {
        ulong sum = 0;
        for (ulong i = 0; i < count; i++)
        {
            sum = unchecked(sum + WrittenWord(address + (i * stride), seed));
        }

        return sum;
    }
}
