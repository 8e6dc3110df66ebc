namespace Pando.Spaces;

/// <summary>What the address in a <see cref="MapRequest"/> means.</summary>
public enum MapPlacement
{
    /// <summary>A hint: taken if it is free; otherwise the space chooses.</summary>
    Anywhere,

    /// <summary>Exactly there; what is mapped there is unmapped (MAP_FIXED).</summary>
    Fixed,

    /// <summary>Exactly there, or EEXIST (MAP_FIXED_NOREPLACE).</summary>
    FixedNoReplace,
}
