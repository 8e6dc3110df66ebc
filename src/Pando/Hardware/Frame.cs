namespace Pando.Hardware;

/// <summary>A frame of RAM, one page large, by number; where it lies is known to <see cref="PhysicalMemory"/>. Frame 0 is never handed out, so the default value means "no frame".</summary>
public readonly record struct Frame(int Number)
{
    /// <summary>No frame.</summary>
    public static Frame None => default;

    /// <summary>Whether this is no frame.</summary>
    public bool IsNone => Number == 0;

    /// <summary>A number for one of the frame's words, for schedule points.</summary>
    internal long Word(int index) => ((long)Number << 32) + index;

    /// <inheritdoc/>
    public override string ToString() => $"frame {Number}";
}
