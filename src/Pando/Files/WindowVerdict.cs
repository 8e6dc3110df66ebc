namespace Pando.Files;

/// <summary>What a window of a file can be mapped by.</summary>
/// <param name="Reason">Why no leaf of the window's size can show it; <see cref="SmallPageReason.None"/> if one can.</param>
/// <param name="State">The state of the window's first byte that is no hole; <see cref="ExtentState.Hole"/> if the whole window is one.</param>
/// <param name="Windows">Of how many windows in a row, this one and those behind it, the same is known to be true; at least 1.</param>
public readonly record struct WindowVerdict(SmallPageReason Reason, ExtentState State, long Windows);
