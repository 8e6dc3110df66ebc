namespace Pando.Machines;

/// <summary>Gives each PCID once, from 1 on; the default value has given none.</summary>
/// <remarks>
/// What stands under a number that was given up can never be found again; when all have been given, who counts
/// empties the caches and begins anew.
/// </remarks>
internal struct PcidNumbers
{
    /// <summary>The PCID of no space.</summary>
    public const uint None = 0;

    /// <summary>How many there are: twelve bits (SDM vol. 3A, 4.10.1) less 0 and the number with all of them set, which
    /// is left out for <see cref="CachedEntry.NoTag"/>.</summary>
    public const uint Count = 0xffe;

    private uint _last;

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
