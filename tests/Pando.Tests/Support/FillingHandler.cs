using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Support;

/// <summary>
/// A user-fault handler that gives what the memory would have without it: zeroes, the file's page, the right to store.
/// Each of its calls may fail, in one of three ways.
/// </summary>
internal sealed class FillingHandler : IUserFaultHandler
{
    /// <summary>Asked at each call: whether it fails.</summary>
    public Func<bool>? FailNext { get; set; }

    /// <summary>Calls so far.</summary>
    public long Calls { get; private set; }

    /// <summary>Calls that have failed.</summary>
    public long Failed { get; private set; }

    public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access)
    {
        Calls++;
        if (FailNext is { } fails && fails())
        {
            // It throws, it says that there is nothing to be had, or it says that it has done what it has not.
            return (Failed++ % 3) switch
            {
                0 => throw new HandlerFailedException(),
                1 => false,
                _ => true,
            };
        }

        try
        {
            return Fill(space, address, kind) switch
            {
                // Others may have been quicker, or have changed what is mapped: the access finds out.
                Errno.None or Errno.EEXIST or Errno.EFAULT or Errno.ENOENT => true,
                Errno.EINVAL when kind == UserFaultKind.Minor => true,
                Errno.ENOMEM => false,
                var error => throw new InvalidOperationException($"The handler cannot resolve {kind} at {address}: {error}."),
            };
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    private static Errno Fill(AddressSpace space, VirtualAddress page, UserFaultKind kind) => kind switch
    {
        UserFaultKind.Missing => space.UserZero(page, space.Store.Geometry.PageSize),
        UserFaultKind.Minor => space.UserContinue(page, space.Store.Geometry.PageSize),
        _ => space.UserWriteProtect(page, space.Store.Geometry.PageSize, protect: false),
    };
}
