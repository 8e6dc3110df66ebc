namespace Pando.Tests.Model;

/// <summary>The three ways of mremap(2).</summary>
internal enum ModelRemapWay
{
    /// <summary>The mapping stays where it is; its end may move.</summary>
    InPlace,

    /// <summary>A part of one area moves, and may become longer or shorter.</summary>
    MovesOne,

    /// <summary>All that a range has moves by one distance, and keeps its lengths and gaps.</summary>
    MovesAll,
}
