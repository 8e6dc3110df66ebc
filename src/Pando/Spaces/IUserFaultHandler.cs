using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>Who resolves the faults of a range (userfaultfd(2)).</summary>
public interface IUserFaultHandler
{
    /// <summary>
    /// A thread has faulted. It waits in this call, without a lock, and makes its access again when the call
    /// returns; resolve the fault before by UserCopy and the like.
    /// </summary>
    /// <param name="space">The space.</param>
    /// <param name="address">The start of the page.</param>
    /// <param name="kind">What is asked for.</param>
    /// <param name="access">The access.</param>
    /// <returns>False to end the access in a bus error (UFFD_FEATURE_SIGBUS).</returns>
    bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access);
}
