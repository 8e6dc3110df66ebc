using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Iced.Intel;
using Pando.Kvm.Native;
using Pando.Kvm.Programs;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Benchmarks;

/// <summary>
/// The same turns by real processes that map a hugetlb memfd, GiB by GiB: aligned to 1 GiB, where the kernel shares the
/// tables of PMDs (mm/hugetlb.c, huge_pmd_share), or 2 MiB off, where it does not.
/// </summary>
/// <remarks>
/// A program of some 300 bytes, so that its own page tables do not count: it forks a chain of
/// itself, every process maps the memory, and a token goes through the chain by pipes; who has it, touches.
/// </remarks>
[SupportedOSPlatform("linux")]
internal static class LinuxSharing
{
    // Descriptors that the program finds open, out of the way of the runtime's own.
    private const int MemoryFile = 900;
    private const int Tokens = 901;
    private const int Results = 902;

    // A seed, nanoseconds so far, faults so far.
    private const int MessageLength = 24;

    private const ulong Aligned = 0x1000_0000_0000;
    private const ulong LargePage = 2 << 20;
    private const long PageSize = 4096;
    private const ulong ImageBase = 0x40_0000;
    private const int ImageHeader = 120; // an ELF header and one program header

    // System calls of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl).
    private const int SysRead = 0;
    private const int SysWrite = 1;
    private const int SysClose = 3;
    private const int SysPoll = 7;
    private const int SysMap = 9;
    private const int SysPipe = 22;
    private const int SysDup2 = 33;
    private const int SysFork = 57;
    private const int SysWait = 61;
    private const int SysTruncate = 77;
    private const int SysUsage = 98;
    private const int SysClock = 228;
    private const int SysExitGroup = 231;
    private const int SysMemfd = 319;

    internal static SharingResult Measure(long length, int processes, bool aligned)
    {
        var path = Path.Combine(Path.GetTempPath(), $"pando-sharing-{Environment.ProcessId}");
        var buffer = Marshal.AllocHGlobal(64);
        var name = Marshal.StringToCoTaskMemUTF8("pando-sharing");
        var open = new List<int>();
        Process? program = null;
        try
        {
            Open(SystemCall(SysMemfd, name, 4, 0), MemoryFile, open); // MFD_HUGETLB
            SystemCall(SysTruncate, MemoryFile, (nint)length, 0);
            TakePages(length);
            SystemCall(SysPipe, buffer, 0, 0);
            var (tokensOut, tokensIn) = (Marshal.ReadInt32(buffer), Marshal.ReadInt32(buffer, 4));
            Open(tokensOut, Tokens, open);
            open.Add(tokensIn);
            SystemCall(SysPipe, buffer, 0, 0);
            var (resultsOut, resultsIn) = (Marshal.ReadInt32(buffer), Marshal.ReadInt32(buffer, 4));
            Open(resultsIn, Results, open);
            open.Add(resultsOut);

            File.WriteAllBytes(path, Image(Assemble((ulong)length, processes, Aligned + (aligned ? 0 : LargePage), tokensIn)));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

            program = Process.Start(new ProcessStartInfo(path) { UseShellExecute = false })!;
            (long Faults, double Nanoseconds) Turn(long seed)
            {
                Marshal.WriteInt64(buffer, seed);
                Marshal.WriteInt64(buffer, 8, 0);
                Marshal.WriteInt64(buffer, 16, 0);
                SystemCall(SysWrite, tokensIn, buffer, MessageLength);
                WaitFor(resultsOut, buffer + 48, program, processes);
                return SystemCall(SysRead, resultsOut, buffer, MessageLength) == MessageLength
                    ? (Marshal.ReadInt64(buffer, 16), (double)Marshal.ReadInt64(buffer, 8) / processes / KvmSharing.TouchesPerTurn)
                    : throw new InvalidOperationException("the processes gave no result");
            }

            // A token without a seed comes back when all are there and have mapped the memory.
            Turn(0);
            var chain = Chain(program.Id);
            long before = TableBytes(chain);
            var first = Turn(1);
            long tables = TableBytes(chain) - before - (aligned ? CountedTwice(length, processes) : 0) + ((long)processes * PageSize);
            var second = Turn(1);
            return new SharingResult(tables, first.Faults, first.Nanoseconds, second.Faults, second.Nanoseconds);
        }
        finally
        {
            // With the last writer gone every reader finds the end, and exits.
            foreach (int descriptor in open)
            {
                _ = LibC.SystemCall(SysClose, descriptor, 0, 0);
            }

            program?.WaitForExit();
            program?.Dispose();
            Marshal.FreeHGlobal(buffer);
            Marshal.FreeCoTaskMem(name);
            File.Delete(path);
        }
    }

    /// <summary>
    /// Has the kernel allocate the pages that will be touched: a process that found the pool taken by others would end
    /// by SIGBUS (mm/hugetlb.c, hugetlb_no_page). The mapping reserves, or is refused.
    /// </summary>
    private static void TakePages(long length)
    {
        for (int page = 0; page < KvmSharing.Pages; page++)
        {
            nint at = LibC.Map(0, (nuint)LargePage, LibC.ProtectRead | LibC.ProtectWrite, LibC.MapShared, MemoryFile, (nint)(page * (length / KvmSharing.Pages)));
            if (at == -1)
            {
                throw KvmException.FromErrno($"mmap of huge page {page} of {KvmSharing.Pages} (do other programs take them?)");
            }

            Marshal.WriteByte(at, 0);
            _ = LibC.Unmap(at, (nuint)LargePage);
        }
    }

    /// <summary>Returns when the last process has answered; throws where one has died, whose token is lost.</summary>
    private static void WaitFor(int descriptor, nint poll, Process program, int processes)
    {
        const short Readable = 1; // POLLIN
        Marshal.WriteInt32(poll, descriptor); // struct pollfd
        Marshal.WriteInt32(poll, 4, Readable);
        while (SystemCall(SysPoll, poll, 1, 2000) == 0)
        {
            // Those that are not there yet may still be being made: the last that is there must be alive.
            int last = Chain(program.Id)[^1];
            if (File.ReadLines($"/proc/{last}/status").Any(static line => line.StartsWith("State:\tZ", StringComparison.Ordinal)))
            {
                throw new InvalidOperationException($"process {last} of the chain of {processes} has died");
            }
        }
    }

    private static byte[] Assemble(ulong length, int processes, ulong address, int tokensEnd)
    {
        const ulong SharedFixedNoReserve = 0x4011;
        const int Seed = 0;
        const int Time = 8;
        const int Faults = 16;
        var a = new Assembler(64);
        var chain = a.CreateLabel();
        var child = a.CreateLabel();
        var last = a.CreateLabel();
        var map = a.CreateLabel();
        var piece = a.CreateLabel();
        var wait = a.CreateLabel();
        var touch = a.CreateLabel();
        var pass = a.CreateLabel();
        var end = a.CreateLabel();
        var reap = a.CreateLabel();

        void Call(int number)
        {
            a.mov(eax, number);
            a.syscall();
        }

        // A chain: each process but the last makes the next, with a pipe to it. RBP: where the token comes from, RBX:
        // where it goes. The tokens' other end must be the parent's alone, or nobody would ever find the pipe's end.
        a.sub(rsp, 512);
        a.mov(edi, tokensEnd);
        Call(SysClose);
        a.mov(ebp, Tokens);
        a.mov(r12d, processes);
        a.Label(ref chain);
        a.dec(r12);
        a.je(last);
        a.mov(rdi, rsp);
        Call(SysPipe);
        Call(SysFork);
        a.test(rax, rax);
        a.je(child);
        a.mov(edi, __dword_ptr[rsp]);
        Call(SysClose);
        a.mov(ebx, __dword_ptr[rsp + 4]);
        a.jmp(map);
        a.Label(ref child);
        a.mov(edi, ebp);
        Call(SysClose);
        a.mov(edi, __dword_ptr[rsp + 4]);
        Call(SysClose);
        a.mov(ebp, __dword_ptr[rsp]);
        a.jmp(chain);
        a.Label(ref last);
        a.mov(ebx, Results);

        // A mapping for each GiB: the kernel shares the tables of whole, aligned GiBs of one mapping. All mappings of a
        // file that are off by the same share with each other, so being off is not enough; being cut where no
        // GiB begins is.
        a.Label(ref map);
        a.xor(r14d, r14d);
        a.Label(ref piece);
        a.mov(rdi, address);
        a.add(rdi, r14);
        a.mov(esi, 1 << 30);
        a.mov(edx, 1);
        a.mov(r10, SharedFixedNoReserve);
        a.mov(r8d, MemoryFile);
        a.mov(r9, r14);
        Call(SysMap);
        a.add(r14, 1 << 30);
        a.mov(rax, length);
        a.cmp(r14, rax);
        a.jb(piece);
        a.mov(r13, address);

        a.Label(ref wait);
        a.mov(edi, ebp);
        a.mov(rsi, rsp);
        a.mov(edx, MessageLength);
        Call(SysRead);
        a.cmp(rax, MessageLength);
        a.jne(end);
        a.mov(r14, __qword_ptr[rsp + Seed]);
        a.test(r14, r14);
        a.je(pass);
        a.inc(__qword_ptr[rsp + Seed]);
        Usage(80);
        Clock(32);
        a.mov(r15d, KvmSharing.TouchesPerTurn);
        a.mov(r10, Workloads.RandomMultiplier);
        a.mov(r11, Workloads.RandomIncrement);
        a.mov(rsi, (ulong)KvmSharing.Pages);
        a.mov(rdi, length / KvmSharing.Pages);
        a.Label(ref touch);
        a.imul(r14, r10);
        a.add(r14, r11);
        a.mov(rax, r14);
        a.mul(rsi);
        a.imul(rdx, rdi);
        a.mov(rax, __qword_ptr[r13 + rdx]);
        a.dec(r15);
        a.jne(touch);
        Clock(48);
        Usage(240);

        // What it took goes on with the token: nanoseconds, and faults (ru_minflt, the 9th word of struct rusage).
        a.mov(rax, __qword_ptr[rsp + 48]);
        a.sub(rax, __qword_ptr[rsp + 32]);
        a.imul(rax, rax, 1_000_000_000);
        a.add(rax, __qword_ptr[rsp + 56]);
        a.sub(rax, __qword_ptr[rsp + 40]);
        a.add(__qword_ptr[rsp + Time], rax);
        a.mov(rax, __qword_ptr[rsp + 240 + 64]);
        a.sub(rax, __qword_ptr[rsp + 80 + 64]);
        a.add(__qword_ptr[rsp + Faults], rax);
        a.Label(ref pass);
        a.mov(edi, ebx);
        a.mov(rsi, rsp);
        a.mov(edx, MessageLength);
        Call(SysWrite);
        a.jmp(wait);

        // Each closes the pipe to the next and waits for it, so that none is left.
        a.Label(ref end);
        a.mov(edi, ebx);
        Call(SysClose);
        a.Label(ref reap);
        a.mov(rdi, ulong.MaxValue);
        a.xor(esi, esi);
        a.xor(edx, edx);
        a.xor(r10d, r10d);
        Call(SysWait);
        a.test(rax, rax);
        a.jg(reap);
        a.xor(edi, edi);
        Call(SysExitGroup);
        return MachineCode.Assemble(a, ImageBase + ImageHeader, []).Bytes;

        void Clock(int at)
        {
            a.mov(edi, 1); // CLOCK_MONOTONIC
            a.lea(rsi, __[rsp + at]);
            Call(SysClock);
        }

        void Usage(int at)
        {
            a.xor(edi, edi); // RUSAGE_SELF
            a.lea(rsi, __[rsp + at]);
            Call(SysUsage);
        }
    }

    /// <summary>A static ELF program of one segment (System V ABI, AMD64 supplement; elf(5)).</summary>
    private static byte[] Image(byte[] code)
    {
        var image = new byte[ImageHeader + code.Length];
        using var writer = new BinaryWriter(new MemoryStream(image));
        writer.Write([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        writer.Write((ushort)2);  // ET_EXEC
        writer.Write((ushort)62); // EM_X86_64
        writer.Write(1);
        writer.Write(ImageBase + ImageHeader);
        writer.Write(64UL);
        writer.Write(0UL);
        writer.Write(0);
        writer.Write((ushort)64);
        writer.Write((ushort)56);
        writer.Write((ushort)1);
        writer.Write((ushort)0);
        writer.Write(0);
        writer.Write(1); // PT_LOAD
        writer.Write(5); // readable, executable
        writer.Write(0UL);
        writer.Write(ImageBase);
        writer.Write(ImageBase);
        writer.Write((ulong)image.Length);
        writer.Write((ulong)image.Length);
        writer.Write(4096UL);
        writer.Write(code);
        return image;
    }

    /// <summary>Makes a descriptor one that the program finds under its number.</summary>
    private static void Open(nint descriptor, int number, List<int> open)
    {
        SystemCall(SysDup2, descriptor, number, 0);
        SystemCall(SysClose, descriptor, 0, 0);
        open.Add(number);
    }

    private static nint SystemCall(int number, nint first, nint second, nint third)
    {
        nint result = LibC.SystemCall(number, first, second, third);
        return result >= 0 ? result : throw KvmException.FromErrno($"system call {number}");
    }

    /// <summary>The processes, each of which but the last has one child (proc(5), /proc/[pid]/task/[tid]/children).</summary>
    private static List<int> Chain(int first)
    {
        var chain = new List<int>();
        for (string next = first.ToString(CultureInfo.InvariantCulture); next.Length > 0;)
        {
            chain.Add(int.Parse(next, CultureInfo.InvariantCulture));
            next = File.ReadAllText($"/proc/{next}/task/{next}/children").Trim();
        }

        return chain;
    }

    /// <summary>
    /// Page tables below the roots, as the processes count them (VmPTE). A table that several share is counted by each
    /// (mm/hugetlb.c, huge_pmd_share: mm_inc_nr_pmds).
    /// </summary>
    private static long TableBytes(List<int> processes)
    {
        long bytes = 0;
        foreach (int process in processes)
        {
            var line = File.ReadLines($"/proc/{process}/status").First(static line => line.StartsWith("VmPTE:", StringComparison.Ordinal));
            bytes += long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
        }

        return bytes;
    }

    /// <summary>
    /// What processes count of shared tables beyond one each: a process counts a table for every GiB that it touches, by the
    /// same random numbers as the program's.
    /// </summary>
    private static long CountedTwice(long length, int processes)
    {
        var tables = new HashSet<long>();
        long counted = 0;
        for (ulong seed = 1; seed <= (ulong)processes; seed++)
        {
            var own = new HashSet<long>();
            ulong state = seed;
            for (int touch = 0; touch < KvmSharing.TouchesPerTurn; touch++)
            {
                state = unchecked((state * Workloads.RandomMultiplier) + Workloads.RandomIncrement);
                own.Add((long)Math.BigMul(state, (ulong)KvmSharing.Pages, out _) * (length / KvmSharing.Pages) >> 30);
            }

            counted += own.Count;
            tables.UnionWith(own);
        }

        return (counted - tables.Count) * PageSize;
    }
}
