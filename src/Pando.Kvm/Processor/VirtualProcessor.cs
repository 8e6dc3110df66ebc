using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Pando.Kvm.Machine;
using Pando.Kvm.Native;

namespace Pando.Kvm.Processor;

/// <summary>One KVM vCPU that runs ring-3 code in one address space after another.</summary>
/// <remarks>
/// <para>One thread at a time calls <see cref="Run"/>, <see cref="Reset"/>, <see cref="Registers"/>,
/// <see cref="Space"/>, <see cref="QueueRound"/> and <see cref="Translate"/>; any thread may call <see cref="Stop"/>,
/// <see cref="Gate"/>'s methods and <see cref="RequestFlush"/>.</para>
/// <para>Ring 3 has the general registers; SSE state is not switched between spaces, so programs use none.</para>
/// </remarks>
internal sealed unsafe class VirtualProcessor : IDisposable
{
    private const int StopReason = 1;
    private const int TimeReason = 2;

    // CR0: PE, MP, ET, NE, WP, PG. WP so that ring 0 would respect read-only entries too (Intel SDM vol. 3A, 2.5).
    private const ulong Cr0Value = 0x8001_0033;

    // CR4: PAE, PGE, OSFXSR, OSXMMEXCPT; then by ability LA57 and PCIDE.
    private const ulong Cr4Value = 0x6A0;
    private const ulong Cr4GlobalPages = 1UL << 7;
    private const ulong Cr4FiveLevels = 1UL << 12;
    private const ulong Cr4Pcid = 1UL << 17;

    // EFER: SCE, LME, LMA, NXE.
    private const ulong EferValue = 0xD01;

    // The flags ring 3 may own: CF PF AF ZF SF TF DF OF AC ID. IF stays clear: nothing interrupts these processors.
    private const ulong UserFlags = 0x24_0DD5;
    private const ulong FixedFlag = 2;

    private readonly VirtualMachine _machine;
    private readonly KernelImage _image;
    private readonly int _descriptor;
    private readonly KvmRun* _run;
    private readonly nuint _runLength;
    private readonly ulong _apicBase;
    private Timer? _timer;
    private long _deadline;
    private int _boundThread = -1;
    private bool _specialChanged;
    private bool _inKernel;
    private int _flushRequested;
    private ulong _codeAttachedAt;
    private bool _disposed;

    [ThreadStatic]
    private static int _threadId;

    [ThreadStatic]
    private static ulong _threadMask;

    internal VirtualProcessor(VirtualMachine machine, KernelImage image, int device, int vm, int index)
    {
        _machine = machine;
        _image = image;
        Index = index;
        _descriptor = LibC.Ioctl(vm, KvmRequest.CreateVcpu, (nuint)index);
        if (_descriptor < 0)
        {
            throw KvmException.FromErrno($"KVM_CREATE_VCPU {index}");
        }

        _runLength = (nuint)LibC.Ioctl(device, KvmRequest.GetVcpuMapSize, 0);
        var run = LibC.Map(0, _runLength, LibC.ProtectRead | LibC.ProtectWrite, LibC.MapShared, _descriptor, 0);
        if (run == -1)
        {
            var refused = KvmException.FromErrno("mmap of the vCPU's kvm_run");
            _ = LibC.Close(_descriptor);
            throw refused;
        }

        _run = (KvmRun*)run;
        try
        {
            fixed (KvmCpuid* cpuid = &machine.Cpuid)
            {
                Call(KvmRequest.SetCpuid2, cpuid, "KVM_SET_CPUID2");
            }

            KvmSpecialRegisters initial;
            Call(KvmRequest.GetSpecialRegisters, &initial, "KVM_GET_SREGS");
            _apicBase = initial.ApicBase;
            Reset();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The vCPU's file descriptor, for measuring single calls.</summary>
    internal int Descriptor => _descriptor;

    /// <summary>This vCPU's number in its machine.</summary>
    internal int Index { get; }

    /// <summary>Lets other threads get this vCPU out of guest mode.</summary>
    internal EntryGate Gate { get; } = new();

    /// <summary>Ring 3's registers, in the page shared with the kernel: no call to read or write them.</summary>
    internal ref KvmRegisters Registers => ref _run->Registers;

    /// <summary>CR3: the root table's guest-physical address, and where PCIDs are on (<see cref="VirtualMachine.HasPcid"/>) the PCID in bits 0 to 11.</summary>
    internal ulong Space
    {
        get => _run->SpecialRegisters.Cr3;
        set
        {
            if (_run->SpecialRegisters.Cr3 != value)
            {
                _run->SpecialRegisters.Cr3 = value;
                _specialChanged = true;
            }
        }
    }

    /// <summary>How many spaces of <see cref="QueueRound"/> have been entered; the last of them is the present one.</summary>
    internal int RoundPosition => (int)((_image.Word(QueueAddress) - QueueAddress) / 8) - 1;

    private ulong QueueAddress => KernelLayout.Virtual(KernelLayout.QueuePage(Index));

    /// <summary>Puts the vCPU into ring 3 with all registers zero and no space; needed after a failure.</summary>
    internal void Reset()
    {
        var special = default(KvmSpecialRegisters);
        special.ApicBase = _apicBase;
        special.Cs = Segment(KernelLayout.UserCode, 11, 3, longMode: true);
        special.Ss = Segment(KernelLayout.UserData, 3, 3, longMode: false);
        special.Ds = special.Es = special.Fs = special.Gs = special.Ss;
        special.Ldt.Unusable = 1;
        special.Tr.Base = KernelLayout.Virtual(KernelLayout.StackPage(Index));
        special.Tr.Limit = (uint)KernelLayout.TaskStateLength - 1;
        special.Tr.Selector = KernelLayout.TaskState;
        special.Tr.Type = 11; // busy 64-bit TSS
        special.Tr.Present = 1;
        special.Gdt.Base = KernelLayout.Virtual(KernelLayout.GdtPage);
        special.Gdt.Limit = 63;
        special.Idt.Base = KernelLayout.Virtual(KernelLayout.IdtPage);
        special.Idt.Limit = (StubCode.Exceptions * 16) - 1;
        special.Cr0 = Cr0Value;
        special.Cr4 = Cr4Value | (_machine.Levels == 5 ? Cr4FiveLevels : 0) | (_machine.HasPcid ? Cr4Pcid : 0);
        special.Efer = EferValue;
        _run->SpecialRegisters = special;
        _run->Registers = new KvmRegisters { Rflags = FixedFlag };
        _specialChanged = true;
        ClearRound();
        WriteSystemCallRegisters();
    }

    /// <summary>
    /// From now on each INT3 of ring 3 goes on in the next of these spaces, without an exit and with the same
    /// registers; the INT3 after the last exits as <see cref="ExitKind.Breakpoint"/>.
    /// </summary>
    /// <param name="spaces">CR3 values, at most <see cref="KernelLayout.QueueCapacity"/>, none of them 0.</param>
    internal void QueueRound(ReadOnlySpan<ulong> spaces)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(spaces.Length, KernelLayout.QueueCapacity);
        for (var i = 0; i < spaces.Length; i++)
        {
            _image.Word(QueueAddress + 8 + ((ulong)i * 8)) = spaces[i];
        }

        _image.Word(QueueAddress + 8 + ((ulong)spaces.Length * 8)) = 0;
        _image.Word(QueueAddress) = QueueAddress + 8;
    }

    /// <summary>Ends the round: the next INT3 exits.</summary>
    internal void ClearRound() => QueueRound([]);

    /// <summary>Makes <see cref="Run"/> return with <see cref="ExitKind.Stopped"/>: the present call or else the next.</summary>
    internal void Stop() => Gate.RequestStop(StopReason);

    /// <summary>
    /// The vCPU's own TLB, all PCIDs, is flushed before it next runs ring 3; kick it to make that now. Of use where the
    /// processor walks the tables itself (<see cref="TranslationKind.Hardware"/>).
    /// </summary>
    internal void RequestFlush() => Volatile.Write(ref _flushRequested, 1);

    /// <summary>Runs ring 3 from <see cref="Registers"/> in <see cref="Space"/> until something needs the host.</summary>
    /// <param name="limit">The longest time in guest mode, from now.</param>
    /// <exception cref="KvmException">KVM_RUN itself failed.</exception>
    internal ProcessorExit Run(TimeSpan? limit = null)
    {
        if (limit is { } time)
        {
            StartTimer(time);
        }

        try
        {
            return RunUntilExit();
        }
        finally
        {
            if (limit is not null)
            {
                Volatile.Write(ref _deadline, 0);
                Gate.WithdrawStop(TimeReason);
            }
        }
    }

    /// <summary>Runs the ring-0 code at <paramref name="entry"/> until its OUT; for the toucher.</summary>
    internal void RunKernel(ulong entry, byte expectedPort)
    {
        _run->SpecialRegisters.Cs = Segment(KernelLayout.KernelCode, 11, 0, longMode: true);
        _run->SpecialRegisters.Ss = Segment(KernelLayout.KernelData, 3, 0, longMode: false);
        _specialChanged |= !_inKernel;
        _inKernel = true;
        Registers.Rip = entry;
        Registers.Rsp = KernelLayout.StackTop(Index);
        Registers.Rflags = FixedFlag;
        while (!Enter(ignoreStops: true))
        {
        }

        if (_run->ExitReason != KvmExitReason.Io || _run->IoPort != expectedPort)
        {
            throw new KvmException($"the machine's own ring-0 code failed. {FailureReport.Of(FailureReport.Describe(_run), _run, _machine)}");
        }
    }

    /// <summary>The vCPU's registers and the walk of the address that matters, for a report of something else than a failure.</summary>
    internal FailureReport Describe(string cause) => FailureReport.Of(cause, _run, _machine);

    /// <summary>What KVM says that <paramref name="address"/> translates to in the present space (KVM_TRANSLATE).</summary>
    /// <returns>The guest-physical address, or null where there is no translation.</returns>
    /// <remarks>KVM walks the tables in memory. Its rights fields are constants on x86 (always writable, never user), so they are left out.</remarks>
    internal ulong? Translate(ulong address)
    {
        StoreSpecialRegisters();
        var translation = new KvmTranslation { LinearAddress = address };
        Call(KvmRequest.Translate, &translation, $"KVM_TRANSLATE of {address:x}");
        return translation.Valid != 0 ? translation.PhysicalAddress : null;
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _timer?.Dispose();
            _ = LibC.Unmap((nint)_run, _runLength);
            _ = LibC.Close(_descriptor);
        }
    }

    private static KvmSegment Segment(ushort selector, byte type, byte privilege, bool longMode) => new()
    {
        Limit = 0xFFFF_FFFF,
        Selector = selector,
        Type = type,
        Present = 1,
        PrivilegeLevel = privilege,
        DefaultSize = (byte)(longMode ? 0 : 1),
        NotSystem = 1,
        LongMode = (byte)(longMode ? 1 : 0),
        Granularity = 1,
    };

    private ProcessorExit RunUntilExit()
    {
        var finishStub = false;
        while (true)
        {
            if (Enter(finishStub))
            {
                var exit = Decode();
                if (exit is { Kind: ExitKind.Failed } or { Kind: ExitKind.Exception, Vector: StubCode.InvalidOpcodeVector } && TryAttachCode())
                {
                    finishStub = false;
                    continue;
                }

                return exit;
            }

            // Out without an exit: a kick. Between an exception and the stub's OUT the host must let it finish,
            // or ring 3's registers would be on the ring-0 stack.
            // So too where KVM had begun to deliver an exception: it would go on with it in whatever space is next,
            // with that space's RIP and this one's CR2.
            finishStub = (_run->SpecialRegisters.Cs.Selector & 3) == 0 || (Gate.IsStopAsked && IsExceptionUnderWay());
            if (finishStub)
            {
                continue;
            }

            var reasons = Gate.TakeStopReasons();
            if ((reasons & StopReason) != 0)
            {
                return new ProcessorExit(ExitKind.Stopped);
            }

            // A timer that fired while an earlier run was ending asks in vain.
            var deadline = Volatile.Read(ref _deadline);
            if ((reasons & TimeReason) != 0 && deadline != 0 && deadline <= Stopwatch.GetTimestamp())
            {
                return new ProcessorExit(ExitKind.TimeLimit);
            }
        }
    }

    /// <summary>One KVM_RUN. False where it ended for a signal, or was not begun because of a stop.</summary>
    private bool Enter(bool ignoreStops)
    {
        var thread = BindToThread();
        if (!Gate.TryEnter(thread, ignoreStops))
        {
            return false;
        }

        // Behind the gate: a flush asked for before a kick that found us outside is seen here.
        if (Interlocked.Exchange(ref _flushRequested, 0) != 0)
        {
            FlushOwnTranslations();
        }

        _run->ValidRegisters = KvmRun.SyncRegisters | KvmRun.SyncSpecialRegisters;
        _run->DirtyRegisters = KvmRun.SyncRegisters | (_specialChanged ? KvmRun.SyncSpecialRegisters : 0);
        _specialChanged = false;
        var error = RunOnce(out var result);
        while (result >= 0 && _run->ExitReason == KvmExitReason.Mmio && TrySupplyMemory())
        {
            // The call completes the access and then returns before guest mode, as for a signal.
            _run->DirtyRegisters = 0;
            Volatile.Write(ref _run->ImmediateExit, 1);
            error = RunOnce(out result);
            Volatile.Write(ref _run->ImmediateExit, 0);
        }

        Gate.Leave();
        if (result >= 0)
        {
            return true;
        }

        if (error is LibC.ErrorInterrupted or LibC.ErrorAgain)
        {
            EntryGate.DrainKickSignal();
            return false;
        }

        Marshal.SetLastPInvokeError(error);
        throw KvmException.FromErrno($"KVM_RUN of vCPU {Index}");
    }

    private bool IsExceptionUnderWay()
    {
        KvmVcpuEvents events;
        Call(KvmRequest.GetVcpuEvents, &events, "KVM_GET_VCPU_EVENTS");
        return (events.ExceptionInjected | events.ExceptionPending) != 0;
    }

    private int RunOnce(out int result)
    {
        result = LibC.Ioctl(_descriptor, KvmRequest.Run, 0);
        return result < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>
    /// Lets the machine's user attach memory that was not there and makes the access in ring 3's place. Still inside
    /// the gate, so that who kicks the vCPU out waits until the access is made.
    /// </summary>
    private bool TrySupplyMemory()
    {
        var address = _run->MmioAddress;
        var length = (int)_run->MmioLength;
        if (_machine.AttachMissing is not { } attach || !attach(address, length) || !_machine.TryGetBytes(address, length, out var memory))
        {
            return false;
        }

        var data = new Span<byte>(&_run->MmioData, length);
        if (_run->MmioIsWrite == 0)
        {
            memory.CopyTo(data);
        }
        else if (length == 8 && (address & 7) == 0)
        {
            // In one piece, as the processor would.
            Volatile.Write(ref Unsafe.As<byte, ulong>(ref memory[0]), _run->MmioData);
        }
        else
        {
            data.CopyTo(memory);
        }

        return true;
    }

    /// <summary>
    /// Whether an instruction could not be carried out because its own bytes lay in memory that was not attached, and
    /// now is. KVM fetches no code through an exit: it gives up, or has ring 3 take an invalid opcode, then or next.
    /// </summary>
    private bool TryAttachCode()
    {
        const int LongestInstruction = 15;
        var instruction = Registers.Rip;
        if (_machine.AttachMissing is not { } attach || (_run->SpecialRegisters.Cs.Selector & 3) == 0)
        {
            return false;
        }

        var attached = false;
        foreach (var address in (ReadOnlySpan<ulong>)[instruction, instruction + LongestInstruction - 1])
        {
            attached |= TableWalk.From(_machine, Space, address).Target() is { } target
                && !_machine.TryGetBytes(target, 1, out _)
                && attach(target, 1);
        }

        // Once more for the exception that was queued before the memory was there.
        var again = attached || instruction == _codeAttachedAt;
        _codeAttachedAt = attached ? instruction : 0;
        return again;
    }

    private ProcessorExit Decode() => _run->ExitReason switch
    {
        KvmExitReason.Io when (_run->SpecialRegisters.Cs.Selector & 3) == 0 => DecodeStub(_run->IoPort),
        KvmExitReason.Mmio => new ProcessorExit(ExitKind.NoMemory, Address: _run->MmioAddress),
        _ => Fail(FailureReport.Describe(_run)),
    };

    private ProcessorExit DecodeStub(ushort port)
    {
        if (port == StubCode.SystemCallPort)
        {
            return EnterSystemCall(Registers.Rsp);
        }

        // The frame that the processor pushed (Intel SDM vol. 3A, figure 7-8): [error code] RIP CS RFLAGS RSP SS.
        var frame = Registers.Rsp;
        var hasErrorCode = StubCode.HasErrorCode(port);
        var size = hasErrorCode ? 48UL : 40UL;
        if (port >= StubCode.Exceptions || frame != KernelLayout.StackTop(Index) - size)
        {
            return Fail($"exit by port {port:x} with ring-0 stack {frame:x}, which is no exception of ring 3");
        }

        var errorCode = hasErrorCode ? (uint)_image.Word(frame) : 0;
        frame += size - 40;
        var address = port == StubCode.PageFaultVector ? _run->SpecialRegisters.Cr2 : 0;
        var rip = _image.Word(frame);
        var flags = _image.Word(frame + 16);
        var stack = _image.Word(frame + 24);

        // Where ring 3 runs natively under a hypervisor without hardware virtualisation, SYSCALL reaches LSTAR
        // still in ring 3, and the fetch from the supervisor page faults: RCX and R11 are set as SYSCALL sets them.
        if (port == StubCode.PageFaultVector && rip == _image.Stub.SystemCallEntry && address == rip)
        {
            return EnterSystemCall(stack);
        }

        ReturnTo(rip, flags, stack);
        var kind = (byte)port switch
        {
            StubCode.PageFaultVector => ExitKind.PageFault,
            StubCode.BreakpointVector => ExitKind.Breakpoint,
            _ => ExitKind.Exception,
        };
        return new ProcessorExit(kind, port, errorCode, address);
    }

    private ProcessorExit EnterSystemCall(ulong stack)
    {
        ReturnTo(Registers.Rcx, Registers.R11, stack);
        return new ProcessorExit(ExitKind.SystemCall);
    }

    private void ReturnTo(ulong rip, ulong flags, ulong stack)
    {
        Registers.Rip = rip;
        Registers.Rflags = (flags & UserFlags) | FixedFlag;
        Registers.Rsp = stack;
        _run->SpecialRegisters.Cs = Segment(KernelLayout.UserCode, 11, 3, longMode: true);
        _run->SpecialRegisters.Ss = Segment(KernelLayout.UserData, 3, 3, longMode: false);
        _specialChanged = true;
        _inKernel = false;
    }

    private ProcessorExit Fail(string cause) =>
        new(ExitKind.Failed, Failure: FailureReport.Of(cause, _run, _machine));

    private int BindToThread()
    {
        if (_threadId == 0)
        {
            _threadMask = EntryGate.BlockKickSignal();
            _threadId = LibC.CurrentThread();
        }

        if (_boundThread != _threadId)
        {
            var mask = new KvmSignalMask { Length = 8, Signals = _threadMask };
            Call(KvmRequest.SetSignalMask, &mask, "KVM_SET_SIGNAL_MASK");
            _boundThread = _threadId;
        }

        return _threadId;
    }

    private void StartTimer(TimeSpan limit)
    {
        Volatile.Write(ref _deadline, Stopwatch.GetTimestamp() + (long)(limit.TotalSeconds * Stopwatch.Frequency));
        _timer ??= new Timer(static state => ((VirtualProcessor)state!).OnTimer(), this, Timeout.Infinite, Timeout.Infinite);
        _timer.Change((long)Math.Ceiling(limit.TotalMilliseconds), Timeout.Infinite);
    }

    // A timer of an earlier run may still fire; the deadline of the present one decides.
    private void OnTimer()
    {
        var deadline = Volatile.Read(ref _deadline);
        if (deadline == 0)
        {
            return;
        }

        var left = deadline - Stopwatch.GetTimestamp();
        if (left <= 0)
        {
            Gate.RequestStop(TimeReason);
        }
        else
        {
            _timer!.Change(Math.Max(1, left * 1000 / Stopwatch.Frequency), Timeout.Infinite);
        }
    }

    // Each change of CR4.PGE makes KVM build the MMU context anew, and flush what the vCPU may hold on entry
    // (Linux arch/x86/kvm/x86.c, __set_sregs; a MOV to CR4 that changes PGE flushes all PCIDs, Intel SDM vol. 3A, 5.10.4.1).
    private void FlushOwnTranslations()
    {
        _run->SpecialRegisters.Cr4 ^= Cr4GlobalPages;
        _specialChanged = true;
        StoreSpecialRegisters();
        _run->SpecialRegisters.Cr4 ^= Cr4GlobalPages;
        _specialChanged = true;
    }

    private void StoreSpecialRegisters()
    {
        if (_specialChanged)
        {
            Call(KvmRequest.SetSpecialRegisters, &_run->SpecialRegisters, "KVM_SET_SREGS");
            _specialChanged = false;
        }
    }

    // IA32_STAR, IA32_LSTAR, IA32_FMASK (Intel SDM vol. 3A, 6.8.8): ring 0's selectors, the entry, flags to clear.
    private void WriteSystemCallRegisters()
    {
        const ulong SysretBase = (KernelLayout.UserData & ~3) - 8 | 3;
        var msrs = new KvmMsrs
        {
            Count = 3,
            First = new KvmMsrEntry { Index = 0xC000_0081, Data = (SysretBase << 48) | ((ulong)KernelLayout.KernelCode << 32) },
            Second = new KvmMsrEntry { Index = 0xC000_0082, Data = _image.Stub.SystemCallEntry },
            Third = new KvmMsrEntry { Index = 0xC000_0084, Data = 0x4_0700 }, // AC DF IF TF
        };
        var written = LibC.Ioctl(_descriptor, KvmRequest.SetMsrs, &msrs);
        if (written != msrs.Count)
        {
            throw written < 0
                ? KvmException.FromErrno("KVM_SET_MSRS of STAR, LSTAR, FMASK")
                : new KvmException($"KVM_SET_MSRS wrote {written} of STAR, LSTAR, FMASK; this host's KVM has no SYSCALL");
        }
    }

    private void Call(uint request, void* argument, string name)
    {
        if (LibC.Ioctl(_descriptor, request, argument) < 0)
        {
            throw KvmException.FromErrno(name);
        }
    }
}
