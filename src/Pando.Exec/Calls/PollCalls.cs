using System.Buffers.Binary;
using System.Diagnostics;
using Pando.Exec.Files;
using Pando.Exec.Native;
using Pando.Exec.Signals;
using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Waiting for several descriptors: the host waits; a signal ends it.</summary>
internal static class PollCalls
{
    private const int EntryLength = 8;
    private const int MostSelected = 1024;

    /// <summary>Names what it serves.</summary>
    internal static void Register(CallTable.Registrar set)
    {
        set[CallNumber.Poll] = static (task, in call) => Poll(task, call.A, call.B, Milliseconds((int)call.C));
        set[CallNumber.Ppoll] = PollWithMask;
        set[CallNumber.Select] = static (task, in call) => Select(task, call, ReadTime(task, call.E, 1000, out bool bad), bad, micro: true);
        set[CallNumber.Pselect6] = SelectWithMask;
        set.Pass(CallNumber.EpollCreate1, "i =f:0");
        set.Pass(CallNumber.EpollCreate, "i =f");
        set[CallNumber.EpollCtl] = Control;
        set[CallNumber.EpollWait] = static (task, in call) => EpollWait(task, call, Milliseconds((int)call.D));
        set[CallNumber.EpollPwait] = EpollWithMask;
        set[CallNumber.EpollPwait2] = EpollWithTime;
    }

    /// <summary>A mask for the length of a call: what it replaces comes back when the call's signals have been taken.</summary>
    /// <returns>0 or the negative error.</returns>
    internal static long SetMask(GuestTask task, ulong maskAt, ulong length)
    {
        if (maskAt == 0)
        {
            return 0;
        }

        if (length != 8)
        {
            return -Error.EINVAL;
        }

        if (!task.Read(maskAt, out ulong mask))
        {
            return -Error.EFAULT;
        }

        task.SavedMask = task.SignalMask;
        task.SignalMask = mask & ~SignalNumber.Unblockable;
        return 0;
    }

    private static long Milliseconds(int value) => value < 0 ? long.MaxValue : value * 1_000_000L;

    /// <summary>A time as nanoseconds; the largest for no time at all.</summary>
    private static long ReadTime(GuestTask task, ulong at, long unit, out bool isBad)
    {
        isBad = false;
        if (at == 0)
        {
            return long.MaxValue;
        }

        if (!task.Read(at, out long seconds) || !task.Read(at + 8, out long rest) || seconds < 0 || rest < 0 || rest >= 1_000_000_000 / unit)
        {
            isBad = true;
            return 0;
        }

        return seconds > long.MaxValue / 2_000_000_000 ? long.MaxValue : (seconds * 1_000_000_000) + (rest * unit);
    }

    private static long PollWithMask(GuestTask task, in CallArguments call)
    {
        long time = ReadTime(task, call.C, 1, out bool bad);
        long error = bad ? -Error.EINVAL : SetMask(task, call.D, call.E);
        return error < 0 ? error : Poll(task, call.A, call.B, time);
    }

    private static unsafe long Poll(GuestTask task, ulong at, ulong count, long nanoseconds)
    {
        if (count > (ulong)task.Process.Descriptors.Limit)
        {
            return -Error.EINVAL;
        }

        var entries = new byte[(int)count * EntryLength];
        if (!task.Read(at, entries))
        {
            return -Error.EFAULT;
        }

        var host = new byte[entries.Length];
        entries.CopyTo(host, 0);
        var kept = new List<OpenDescription>();
        try
        {
            int unknown = 0;
            for (int i = 0; i < entries.Length; i += EntryLength)
            {
                int number = BinaryPrimitives.ReadInt32LittleEndian(entries.AsSpan(i));
                int descriptor = -1;
                if (number >= 0)
                {
                    var use = task.Process.Descriptors.Use(number);
                    if (use.IsOpen)
                    {
                        kept.Add(use.Description);
                        descriptor = use.Host;
                        if (use.Description.Special is SignalDescriptor signals)
                        {
                            SignalCalls.Settle(task, signals);
                        }
                    }
                    else
                    {
                        unknown++;
                    }
                }

                BinaryPrimitives.WriteInt32LittleEndian(host.AsSpan(i), descriptor);
            }

            long result = Wait(task, host, nanoseconds, unknown > 0);
            if (result < 0)
            {
                return result == -Error.RestartSystemCall ? -Error.RestartNoHandler : result;
            }

            for (int i = 0; i < entries.Length; i += EntryLength)
            {
                const short NotOpen = 0x20; // POLLNVAL
                short answer = BinaryPrimitives.ReadInt16LittleEndian(host.AsSpan(i + 6));
                bool isUnknown = BinaryPrimitives.ReadInt32LittleEndian(entries.AsSpan(i)) >= 0 && BinaryPrimitives.ReadInt32LittleEndian(host.AsSpan(i)) < 0;
                BinaryPrimitives.WriteInt16LittleEndian(entries.AsSpan(i + 6), isUnknown ? NotOpen : answer);
            }

            return task.Write(at, entries) ? result + unknown : -Error.EFAULT;
        }
        finally
        {
            foreach (var one in kept)
            {
                one.Release();
            }
        }
    }

    private static unsafe long Wait(GuestTask task, byte[] entries, long nanoseconds, bool mustNotWait)
    {
        long* time = stackalloc long[2];
        nanoseconds = mustNotWait ? 0 : nanoseconds;
        time[0] = nanoseconds / 1_000_000_000;
        time[1] = nanoseconds % 1_000_000_000;
        fixed (byte* bytes = entries)
        {
            return task.Blocking(CallNumber.Ppoll, (nint)bytes, entries.Length / EntryLength, nanoseconds == long.MaxValue ? 0 : (nint)time, 0, 8);
        }
    }

    private static long SelectWithMask(GuestTask task, in CallArguments call)
    {
        long time = ReadTime(task, call.E, 1, out bool bad);
        long error = 0;
        if (call.F != 0)
        {
            error = !task.Read(call.F, out ulong maskAt) || !task.Read(call.F + 8, out ulong length) ? -Error.EFAULT : SetMask(task, maskAt, length);
        }

        return error < 0 ? error : Select(task, call, time, bad, micro: false);
    }

    private static long Select(GuestTask task, in CallArguments call, long nanoseconds, bool isBad, bool micro)
    {
        int count = (int)call.A;
        if (count < 0 || isBad)
        {
            return -Error.EINVAL;
        }

        count = Math.Min(count, MostSelected);
        int length = (count + 63) / 64 * 8;
        Span<byte> sets = stackalloc byte[3 * (MostSelected / 8)];
        ReadOnlySpan<ulong> places = [call.B, call.C, call.D];
        for (int set = 0; set < 3; set++)
        {
            if (places[set] != 0 && !task.Read(places[set], sets.Slice(set * (MostSelected / 8), length)))
            {
                return -Error.EFAULT;
            }
        }

        // As poll does it (fs/select.c): readable is POLLIN and its like, writable POLLOUT, exceptional POLLPRI.
        ReadOnlySpan<short> wanted = [0x41, 0x04, 0x02];
        ReadOnlySpan<short> meant = [0x01 | 0x40 | 0x80 | 0x10 | 0x08, 0x04 | 0x100 | 0x08, 0x02];
        var entries = new List<byte>();
        var numbers = new List<int>();
        var kept = new List<OpenDescription>();
        try
        {
            for (int number = 0; number < count; number++)
            {
                short events = 0;
                for (int set = 0; set < 3; set++)
                {
                    events |= IsIn(sets, set, number) ? wanted[set] : (short)0;
                }

                if (events == 0)
                {
                    continue;
                }

                var use = task.Process.Descriptors.Use(number);
                if (!use.IsOpen)
                {
                    return -Error.EBADF;
                }

                kept.Add(use.Description);
                numbers.Add(number);
                var entry = new byte[EntryLength];
                BinaryPrimitives.WriteInt32LittleEndian(entry, use.Host);
                BinaryPrimitives.WriteInt16LittleEndian(entry.AsSpan(4), events);
                entries.AddRange(entry);
            }

            byte[] host = [.. entries];
            long begun = Stopwatch.GetTimestamp();
            long result = Wait(task, host, nanoseconds, mustNotWait: false);
            if (result < 0)
            {
                return result == -Error.RestartSystemCall ? -Error.RestartNoHandler : result;
            }

            Span<byte> answers = stackalloc byte[sets.Length];
            answers.Clear();
            long found = 0;
            for (int i = 0; i < numbers.Count; i++)
            {
                short events = BinaryPrimitives.ReadInt16LittleEndian(host.AsSpan((i * EntryLength) + 6));
                for (int set = 0; set < 3; set++)
                {
                    if (IsIn(sets, set, numbers[i]) && (events & meant[set]) != 0)
                    {
                        answers[(set * (MostSelected / 8)) + (numbers[i] / 8)] |= (byte)(1 << (numbers[i] % 8));
                        found++;
                    }
                }
            }

            for (int set = 0; set < 3; set++)
            {
                if (places[set] != 0 && !task.Write(places[set], answers.Slice(set * (MostSelected / 8), length)))
                {
                    return -Error.EFAULT;
                }
            }

            LeaveTime(task, call.E, nanoseconds, begun, micro);
            return found;
        }
        finally
        {
            foreach (var one in kept)
            {
                one.Release();
            }
        }
    }

    // Linux tells how much of the time is left.
    private static void LeaveTime(GuestTask task, ulong at, long nanoseconds, long begun, bool micro)
    {
        if (at != 0 && nanoseconds != long.MaxValue)
        {
            long left = Math.Max(0, nanoseconds - (long)Stopwatch.GetElapsedTime(begun).TotalNanoseconds);
            _ = task.Write(at, left / 1_000_000_000);
            _ = task.Write(at + 8, left % 1_000_000_000 / (micro ? 1000 : 1));
        }
    }

    private static bool IsIn(ReadOnlySpan<byte> sets, int set, int number) =>
        (sets[(set * (MostSelected / 8)) + (number / 8)] & (1 << (number % 8))) != 0;

    private static unsafe long Control(GuestTask task, in CallArguments call)
    {
        const int EventLength = 12;
        const int Delete = 2;
        byte* bytes = stackalloc byte[EventLength];
        if ((int)call.B != Delete && !task.Read(call.D, new Span<byte>(bytes, EventLength)))
        {
            return -Error.EFAULT;
        }

        using var set = task.Process.Descriptors.Use((int)call.A);
        using var use = task.Process.Descriptors.Use((int)call.C);
        if (use.IsOpen && use.Description.Special is SignalDescriptor signals)
        {
            SignalCalls.Settle(task, signals);
        }

        return Host.Call(CallNumber.EpollCtl, set.Host, (int)call.B, use.Host, (nint)bytes);
    }

    private static long EpollWithMask(GuestTask task, in CallArguments call)
    {
        long error = SetMask(task, call.E, call.F);
        return error < 0 ? error : EpollWait(task, call, Milliseconds((int)call.D));
    }

    private static long EpollWithTime(GuestTask task, in CallArguments call)
    {
        long time = ReadTime(task, call.D, 1, out bool bad);
        long error = bad ? -Error.EINVAL : SetMask(task, call.E, call.F);
        return error < 0 ? error : EpollWait(task, call, time);
    }

    private static unsafe long EpollWait(GuestTask task, in CallArguments call, long nanoseconds)
    {
        const int EventLength = 12;
        const int MostEvents = 4096;
        if ((int)call.C <= 0)
        {
            return -Error.EINVAL;
        }

        using var use = task.Process.Descriptors.Use((int)call.A);
        var events = new byte[Math.Min((int)call.C, MostEvents) * EventLength];
        long milliseconds = nanoseconds == long.MaxValue ? -1 : Math.Min((nanoseconds + 999_999) / 1_000_000, int.MaxValue);
        long result;
        fixed (byte* bytes = events)
        {
            result = task.Blocking(CallNumber.EpollWait, use.Host, (nint)bytes, events.Length / EventLength, milliseconds);
        }

        if (result < 0)
        {
            return result == -Error.RestartSystemCall ? -Error.RestartNoHandler : result;
        }

        return task.Write(call.B, events.AsSpan(0, (int)result * EventLength)) ? result : -Error.EFAULT;
    }
}
