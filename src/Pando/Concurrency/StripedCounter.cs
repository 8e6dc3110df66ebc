namespace Pando.Concurrency;

/// <summary>
/// A set of event counters that many threads raise at once: one copy per processor, summed when read. A sum read
/// while threads run is of some moment near the call; at rest it is exact.
/// </summary>
internal sealed class StripedCounter
{
    private const int PaddedLongs = 16;

    private readonly long[] _values;
    private readonly int _stripes;
    private readonly int _stride;
    private readonly int _kinds;

    public StripedCounter(int kinds)
    {
        _kinds = kinds;
        _stripes = Math.Max(1, Environment.ProcessorCount);
        _stride = (kinds + PaddedLongs - 1) / PaddedLongs * PaddedLongs;
        _values = new long[((_stripes + 1) * _stride) + PaddedLongs];
    }

    public void Add(int kind, long amount = 1)
    {
        int stripe = Schedule.Stripe(_stripes);
        Interlocked.Add(ref _values[PaddedLongs + (stripe * _stride) + kind], amount);
    }

    public long Sum(int kind)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(kind, _kinds);
        long sum = 0;
        for (int stripe = 0; stripe < _stripes; stripe++)
        {
            sum += Volatile.Read(ref _values[PaddedLongs + (stripe * _stride) + kind]);
        }

        return sum;
    }
}
