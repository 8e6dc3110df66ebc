using Pando.Exec.Native;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Who a task is to the host: its thread's own user and groups, which raw calls change for that thread alone.</summary>
internal static class IdentityCalls
{
    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        foreach (var number in (ReadOnlySpan<CallNumber>)[CallNumber.Getuid, CallNumber.Geteuid, CallNumber.Getgid, CallNumber.Getegid])
        {
            set.Pass(number, "");
        }

        set.Pass(CallNumber.Getresuid, "out:4 out:4 out:4");
        set.Pass(CallNumber.Getresgid, "out:4 out:4 out:4");
        set.Pass(CallNumber.Setuid, "i");
        set.Pass(CallNumber.Setgid, "i");
        set.Pass(CallNumber.Setreuid, "i i");
        set.Pass(CallNumber.Setregid, "i i");
        set.Pass(CallNumber.Setresuid, "i i i");
        set.Pass(CallNumber.Setresgid, "i i i");
        set.Pass(CallNumber.Setfsuid, "i");
        set.Pass(CallNumber.Setfsgid, "i");
        set[CallNumber.Getgroups] = GetGroups;
        set[CallNumber.Setgroups] = SetGroups;
        set[CallNumber.Uname] = Name;
        set.Pass(CallNumber.Sysinfo, "out:112");
        set.Pass(CallNumber.Getrandom, "out i i waits");
        set[CallNumber.Capget] = static (task, in call) => Capabilities(task, CallNumber.Capget, call);
        set[CallNumber.Capset] = static (task, in call) => Capabilities(task, CallNumber.Capset, call);
    }

    // struct __user_cap_header_struct: a version, and a process, of which there is this one to ask about.
    private static unsafe long Capabilities(GuestTask task, CallNumber number, in CallArguments call)
    {
        const int HeaderLength = 8;
        const int DataLength = 24;
        byte* header = stackalloc byte[HeaderLength];
        byte* data = stackalloc byte[DataLength];
        if (!task.Read(call.A, new Span<byte>(header, HeaderLength))
            || (number == CallNumber.Capset && !task.Read(call.B, new Span<byte>(data, DataLength))))
        {
            return -Error.EFAULT;
        }

        *(int*)(header + 4) = 0;
        long result = Host.Call(number, (nint)header, call.B == 0 ? 0 : (nint)data);
        if (number == CallNumber.Capset)
        {
            return result;
        }

        return task.Write(call.A, new ReadOnlySpan<byte>(header, 4)) && (result < 0 || call.B == 0 || task.Write(call.B, new ReadOnlySpan<byte>(data, DataLength)))
            ? result
            : -Error.EFAULT;
    }

    private static unsafe long GetGroups(GuestTask task, in CallArguments call)
    {
        const int Most = 65536;
        int count = (int)call.A;
        if (count < 0)
        {
            return -Error.EINVAL;
        }

        var groups = new uint[Math.Min(count, Most)];
        long result;
        fixed (uint* target = groups)
        {
            result = Host.Call(CallNumber.Getgroups, groups.Length, (nint)target);
        }

        return result <= 0 || count == 0 ? result
            : task.Write(call.B, System.Runtime.InteropServices.MemoryMarshal.AsBytes(groups.AsSpan(0, (int)result))) ? result : -Error.EFAULT;
    }

    private static unsafe long SetGroups(GuestTask task, in CallArguments call)
    {
        const ulong Most = 65536;
        if (call.A > Most)
        {
            return -Error.EINVAL;
        }

        var groups = new uint[call.A];
        if (!task.Read(call.B, System.Runtime.InteropServices.MemoryMarshal.AsBytes(groups.AsSpan())))
        {
            return -Error.EFAULT;
        }

        fixed (uint* source = groups)
        {
            return Host.Call(CallNumber.Setgroups, groups.Length, (nint)source);
        }
    }

    private static unsafe long Name(GuestTask task, in CallArguments call)
    {
        const int Length = 390;
        byte* name = stackalloc byte[Length];
        long result = Host.Call(CallNumber.Uname, (nint)name);
        return result < 0 ? result : task.Write(call.A, new ReadOnlySpan<byte>(name, Length)) ? 0 : -Error.EFAULT;
    }
}
