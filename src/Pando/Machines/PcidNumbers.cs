namespace Pando.Machines;

/// <summary>
/// Gives each PCID of an x86-64 processor once, from 1 on; the default value has given none. Not safe for threads.
/// </summary>
/// <remarks>
/// What stands under a number that was given up can never be found again; when all have been given, who counts
/// empties the caches and begins anew.
/// </remarks>
public struct PcidNumbers
{
    /// <summary>The PCID of no space.</summary>
    public const uint None = 0;

    /// <summary>
    /// How many there are: twelve bits (SDM vol. 3A, 4.10.1) less 0 and the number with all of them set, which the software processor's
    /// caches have a use of their own for.
    /// </summary>
    public const uint Count = 0xffe;

    private uint _last;

    /// <summary>Gives the next.</summary>
    /// <param name="number">The number; where all have been given, one more than the last.</param>
    /// <returns>False where all have been given.</returns>
    public bool TryNext(out uint number)
    {
        number = _last + 1;
        if (_last == Count)
        {
            return false;
        }

        _last = number;
        return true;
    }
}
