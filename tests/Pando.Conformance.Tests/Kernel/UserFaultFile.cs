using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using Pando.Linux.Native;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Kernel;

/// <summary>
/// An agent's userfaultfd(2), held by the process that tests: the agent waits in its fault while the question is read and answered
/// here. Not safe for threads.
/// </summary>
/// <remarks>Layouts and numbers are those of include/uapi/linux/userfaultfd.h on x86-64.</remarks>
internal sealed unsafe partial class UserFaultFile : IDisposable
{
    private const ulong NonBlocking = 0x800; // O_NONBLOCK: poll wants it
    private const ulong UserModeOnly = 1; // UFFD_USER_MODE_ONLY
    private const long PidfdOpen = 434;
    private const long PidfdGetfd = 438;
    private const int NotPermitted = 1; // EPERM
    private const int NoSuchCall = 38; // ENOSYS

    private const ulong HandshakeRequest = 0xc018aa3f;
    private const ulong RegisterRequest = 0xc020aa00;
    private const ulong UnregisterRequest = 0x8010aa01;
    private const ulong WakeRequest = 0x8010aa02;
    private const ulong CopyRequest = 0xc028aa03;
    private const ulong ZeroRequest = 0xc020aa04;
    private const ulong WriteProtectRequest = 0xc018aa06;
    private const ulong ContinueRequest = 0xc020aa07;

    private const ulong HandshakeVersion = 0xaa;

    // UFFD_FEATURE_PAGEFAULT_FLAG_WP, MISSING_HUGETLBFS, MISSING_SHMEM, MINOR_HUGETLBFS, MINOR_SHMEM, WP_HUGETLBFS_SHMEM.
    private const ulong Features = (1 << 0) | (1 << 4) | (1 << 5) | (1 << 9) | (1 << 10) | (1 << 12);

    private const byte PageFaultEvent = 0x12;
    private const int MessageSize = 32;

    private readonly int _file;

    private UserFaultFile(int file) => _file = file;

    /// <summary>The number of the open file, for poll.</summary>
    public int Number => _file;

    /// <summary>Whether only accesses of the agent's own are asked about, and not what the kernel touches for it.</summary>
    public bool IsUserModeOnly { get; private init; }

    /// <summary>
    /// Makes one for an agent: for all faults where that is allowed, otherwise for those of its own accesses
    /// (vm.unprivileged_userfaultfd). Null where there can be none, with the reason.
    /// </summary>
    public static UserFaultFile? TryOpen(AgentProcess agent, out string? whyNot)
    {
        bool userModeOnly = false;
        long made = agent.Call(SystemCall.UserFaultFd, NonBlocking);
        if (made == -NotPermitted)
        {
            userModeOnly = true;
            made = agent.Call(SystemCall.UserFaultFd, NonBlocking | UserModeOnly);
        }

        if (made < 0)
        {
            whyNot = made == -NoSuchCall ? "the kernel has no userfaultfd" : $"userfaultfd ended in error {-made}";
            return null;
        }

        int file = Take(agent.Pid, (int)made, out int error);
        agent.Call(SystemCall.Close, (ulong)made);
        if (file < 0)
        {
            whyNot = $"the agent's userfaultfd cannot be had from here (pidfd_getfd: error {error})";
            return null;
        }

        var opened = new UserFaultFile(file) { IsUserModeOnly = userModeOnly };
        ulong* handshake = stackalloc ulong[3] { HandshakeVersion, Features, 0 };
        long result = opened.Control(HandshakeRequest, handshake);
        if (result < 0)
        {
            opened.Dispose();
            whyNot = $"userfaultfd has not all that is compared (missing, minor and write-protect, in memory files too): error {-result}";
            return null;
        }

        whyNot = null;
        return opened;
    }

    /// <summary>UFFDIO_REGISTER. 0, or the error negated; so have all that follow.</summary>
    public long Register(ulong address, long length, UserFaultModes modes)
    {
        ulong* request = stackalloc ulong[4] { address, (ulong)length, (ulong)modes, 0 };
        return Control(RegisterRequest, request);
    }

    /// <summary>UFFDIO_UNREGISTER.</summary>
    public long Unregister(ulong address, long length)
    {
        ulong* request = stackalloc ulong[2] { address, (ulong)length };
        return Control(UnregisterRequest, request);
    }

    /// <summary>UFFDIO_COPY of so many bytes of one value. Tells how many were copied: EAGAIN where not all.</summary>
    public long Copy(ulong address, long length, byte value, bool writeProtect, out long copied)
    {
        nuint size = (nuint)Math.Clamp(length, 1, 64L << 20);
        byte* source = (byte*)NativeMemory.AlignedAlloc((size + 4095) & ~(nuint)4095, 4096);
        NativeMemory.Fill(source, size, value);
        ulong* request = stackalloc ulong[5] { address, (ulong)source, (ulong)length, writeProtect ? 2UL : 0, 0 };
        long result = Control(CopyRequest, request);
        NativeMemory.AlignedFree(source);
        copied = Math.Max(0, (long)request[4]);
        return result;
    }

    /// <summary>UFFDIO_ZEROPAGE.</summary>
    public long Zero(ulong address, long length, out long done)
    {
        ulong* request = stackalloc ulong[4] { address, (ulong)length, 0, 0 };
        long result = Control(ZeroRequest, request);
        done = Math.Max(0, (long)request[3]);
        return result;
    }

    /// <summary>UFFDIO_CONTINUE.</summary>
    public long Continue(ulong address, long length, bool writeProtect, out long done)
    {
        ulong* request = stackalloc ulong[4] { address, (ulong)length, writeProtect ? 2UL : 0, 0 };
        long result = Control(ContinueRequest, request);
        done = Math.Max(0, (long)request[3]);
        return result;
    }

    /// <summary>UFFDIO_WRITEPROTECT.</summary>
    public long WriteProtect(ulong address, long length, bool protect)
    {
        ulong* request = stackalloc ulong[3] { address, (ulong)length, protect ? 1UL : 0 };
        return Control(WriteProtectRequest, request);
    }

    /// <summary>UFFDIO_WAKE: whoever waits for something in a range makes its access again.</summary>
    public void Wake(ulong address, long length)
    {
        ulong* request = stackalloc ulong[2] { address, (ulong)length };
        long result = Control(WakeRequest, request);
        if (result < 0)
        {
            throw new InvalidOperationException($"UFFDIO_WAKE of 0x{address:x} ended in error {-result}.");
        }
    }

    /// <summary>Waits until one of two files can be read; whether it is this.</summary>
    public bool WaitsBefore(int other)
    {
        const int MostMilliseconds = 600_000; // longer is a hang
        var files = stackalloc PollEntry[2];
        files[0] = new PollEntry { File = other, Events = 1, Found = 0 };
        files[1] = new PollEntry { File = _file, Events = 1 };
        while (true)
        {
            int ready = Poll(files, 2, MostMilliseconds);
            if (ready > 0)
            {
                return files[0].Found == 0;
            }

            int error = Marshal.GetLastPInvokeError();
            if (ready == 0)
            {
                throw new InvalidOperationException("The agent neither answers nor asks.");
            }

            if (error != LibC.Interrupted)
            {
                throw new Win32Exception(error);
            }
        }
    }

    /// <summary>The next question; null where nobody waits any more.</summary>
    public UserFaultQuestion? TryRead()
    {
        byte* bytes = stackalloc byte[MessageSize];
        if (LibC.Read(_file, bytes, MessageSize) != MessageSize)
        {
            return null;
        }

        var message = new ReadOnlySpan<byte>(bytes, MessageSize);
        if (message[0] != PageFaultEvent)
        {
            throw new InvalidOperationException($"userfaultfd told of event 0x{message[0]:x}, which was not asked for.");
        }

        // UFFD_PAGEFAULT_FLAG_WRITE 1, _WP 2, _MINOR 4.
        ulong flags = BinaryPrimitives.ReadUInt64LittleEndian(message[8..]);
        ulong address = BinaryPrimitives.ReadUInt64LittleEndian(message[16..]);
        var kind = (flags & 2) != 0 ? UserFaultKind.WriteProtect : (flags & 4) != 0 ? UserFaultKind.Minor : UserFaultKind.Missing;
        return new UserFaultQuestion(address, kind, (flags & 1) != 0);
    }

    public void Dispose() => _ = LibC.Close(_file);

    private static int Take(int pid, int number, out int error)
    {
        int process = (int)Call(PidfdOpen, pid, 0, 0);
        error = process < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (process < 0)
        {
            return -1;
        }

        int file = (int)Call(PidfdGetfd, process, number, 0);
        error = file < 0 ? Marshal.GetLastPInvokeError() : 0;
        _ = LibC.Close(process);
        return file;
    }

    private long Control(ulong request, void* argument) =>
        LibC.Ioctl(_file, request, argument) < 0 ? -Marshal.GetLastPInvokeError() : 0;

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long Call(long number, long first, long second, long third);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(PollEntry* files, nuint count, int milliseconds);

    /// <summary>struct pollfd.</summary>
    private struct PollEntry
    {
        public int File;
        public short Events;
        public short Found;
    }
}
