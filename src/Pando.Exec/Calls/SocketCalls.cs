using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Pando.Exec.Files;
using Pando.Exec.Native;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Sockets: the host's, with addresses and messages copied.</summary>
internal static class SocketCalls
{
    private const int MostAddress = 128;
    private const int MostControl = 4096;
    private const int MostVectors = 1024;
    private const int MostMessage = 16 << 20;
    private const int HeaderLength = 56;
    private const int NoSignal = 0x4000; // MSG_NOSIGNAL

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set.Pass(CallNumber.Socket, "i i i =f:1");
        set.Pass(CallNumber.Bind, "f in i");
        set.Pass(CallNumber.Connect, "f in i waits");
        set.Pass(CallNumber.Listen, "f i");
        set.Pass(CallNumber.Shutdown, "f i");
        set.Pass(CallNumber.Setsockopt, "f i i in i");
        set[CallNumber.Getsockopt] = GetOption;
        set[CallNumber.Getsockname] = static (task, in call) => WithAddress(task, CallNumber.Getsockname, call, 0);
        set[CallNumber.Getpeername] = static (task, in call) => WithAddress(task, CallNumber.Getpeername, call, 0);
        set[CallNumber.Accept] = static (task, in call) => WithAddress(task, CallNumber.Accept4, call, 0);
        set[CallNumber.Accept4] = static (task, in call) => WithAddress(task, CallNumber.Accept4, call, (int)call.D);
        set[CallNumber.Sendto] = Send;
        set[CallNumber.Recvfrom] = Receive;
        set[CallNumber.Sendmsg] = static (task, in call) => Message(task, (int)call.A, call.B, (int)call.C, isSent: true);
        set[CallNumber.Recvmsg] = static (task, in call) => Message(task, (int)call.A, call.B, (int)call.C, isSent: false);
    }

    private static readonly PassedCall SendTo = new(CallNumber.Sendto, "f in i i in i waits");

    private static long Send(GuestTask task, in CallArguments call)
    {
        long result = SendTo.Serve(task, call);
        if ((call.D & NoSignal) == 0)
        {
            FileCalls.TellOfBrokenPipe(task, result);
        }

        return result;
    }

    private static unsafe long GetOption(GuestTask task, in CallArguments call)
    {
        if (!task.Read(call.E, out int length))
        {
            return -Error.EFAULT;
        }

        if (length < 0)
        {
            return -Error.EINVAL;
        }

        using var use = task.Process.Descriptors.Use((int)call.A);
        var bytes = new byte[Math.Min(length, 64 << 10)];
        int filled = bytes.Length;
        long result;
        fixed (byte* target = bytes)
        {
            result = Host.Call(CallNumber.Getsockopt, use.Host, (int)call.B, (int)call.C, (nint)target, (nint)(&filled));
        }

        return result < 0 ? result : task.Write(call.D, bytes.AsSpan(0, filled)) && task.Write(call.E, filled) ? result : -Error.EFAULT;
    }

    private static unsafe long WithAddress(GuestTask task, CallNumber number, in CallArguments call, int flags)
    {
        int room = 0;
        if (call.B != 0 && (!task.Read(call.C, out room) || room < 0))
        {
            return room < 0 ? -Error.EINVAL : -Error.EFAULT;
        }

        using var use = task.Process.Descriptors.Use((int)call.A);
        byte* address = stackalloc byte[MostAddress];
        int length = MostAddress;
        long result = number == CallNumber.Accept4
            ? task.Blocking(number, use.Host, (nint)address, (nint)(&length), flags)
            : Host.Call(number, use.Host, (nint)address, (nint)(&length));
        if (result < 0)
        {
            return result;
        }

        if (number == CallNumber.Accept4)
        {
            result = task.Process.Descriptors.Add(new OpenDescription((int)result), (flags & Host.OpenCloseOnExec) != 0);
        }

        return call.B == 0 || GiveAddress(task, call.B, call.C, room, new ReadOnlySpan<byte>(address, MostAddress), length) ? result : -Error.EFAULT;
    }

    private static bool GiveAddress(GuestTask task, ulong target, ulong lengthAt, int room, ReadOnlySpan<byte> address, int length) =>
        task.Write(target, address[..Math.Min(Math.Min(room, length), address.Length)]) && task.Write(lengthAt, length);

    private static unsafe long Receive(GuestTask task, in CallArguments call)
    {
        int room = 0;
        if (call.E != 0 && !task.Read(call.F, out room))
        {
            return -Error.EFAULT;
        }

        using var use = task.Process.Descriptors.Use((int)call.A);
        var bytes = new byte[Math.Min(call.C, MostMessage)];
        byte* address = stackalloc byte[MostAddress];
        int length = MostAddress;
        long result;
        fixed (byte* target = bytes)
        {
            result = task.Blocking(CallNumber.Recvfrom, use.Host, (nint)target, bytes.Length, (int)call.D, (nint)address, (nint)(&length));
        }

        if (result < 0)
        {
            return result;
        }

        // MSG_TRUNC has the result be longer than what was filled.
        return task.Write(call.B, bytes.AsSpan(0, (int)Math.Min(result, bytes.Length)))
            && (call.E == 0 || GiveAddress(task, call.E, call.F, room, new ReadOnlySpan<byte>(address, MostAddress), length))
                ? result
                : -Error.EFAULT;
    }

    /// <summary>sendmsg(2) and recvmsg(2), with descriptors that travel along (SCM_RIGHTS).</summary>
    private static unsafe long Message(GuestTask task, int number, ulong at, int flags, bool isSent)
    {
        const int CloseReceived = 0x4000_0000; // MSG_CMSG_CLOEXEC
        Span<byte> header = stackalloc byte[HeaderLength];
        if (!task.Read(at, header))
        {
            return -Error.EFAULT;
        }

        ulong nameAt = BinaryPrimitives.ReadUInt64LittleEndian(header);
        int nameRoom = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
        ulong vectorsAt = BinaryPrimitives.ReadUInt64LittleEndian(header[16..]);
        ulong vectorCount = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]);
        ulong controlAt = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        ulong controlRoom = BinaryPrimitives.ReadUInt64LittleEndian(header[40..]);
        if (vectorCount > MostVectors)
        {
            return -Error.EMSGSIZE;
        }

        var vectors = new ulong[vectorCount * 2];
        if (!task.Read(vectorsAt, MemoryMarshal.AsBytes(vectors.AsSpan())))
        {
            return -Error.EFAULT;
        }

        ulong total = 0;
        for (int i = 1; i < vectors.Length; i += 2)
        {
            total += Math.Min(vectors[i], MostMessage);
        }

        var bytes = new byte[Math.Min(total, MostMessage)];
        var name = new byte[nameAt == 0 ? 0 : MostAddress];
        var control = new byte[controlAt == 0 ? 0 : Math.Min(controlRoom, MostControl)];
        if (isSent && (!CopyIn(task, vectors, bytes) || !task.Read(nameAt, name.AsSpan(0, Math.Clamp(nameRoom, 0, name.Length))) || !task.Read(controlAt, control)))
        {
            return -Error.EFAULT;
        }

        using var use = task.Process.Descriptors.Use(number);
        var kept = new List<OpenDescription>();
        try
        {
            if (isSent && !Translate(task, control, kept))
            {
                return -Error.EBADF;
            }

            fixed (byte* data = bytes, nameBytes = name, controlBytes = control)
            {
                ulong* vector = stackalloc ulong[2] { (ulong)data, (ulong)bytes.Length };
                ulong* host = stackalloc ulong[7]
                {
                    (ulong)nameBytes, (ulong)(isSent ? Math.Clamp(nameRoom, 0, name.Length) : name.Length), (ulong)vector, 1, (ulong)controlBytes, (ulong)control.Length, 0,
                };
                long result = task.Blocking(isSent ? CallNumber.Sendmsg : CallNumber.Recvmsg, use.Host, (nint)host, isSent ? flags : flags | CloseReceived);
                if (result < 0 || isSent)
                {
                    if (isSent && (flags & NoSignal) == 0)
                    {
                        FileCalls.TellOfBrokenPipe(task, result);
                    }

                    return result;
                }

                int controlLength = (int)host[5];
                Receive(task, control.AsSpan(0, controlLength), (flags & CloseReceived) != 0);
                BinaryPrimitives.WriteInt32LittleEndian(header[8..], (int)host[1]);
                BinaryPrimitives.WriteUInt64LittleEndian(header[40..], (ulong)controlLength);
                BinaryPrimitives.WriteInt32LittleEndian(header[48..], (int)host[6] & ~CloseReceived);
                return CopyOut(task, vectors, bytes.AsSpan(0, (int)Math.Min(result, bytes.Length)))
                    && task.Write(nameAt, name.AsSpan(0, Math.Clamp(Math.Min(nameRoom, (int)host[1]), 0, name.Length)))
                    && task.Write(controlAt, control.AsSpan(0, controlLength))
                    && task.Write(at, header)
                        ? result
                        : -Error.EFAULT;
            }
        }
        finally
        {
            foreach (var one in kept)
            {
                one.Release();
            }
        }
    }

    private static bool CopyIn(GuestTask task, ulong[] vectors, Span<byte> bytes)
    {
        for (int i = 0; i < vectors.Length && !bytes.IsEmpty; i += 2)
        {
            int length = (int)Math.Min(vectors[i + 1], (ulong)bytes.Length);
            if (!task.Read(vectors[i], bytes[..length]))
            {
                return false;
            }

            bytes = bytes[length..];
        }

        return true;
    }

    private static bool CopyOut(GuestTask task, ulong[] vectors, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < vectors.Length && !bytes.IsEmpty; i += 2)
        {
            int length = (int)Math.Min(vectors[i + 1], (ulong)bytes.Length);
            if (!task.Write(vectors[i], bytes[..length]))
            {
                return false;
            }

            bytes = bytes[length..];
        }

        return true;
    }

    /// <summary>The descriptors in control messages (struct cmsghdr: length, level, type, data) become the host's.</summary>
    private static bool Translate(GuestTask task, Span<byte> control, List<OpenDescription> kept)
    {
        foreach (int at in Descriptors(control))
        {
            using var use = task.Process.Descriptors.Use(BinaryPrimitives.ReadInt32LittleEndian(control[at..]));
            if (!use.IsOpen)
            {
                return false;
            }

            _ = use.Description.TryKeep();
            kept.Add(use.Description);
            BinaryPrimitives.WriteInt32LittleEndian(control[at..], use.Host);
        }

        return true;
    }

    private static void Receive(GuestTask task, Span<byte> control, bool closes)
    {
        foreach (int at in Descriptors(control))
        {
            int host = BinaryPrimitives.ReadInt32LittleEndian(control[at..]);
            BinaryPrimitives.WriteInt32LittleEndian(control[at..], (int)task.Process.Descriptors.Add(new OpenDescription(host), closes));
        }
    }

    private static List<int> Descriptors(ReadOnlySpan<byte> control)
    {
        const int Header = 16;
        const int SocketLevel = 1;
        const int Rights = 1;
        var places = new List<int>();
        int at = 0;
        while (control.Length - at >= Header)
        {
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(control[at..]);
            if (length < Header || length > (ulong)(control.Length - at))
            {
                break;
            }

            if (BinaryPrimitives.ReadInt32LittleEndian(control[(at + 8)..]) == SocketLevel && BinaryPrimitives.ReadInt32LittleEndian(control[(at + 12)..]) == Rights)
            {
                for (int place = at + Header; place + 4 <= at + (int)length; place += 4)
                {
                    places.Add(place);
                }
            }

            at += ((int)length + 7) & ~7;
        }

        return places;
    }
}
