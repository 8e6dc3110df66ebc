using System.Runtime.InteropServices;

namespace Pando.Kvm.Native;

/// <summary>A call on /dev/kvm, or on the memory that it uses, that the kernel refused.</summary>
/// <remarks>The message names the call, the error by its name in errno.h, and what to do about it.</remarks>
public sealed class KvmException : Exception
{
    /// <summary>An exception without an error number.</summary>
    public KvmException()
    {
    }

    /// <summary>An exception with a message alone.</summary>
    public KvmException(string message) : base(message)
    {
    }

    /// <summary>An exception with a message and its cause.</summary>
    public KvmException(string message, Exception innerException) : base(message, innerException)
    {
    }

    private KvmException(string message, int error) : base(message) => Error = error;

    /// <summary>The error number (errno), or 0 where the cause was none of the kernel's.</summary>
    public int Error { get; }

    /// <summary>The exception for a native call that has just failed; reads the call's errno.</summary>
    /// <param name="call">The call and its arguments that matter, as a reader would search for it.</param>
    internal static KvmException FromErrno(string call)
    {
        var error = Marshal.GetLastPInvokeError();
        return new KvmException($"{call} failed: {NameOf(error)} ({Marshal.GetPInvokeErrorMessage(error)}). {Remedy(error)}", error);
    }

    /// <summary>The name of an error number in errno.h, or the number where it is none that these calls return.</summary>
    internal static string NameOf(int error) => error switch
    {
        1 => "EPERM",
        2 => "ENOENT",
        4 => "EINTR",
        6 => "ENXIO",
        7 => "E2BIG",
        9 => "EBADF",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        16 => "EBUSY",
        17 => "EEXIST",
        19 => "ENODEV",
        22 => "EINVAL",
        24 => "EMFILE",
        25 => "ENOTTY",
        28 => "ENOSPC",
        38 => "ENOSYS",
        95 => "EOPNOTSUPP",
        _ => $"errno {error}",
    };

    private static string Remedy(int error) => error switch
    {
        1 or 13 => "Run as a user who may open /dev/kvm (often: a member of the group kvm).",
        2 or 6 or 19 => "Load the kvm module for this processor, or give the virtual machine nested virtualisation.",
        7 => "Ask for fewer entries.",
        12 => "Free memory or attach less of it: a slot costs the kernel up to 2.5 GiB per TiB (docs/kvm-findings.md).",
        14 => "The host memory must stay mapped for as long as the machine uses it.",
        16 or 17 => "A part of that guest-physical range is in use already; choose another or remove the first.",
        22 => "The kernel does not accept these arguments; check alignment (4 KiB) and the range against the processor's physical address width.",
        24 => "Raise the limit of open files (ulimit -n).",
        25 or 38 or 95 => "This kernel's KVM lacks the call; a newer kernel is needed.",
        _ => "See the kernel's log for what KVM says about it.",
    };
}
