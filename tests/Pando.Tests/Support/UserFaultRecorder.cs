using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Support;

/// <summary>A user-fault handler that notes what it is asked and answers as a test tells it; by default with a bus error.</summary>
internal sealed class UserFaultRecorder(Func<AddressSpace, VirtualAddress, UserFaultKind, Errno>? resolve = null) : IUserFaultHandler
{
    public List<(VirtualAddress Address, UserFaultKind Kind, AccessKind Access)> Asked { get; } = [];

    public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access)
    {
        Asked.Add((address, kind, access));
        return resolve is not null && resolve(space, address, kind) == Errno.None;
    }
}
