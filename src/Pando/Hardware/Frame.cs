namespace Pando.Hardware;

/// <summary>A 4 KiB frame of RAM, by number. Frame 0 is never handed out, so the default value means "no frame".</summary>
public readonly record struct Frame(int Number)
{
    /// <summary>No frame.</summary>
    public static Frame None => default;

    /// <summary>Whether this is no frame.</summary>
    public bool IsNone => Number == 0;

    /// <summary>Where the frame lies. RAM begins at physical address 0.</summary>
    public PhysicalAddress Address => new((ulong)(uint)Number << Level.PageShift);

    /// <summary>The frame in which a physical address of RAM lies.</summary>
    public static Frame Containing(PhysicalAddress address) => new((int)(address.Value >> Level.PageShift));

    /// <summary>A number for one of the frame's 512 words, for schedule points.</summary>
    internal long Word(int index) => ((long)Number << 9) + index;

    /// <inheritdoc/>
    public override string ToString() => $"frame {Number}";
}
