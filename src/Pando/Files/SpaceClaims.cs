using Pando.Concurrency;

namespace Pando.Files;

/// <summary>
/// The claims of a device that have taken space, or are about to, to which no file leads yet: as many as there are operations under
/// way. Who takes space out of use waits for them. Allocates nothing, since faults take space too. Safe for threads.
/// </summary>
internal sealed class SpaceClaims
{
    private SpaceClaim? _first;
    private int _lock;

    /// <summary>A claim is about to take something.</summary>
    public void Begin(SpaceClaim claim)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        claim.Next = _first;
        claim.Previous = null;
        if (_first is not null)
        {
            _first.Previous = claim;
        }

        _first = claim;
    }

    /// <summary>A file leads to all that a claim had taken, or it has been given back.</summary>
    public void End(SpaceClaim claim)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        if (claim.Previous is null)
        {
            _first = claim.Next;
        }
        else
        {
            claim.Previous.Next = claim.Next;
        }

        if (claim.Next is not null)
        {
            claim.Next.Previous = claim.Previous;
        }

        claim.Next = null;
        claim.Previous = null;
    }

    /// <summary>The files that are about to lead somewhere, each once. Files that are being made are not among them.</summary>
    public HashSet<DaxFile> Files()
    {
        // No memory is asked for under the lock.
        int count = 0;
        DaxFile?[] files;
        do
        {
            files = new DaxFile?[count];
        }
        while (!TryCopy(files, out count));
        return [.. files.OfType<DaxFile>()];
    }

    private bool TryCopy(DaxFile?[] files, out int count)
    {
        using var held = WordLock.Hold(ref _lock, LockRank.FileStorage);
        count = 0;
        for (var claim = _first; claim is not null; claim = claim.Next, count++)
        {
            if (count < files.Length)
            {
                files[count] = claim.File;
            }
        }

        return count <= files.Length;
    }
}
