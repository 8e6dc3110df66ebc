using Pando.Hardware;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>
/// Resolves a page fault, or says why it cannot. Called on the thread that drives the processor, with none of its
/// locks held; it may flush that processor as any other.
/// </summary>
/// <param name="space">The space in which the access was made.</param>
/// <param name="address">The address that faulted.</param>
/// <param name="access">What was tried.</param>
/// <param name="keys">The protection-key rights of the thread that tried it: where nothing is present yet, the hardware has not asked them.</param>
public delegate FaultResult FaultHandler(SpaceTables space, VirtualAddress address, AccessKind access, ProtectionKeyRights keys);
