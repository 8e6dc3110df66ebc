namespace Pando.Tests.Model;

/// <summary>A device's storage, page by page.</summary>
internal sealed class ModelDevice(long pages)
{
    private readonly bool[] _taken = new bool[pages];

    public void TakeAt(long first, long count) => _taken.AsSpan((int)first, (int)count).Fill(true);

    /// <summary>Takes the lowest aligned run of free pages.</summary>
    public bool TryTake(long count, long alignment)
    {
        for (long first = 0; first + count <= _taken.Length; first += alignment)
        {
            if (!_taken.AsSpan((int)first, (int)count).Contains(true))
            {
                TakeAt(first, count);
                return true;
            }
        }

        return false;
    }
}
