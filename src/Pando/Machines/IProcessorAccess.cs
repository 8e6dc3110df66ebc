using Pando.Hardware;

namespace Pando.Machines;

/// <summary>An access of one processor, within what it translates at once. A structure, so that its code is made for each kind.</summary>
internal interface IProcessorAccess
{
    /// <summary>What it needs, and what the fault handler is told.</summary>
    AccessKind Kind { get; }

    /// <summary>
    /// Makes the access, or as much of it as is one, under the processor's lock: translates, and moves the bytes. Nothing has moved
    /// where it fails.
    /// </summary>
    AccessResult Make(TranslationUnit translations);
}
