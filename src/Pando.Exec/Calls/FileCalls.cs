using System.Buffers;
using Pando.Exec.Native;
using Pando.Exec.Signals;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Reading and writing what is open.</summary>
internal static class FileCalls
{
    // A transfer goes in such pieces through memory of this process's.
    private const int Piece = 1 << 20;

    // The most of one transfer (MAX_RW_COUNT).
    private const ulong MostBytes = 0x7FFF_F000;
    private const int MostVectors = 1024;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.Read] = static (task, in call) => Transfer(task, call.A, [new(call.B, call.C)], -1, isRead: true);
        set[CallNumber.Write] = static (task, in call) => Transfer(task, call.A, [new(call.B, call.C)], -1, isRead: false);
        set[CallNumber.Pread64] = static (task, in call) =>
            (long)call.D < 0 ? -Error.EINVAL : Transfer(task, call.A, [new(call.B, call.C)], (long)call.D, isRead: true);
        set[CallNumber.Pwrite64] = static (task, in call) =>
            (long)call.D < 0 ? -Error.EINVAL : Transfer(task, call.A, [new(call.B, call.C)], (long)call.D, isRead: false);
        set[CallNumber.Readv] = static (task, in call) => Vectored(task, call, -1, isRead: true);
        set[CallNumber.Writev] = static (task, in call) => Vectored(task, call, -1, isRead: false);
        set[CallNumber.Preadv] = static (task, in call) => (long)call.D < 0 ? -Error.EINVAL : Vectored(task, call, (long)call.D, isRead: true);
        set[CallNumber.Pwritev] = static (task, in call) => (long)call.D < 0 ? -Error.EINVAL : Vectored(task, call, (long)call.D, isRead: false);
        set[CallNumber.Preadv2] = static (task, in call) => call.F != 0 ? -Error.EOPNOTSUPP : Vectored(task, call, (long)call.D, isRead: true);
        set[CallNumber.Pwritev2] = static (task, in call) => call.F != 0 ? -Error.EOPNOTSUPP : Vectored(task, call, (long)call.D, isRead: false);
        set.Pass(CallNumber.Lseek, "f i i");
        set.Pass(CallNumber.Fsync, "f waits");
        set.Pass(CallNumber.Fdatasync, "f waits");
        set.Pass(CallNumber.SyncFileRange, "f i i i waits");
        set.Pass(CallNumber.Syncfs, "f waits");
        set.Pass(CallNumber.Sync, "waits");
        set.Pass(CallNumber.Fadvise64, "f i i i");
        set.Pass(CallNumber.Readahead, "f i i");
        set.Pass(CallNumber.Flock, "f i waits");
        set.Pass(CallNumber.Fstat, "f out:144");
        set.Pass(CallNumber.Fstatfs, "f out:120");
        set.Pass(CallNumber.Fchmod, "f i");
        set.Pass(CallNumber.Fchown, "f i i");
        set.Pass(CallNumber.Getdents64, "f out i");
        set.Pass(CallNumber.Getdents, "f out i");
        set.Pass(CallNumber.CopyFileRange, "f both:8 f both:8 i i waits");
        PassToPipe(set, CallNumber.Sendfile, "f f both:8 i waits");
        PassToPipe(set, CallNumber.Splice, "f both:8 f both:8 i i waits");
        PassToPipe(set, CallNumber.Tee, "f f i i waits");
        set.Pass(CallNumber.Fsetxattr, "f s in i i");
        set.Pass(CallNumber.Fgetxattr, "f s out i");
        set.Pass(CallNumber.Flistxattr, "f out i");
        set.Pass(CallNumber.Fremovexattr, "f s");
        set[CallNumber.Ftruncate] = Truncate;
        set[CallNumber.Fallocate] = Allocate;
    }

    /// <summary>
    /// Sends the task SIGPIPE where a call has answered EPIPE: this process ignores the signal, so that its thread was not sent it.
    /// </summary>
    internal static void TellOfBrokenPipe(GuestTask task, long result)
    {
        if (result == -Error.EPIPE)
        {
            _ = SignalSender.Send(task, SignalInformation.Of(SignalNumber.Pipe, SignalInformation.FromUser, task.Process.Id));
        }
    }

    /// <summary>A file that programs may have mapped has become smaller, or lost storage: its pages go.</summary>
    internal static void FileShrank(GuestTask task, int descriptor)
    {
        if (Host.Stat(descriptor, out var stat) == 0 && task.System.HostFiles.Find(stat) is { } file)
        {
            file.FollowSize();
        }
    }

    private static void PassToPipe(CallTable.Registrar set, CallNumber number, string arguments)
    {
        var passed = new PassedCall(number, arguments);
        set[number] = (task, in call) =>
        {
            long result = passed.Serve(task, call);
            TellOfBrokenPipe(task, result);
            return result;
        };
    }

    private static long Truncate(GuestTask task, in CallArguments call)
    {
        using var use = task.Process.Descriptors.Use((int)call.A);
        long result = task.Blocking(CallNumber.Ftruncate, use.Host, (long)call.B);
        if (result == 0)
        {
            FileShrank(task, use.Host);
        }

        return result;
    }

    private static long Allocate(GuestTask task, in CallArguments call)
    {
        using var use = task.Process.Descriptors.Use((int)call.A);
        long result = task.Blocking(CallNumber.Fallocate, use.Host, (int)call.B, (long)call.C, (long)call.D);
        if (result == 0 && call.B != 0)
        {
            FileShrank(task, use.Host);
        }

        return result;
    }

    private static long Vectored(GuestTask task, in CallArguments call, long offset, bool isRead)
    {
        if (call.C > MostVectors)
        {
            return -Error.EINVAL;
        }

        var bytes = new ulong[call.C * 2];
        if (!task.Read(call.B, System.Runtime.InteropServices.MemoryMarshal.AsBytes(bytes.AsSpan())))
        {
            return -Error.EFAULT;
        }

        var vectors = new Part[call.C];
        for (int i = 0; i < vectors.Length; i++)
        {
            vectors[i] = new Part(bytes[2 * i], bytes[(2 * i) + 1]);
            if ((long)vectors[i].Length < 0)
            {
                return -Error.EINVAL;
            }
        }

        return Transfer(task, call.A, vectors, offset, isRead);
    }

    private static unsafe long Transfer(GuestTask task, ulong descriptor, ReadOnlySpan<Part> parts, long offset, bool isRead)
    {
        using var use = task.Process.Descriptors.Use((int)descriptor);
        if (!use.IsOpen)
        {
            return -Error.EBADF;
        }

        if (isRead && use.Description.Special is SignalDescriptor signals)
        {
            return SignalCalls.ReadDescriptor(task, signals, use.Host, parts.IsEmpty ? default : parts[0]);
        }

        ulong total = 0;
        foreach (var part in parts)
        {
            total += Math.Min(part.Length, MostBytes - total);
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Max(1, Math.Min(total, Piece)));
        try
        {
            long done = 0;
            var place = new Place();
            do
            {
                int length = (int)Math.Min(total - (ulong)done, Piece);
                if (!isRead)
                {
                    int copied = Gather(task, parts, place, buffer.AsSpan(0, length));
                    if (copied == 0 && length > 0)
                    {
                        return done > 0 ? done : -Error.EFAULT;
                    }

                    length = copied;
                }

                long result;
                fixed (byte* bytes = buffer)
                {
                    result = Make(task, use.Host, bytes, length, offset < 0 ? -1 : offset + done, isRead);
                }

                if (result < 0)
                {
                    TellOfBrokenPipe(task, result);
                    return done > 0 ? done : result;
                }

                if (isRead && !Scatter(task, parts, place, buffer.AsSpan(0, (int)result)))
                {
                    return done > 0 ? done : -Error.EFAULT;
                }

                place = place.After(parts, result);
                done += result;
                if (result < length)
                {
                    break;
                }
            }
            while ((ulong)done < total && IsWhole(use.Host));

            return done;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static unsafe long Make(GuestTask task, int descriptor, byte* bytes, int length, long offset, bool isRead) =>
        offset >= 0
            ? task.Blocking(isRead ? CallNumber.Pread64 : CallNumber.Pwrite64, descriptor, (nint)bytes, length, offset)
            : task.Blocking(isRead ? CallNumber.Read : CallNumber.Write, descriptor, (nint)bytes, length);

    // What comes in pieces from a pipe or a terminal is given as it comes; from a file the whole is expected.
    private static bool IsWhole(int descriptor) => Host.Stat(descriptor, out var stat) == 0 && (stat.IsRegular || (stat.Mode & 0xF000) == 0x6000);

    private static int Gather(GuestTask task, ReadOnlySpan<Part> parts, Place place, Span<byte> buffer)
    {
        int count = 0;
        while (count < buffer.Length && place.Index < parts.Length)
        {
            var part = parts[place.Index];
            int length = (int)Math.Min(part.Length - place.Within, (ulong)(buffer.Length - count));
            int copied = task.System.Memory.ReadSome(task.Process.Memory.Space, part.Address + place.Within, buffer.Slice(count, length));
            count += copied;
            if (copied < length)
            {
                break;
            }

            place = place.After(parts, length);
            if (length == 0)
            {
                place = place with { Index = place.Index + 1, Within = 0 };
            }
        }

        return count;
    }

    private static bool Scatter(GuestTask task, ReadOnlySpan<Part> parts, Place place, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var part = parts[place.Index];
            int length = (int)Math.Min(part.Length - place.Within, (ulong)bytes.Length);
            if (!task.Write(part.Address + place.Within, bytes[..length]))
            {
                return false;
            }

            bytes = bytes[length..];
            place = length == 0 ? place with { Index = place.Index + 1, Within = 0 } : place.After(parts, length);
        }

        return true;
    }

    /// <summary>A buffer of a call's (struct iovec).</summary>
    internal readonly record struct Part(ulong Address, ulong Length);

    /// <summary>How far a transfer has come in its buffers.</summary>
    private readonly record struct Place(int Index, ulong Within)
    {
        internal Place After(ReadOnlySpan<Part> parts, long count)
        {
            var (index, within) = this;
            within += (ulong)count;
            while (index < parts.Length && within >= parts[index].Length)
            {
                within -= parts[index].Length;
                index++;
            }

            return new Place(index, within);
        }
    }
}
