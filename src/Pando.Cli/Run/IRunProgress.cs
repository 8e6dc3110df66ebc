namespace Pando.Cli.Run;

/// <summary>Where the work says how far it is. <see cref="Advance"/> is safe for threads.</summary>
internal interface IRunProgress
{
    /// <summary>Does the work, showing its progress meanwhile.</summary>
    void During(Action work);

    /// <summary>A step begins; the one before is over.</summary>
    /// <param name="what">The step, in a few words.</param>
    /// <param name="total">How much there is to do, in the unit of <see cref="Advance"/>.</param>
    void Begin(string what, long total);

    /// <summary>So much more is done.</summary>
    void Advance(long by);
}
