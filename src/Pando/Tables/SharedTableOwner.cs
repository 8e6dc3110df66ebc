using Pando.Concurrency;

namespace Pando.Tables;

/// <summary>
/// An owner whose tables any number of slots may point at: a file, as the tables see it.
/// </summary>
public abstract class SharedTableOwner : TableOwner
{
    private protected SharedTableOwner()
    {
    }

    /// <summary>Protects the file's layout; who copies the file's leaves checks its sequence.</summary>
    internal InvalidateLock Invalidate { get; } = new();

    /// <summary>The tables of spaces that may show the file.</summary>
    internal ReverseMap ReverseMap { get; } = new();
}
