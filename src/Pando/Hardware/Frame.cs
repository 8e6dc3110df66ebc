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

    /// <inheritdoc/>
    public override string ToString() => $"frame {Number}";
}
