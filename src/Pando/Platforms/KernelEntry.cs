using Pando.Hardware;

namespace Pando.Platforms;

/// <summary>
/// The one entry that every root table of a machine holds for code above the user's addresses: a platform's own. It belongs to no
/// space; operations on spaces neither see nor change it. What it leads to lies outside of the machine's RAM.
/// </summary>
/// <param name="Index">Its index in the root, above all that user addresses use.</param>
/// <param name="Entry">The entry, in the machine's format; not none.</param>
public readonly record struct KernelEntry(int Index, Entry Entry);
