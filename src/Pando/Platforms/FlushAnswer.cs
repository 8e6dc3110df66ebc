namespace Pando.Platforms;

/// <summary>
/// The answer to a <see cref="FlushRequest"/>, which alone can give one. It cannot be kept for later; the default value is no answer.
/// </summary>
public readonly ref struct FlushAnswer
{
    internal FlushAnswer(object asker, bool kept)
    {
        Asker = asker;
        Kept = kept;
    }

    /// <summary>Who is answered; null where nobody is.</summary>
    internal object? Asker { get; }

    internal bool Kept { get; }
}
