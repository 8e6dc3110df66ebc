using System.Buffers.Binary;
using Pando.Exec.Memory;
using Pando.Exec.Native;
using Pando.Exec.Tasks;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Exec.Calls;

/// <summary>System V shared memory.</summary>
internal static class SharedMemoryCalls
{
    private const int CommandMask = 0xFF;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.Shmget] = static (task, in call) => task.System.Segments.Get((int)call.A, (long)call.B, (int)call.C, task.Process.Id);
        set[CallNumber.Shmat] = Attach;
        set[CallNumber.Shmdt] = Detach;
        set[CallNumber.Shmctl] = Control;
    }

    private static long Attach(GuestTask task, in CallArguments call)
    {
        const ulong ReadOnly = 0x1000;
        const ulong Round = 0x2000;
        const ulong Replace = 0x4000;
        const ulong Execute = 0x8000;
        const ulong Page = UserPage.Size;
        if (task.System.Segments.Find((int)call.A) is not { } segment)
        {
            return -Error.EINVAL;
        }

        ulong address = (call.C & Round) != 0 ? call.B & ~(Page - 1) : call.B;
        if ((address & (Page - 1)) != 0 || (address == 0 && (call.C & Replace) != 0))
        {
            return -Error.EINVAL;
        }

        var rights = Rights.Read | ((call.C & ReadOnly) != 0 ? 0 : Rights.Write) | ((call.C & Execute) != 0 ? Rights.Execute : 0);
        MapResult result;
        try
        {
            result = task.Process.Memory.Space.Map(new MapRequest(segment.Size, rights)
            {
                File = segment.File,
                Shared = true,
                Address = new VirtualAddress(address),
                Placement = address == 0 ? MapPlacement.Anywhere : (call.C & Replace) != 0 ? MapPlacement.Fixed : MapPlacement.FixedNoReplace,
            });
        }
        catch (ObjectDisposedException)
        {
            // Removed, and detached by its last user, meanwhile.
            return -Error.EIDRM;
        }

        if (!result.Succeeded)
        {
            return result.Error == Errno.EEXIST ? -Error.EINVAL : -(long)result.Error;
        }

        segment.LastUser = task.Process.Id;
        segment.Times = segment.Times with { Attach = DateTimeOffset.UtcNow.ToUnixTimeSeconds() };
        return (long)result.Address.Value;
    }

    private static long Detach(GuestTask task, in CallArguments call)
    {
        // What was attached at this address: all parts of it that are still there (mm/ipc: ksys_shmdt).
        ulong address = call.A;
        var space = task.Process.Memory.Space;
        if (space.AreaAt(new VirtualAddress(address)) is not { Shared: true, File: Pando.Files.MemoryFile file } area
            || area.Range.Start.Value - (ulong)area.Offset != address
            || !file.Name.StartsWith("/SYSV", StringComparison.Ordinal))
        {
            return -Error.EINVAL;
        }

        ulong end = address + (((ulong)file.Size + UserPage.Size - 1) & ~(ulong)(UserPage.Size - 1));
        foreach (var part in space.Areas)
        {
            if (part.Range.Start.Value >= address && part.Range.End.Value <= end && part.File == file)
            {
                var error = space.Unmap(part.Range.Start, (long)(part.Range.End.Value - part.Range.Start.Value));
                if (error != Errno.None)
                {
                    return -(long)error;
                }
            }
        }

        return 0;
    }

    private static long Control(GuestTask task, in CallArguments call)
    {
        const int Remove = 0;
        const int Set = 1;
        const int Stat = 2;
        const int Lock = 11;
        const int Unlock = 12;
        const int Length = 112;
        if (task.System.Segments.Find((int)call.A) is not { } segment)
        {
            return -Error.EINVAL;
        }

        Span<byte> bytes = stackalloc byte[Length];
        switch ((int)call.B & CommandMask)
        {
            case Remove:
                task.System.Segments.Remove(segment);
                return 0;
            case Set:
                if (!task.Read(call.C, bytes))
                {
                    return -Error.EFAULT;
                }

                segment.Mode = (segment.Mode & ~0x1FF) | (BinaryPrimitives.ReadInt32LittleEndian(bytes[20..]) & 0x1FF);
                return 0;
            case Stat:
                Describe(segment, bytes);
                return task.Write(call.C, bytes) ? 0 : -Error.EFAULT;
            case Lock or Unlock:
                return 0;
            default:
                return -Error.EINVAL;
        }
    }

    // struct shmid64_ds and ipc64_perm (asm-generic/shmbuf.h, ipcbuf.h).
    private static void Describe(SharedSegment segment, Span<byte> bytes)
    {
        bytes.Clear();
        uint user = (uint)Host.Call(CallNumber.Geteuid);
        uint group = (uint)Host.Call(CallNumber.Getegid);
        BinaryPrimitives.WriteInt32LittleEndian(bytes, segment.Key);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], user);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], group);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[12..], user);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[16..], group);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[20..], segment.Mode);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[48..], segment.Size);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[56..], segment.Times.Attach);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[64..], segment.Times.Detach);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[72..], segment.Times.Change);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[80..], segment.Maker);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[84..], segment.LastUser);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[88..], segment.Attached);
    }
}
