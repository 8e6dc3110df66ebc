namespace Pando.Concurrency;

/// <summary>
/// The seam through which a test has steps of one machine left out. In the ordinary build nothing can be, and asking costs nothing.
/// </summary>
/// <remarks>Parts of the protocol between threads are left out by <see cref="Schedule.LeavesOut"/>, those of durability by a device's own hook.</remarks>
internal sealed class Omissions
{
#if PANDO_CHECKED
    private readonly Func<bool>?[] _asked = new Func<bool>?[Enum.GetValues<OmittedStep>().Length];

    /// <summary>Asked each time that a step is about to be made: it is left out where the answer is true. Null leaves nothing out.</summary>
    public Func<bool>? this[OmittedStep step]
    {
        get => _asked[(int)step];
        set => _asked[(int)step] = value;
    }

    /// <summary>Whether a step is to be left out now.</summary>
    public bool Leave(OmittedStep step) => _asked[(int)step] is { } asked && asked();
#else
    /// <summary>Nothing can be left out.</summary>
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Performance", "CA1822", Justification = "What is left out is the machine's, in the checked build.")]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Style", "IDE0060", Justification = "The same.")]
    public bool Leave(OmittedStep step) => false;
#endif
}
