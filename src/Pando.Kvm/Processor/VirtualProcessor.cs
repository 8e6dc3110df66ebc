using System.Runtime.InteropServices;
using Pando.Kvm.Physical;
using Pando.Kvm.Native;

namespace Pando.Kvm.Processor;

/// <summary>One KVM vCPU that runs ring-3 code in one address space after another.</summary>
/// <remarks>
/// <para>One thread at a time calls <see cref="Run"/>, <see cref="Reset"/>, <see cref="Registers"/>,
/// <see cref="Space"/>, <see cref="BeginRound"/> and <see cref="Translate"/>; any thread may call <see cref="Stop"/>,
/// <see cref="Gate"/>'s methods and <see cref="RequestFlush"/>.</para>
/// <para>Ring 3 has the general registers. The extended state (x87, SSE, AVX) stays as it is from space to space, so programs use
/// none, or whoever runs them switches it (<see cref="AllowExtendedState"/>).</para>
/// <para>Between runs it is always in ring 3: what a kick interrupts in the stub, the host does in its place, so that
/// no space is entered once more for the stub's sake.</para>
/// </remarks>
internal sealed unsafe class VirtualProcessor : IDisposable
{
    private const int StopReason = 1;
    private const int TimeReason = 2;

    private readonly GuestMemory _memory;
    private readonly ProcessorAbilities _abilities;
    private readonly KernelImage _image;
    private readonly VcpuFile _file;
    private readonly KvmRun* _run;
    private readonly RunLimit _limit;
    private readonly MissingMemory _missing;
    private KvmRegisters _entryRegisters;
    private KvmSpecialRegisters _entrySpecial;
    private KvmRegisters _kickedRegisters;
    private bool _kicked;
    private bool _specialChanged;
    private bool _extended;
    private int _flushRequested;
    private int _firstOfRound = 1;

    internal VirtualProcessor(GuestMemory memory, ProcessorAbilities abilities, KernelImage image, int device, int vm, int index)
    {
        _memory = memory;
        _abilities = abilities;
        _image = image;
        Index = index;
        _file = new VcpuFile(abilities, device, vm, index);
        _run = _file.Run;
        _missing = new MissingMemory(memory, _file);
        _limit = new RunLimit(Gate, TimeReason);
        try
        {
            Reset();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The vCPU's file descriptor, for measuring single calls.</summary>
    internal int Descriptor => _file.Descriptor;

    /// <summary>This vCPU's number in its machine.</summary>
    internal int Index { get; }

    /// <summary>Lets other threads get this vCPU out of guest mode.</summary>
    internal EntryGate Gate { get; } = new();

    /// <summary>Ring 3's registers, in the page shared with the kernel: no call to read or write them.</summary>
    internal ref KvmRegisters Registers => ref _run->Registers;

    /// <summary>
    /// CR3: the root table's guest-physical address, and where PCIDs are on (<see cref="ProcessorAbilities.HasPcid"/>) the
    /// PCID in bits 0 to 11. A change here has KVM flush all that the vCPU keeps (arch/x86/kvm/x86.c, __set_sregs):
    /// <see cref="BeginRound"/> need not.
    /// </summary>
    internal ulong Space
    {
        get => _run->SpecialRegisters.Cr3;
        set
        {
            value &= ~ProcessorState.NoFlush;
            if (_run->SpecialRegisters.Cr3 != value)
            {
                _run->SpecialRegisters.Cr3 = value;
                _specialChanged = true;
            }
        }
    }

    /// <summary>FS.base, where ring 3's thread pointer is.</summary>
    internal ulong FsBase
    {
        get => _run->SpecialRegisters.Fs.Base;
        set
        {
            _specialChanged |= _run->SpecialRegisters.Fs.Base != value;
            _run->SpecialRegisters.Fs.Base = value;
        }
    }

    /// <summary>GS.base.</summary>
    internal ulong GsBase
    {
        get => _run->SpecialRegisters.Gs.Base;
        set
        {
            _specialChanged |= _run->SpecialRegisters.Gs.Base != value;
            _run->SpecialRegisters.Gs.Base = value;
        }
    }

    /// <summary>The extended state: KVM_GET_XSAVE and KVM_SET_XSAVE, some microseconds each. Not while it runs.</summary>
    internal void ReadExtendedState(Span<byte> state) => _file.ReadExtendedState(state);

    /// <inheritdoc cref="ReadExtendedState"/>
    internal void WriteExtendedState(ReadOnlySpan<byte> state) => _file.WriteExtendedState(state);

    /// <summary>
    /// From now on ring 3 may use XSAVE and those components of the extended state that <see cref="ProcessorAbilities"/> names;
    /// who has it run programs that do switches the state between them.
    /// </summary>
    internal void AllowExtendedState()
    {
        if (_abilities.ExtendedComponents == 0)
        {
            return;
        }

        _extended = true;
        _run->SpecialRegisters.Cr4 |= ProcessorState.Cr4ExtendedState;
        _specialChanged = true;
        StoreSpecialRegisters();
        _file.SetExtendedComponents(_abilities.ExtendedComponents);
    }

    /// <summary>
    /// After <see cref="ExitKind.Stopped"/>: whether the last instruction may have been an INT3 that has not had its
    /// effect yet. Then other registers would take the effect away; the same ones, run again, bring it.
    /// </summary>
    internal bool IsBehindBreakpoint =>
        TableWalk.From(_memory, Space, Registers.Rip - 1).Target() is { } target
        && _memory.TryGetBytes(target, 1, out var before)
        && before[0] == StubCode.BreakpointInstruction;

    /// <summary>How many spaces of a round have been entered after its first; the last of them is the present one.</summary>
    internal int RoundPosition => (int)((Cursor - QueueAddress) / 8) - _firstOfRound;

    private ulong QueueAddress => KernelLayout.Virtual(KernelLayout.QueuePage(Index));

    private ref ulong Cursor => ref _image.Word(QueueAddress);

    private bool IsInStub => (_run->SpecialRegisters.Cs.Selector & 3) == 0;

    /// <summary>Puts the vCPU into ring 3 with all registers zero and no space; needed after a failure.</summary>
    internal void Reset()
    {
        _run->SpecialRegisters = ProcessorState.Initial(_memory.Levels, _abilities.HasPcid, Index, _file.ApicBase);
        _run->SpecialRegisters.Cr4 |= _extended ? ProcessorState.Cr4ExtendedState : 0;
        _run->Registers = new KvmRegisters { Rflags = ProcessorState.FixedFlag };
        _specialChanged = true;
        ClearRound();
        _file.Set(ProcessorState.SystemCallRegisters(_image.Stub.SystemCallEntry));
    }

    /// <summary>
    /// Puts the vCPU, with the present <see cref="Registers"/>, into the first of these spaces; each INT3 of ring 3
    /// then goes on in the next, as after <see cref="QueueRound"/>.
    /// </summary>
    /// <param name="spaces">
    /// What MOV to CR3 is to load, <see cref="ProcessorState.NoFlush"/> included; at least one.
    /// </param>
    internal void BeginRound(ReadOnlySpan<ulong> spaces)
    {
        if (_image.ParkingSpace == 0 || Space != _image.ParkingSpace)
        {
            Space = spaces[0];
            QueueRound(spaces[1..]);
            return;
        }

        // As if an INT3 in the parking space had been the program's last instruction: the stub loads the first space
        // itself, and what the processor keeps of it under its PCID stays.
        QueueRound(spaces);
        _firstOfRound = 2;
        var frame = KernelLayout.StackTop(Index) - 40;
        _image.Word(frame) = Registers.Rip;
        _image.Word(frame + 8) = KernelLayout.UserCode;
        _image.Word(frame + 16) = ProcessorState.FlagsOfUser(Registers.Rflags);
        _image.Word(frame + 24) = Registers.Rsp;
        _image.Word(frame + 32) = KernelLayout.UserData;
        EnterStub(_image.Stub.Handlers[StubCode.BreakpointVector], frame);
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
        Cursor = QueueAddress + 8;
        _firstOfRound = 1;
    }

    /// <summary>Ends the round: the next INT3 exits.</summary>
    internal void ClearRound() => QueueRound([]);

    /// <summary>Makes <see cref="Run"/> return with <see cref="ExitKind.Stopped"/>: the present call or else the next.</summary>
    internal void Stop() => Gate.RequestStop(StopReason);

    /// <summary>
    /// The vCPU's own TLB, all PCIDs, is flushed before it next runs ring 3; kick it to make that now. Of use where the
    /// processor walks the tables itself .
    /// </summary>
    internal void RequestFlush() => Volatile.Write(ref _flushRequested, 1);

    /// <summary>Whether a flush has been asked for and not been made.</summary>
    internal bool IsFlushRequested => Volatile.Read(ref _flushRequested) != 0;

    /// <summary>Runs ring 3 from <see cref="Registers"/> in <see cref="Space"/> until something needs the host.</summary>
    /// <param name="limit">The longest time in guest mode, from now.</param>
    /// <exception cref="KvmException">KVM_RUN itself failed.</exception>
    internal ProcessorExit Run(TimeSpan? limit = null)
    {
        if (limit is { } time)
        {
            _limit.Begin(time);
        }

        try
        {
            return RunUntilExit();
        }
        finally
        {
            if (limit is not null)
            {
                _limit.End();
            }
        }
    }

    /// <summary>Runs the ring-0 code at <paramref name="entry"/> until its OUT; for the toucher.</summary>
    internal void RunKernel(ulong entry, byte expectedPort)
    {
        EnterStub(entry, KernelLayout.StackTop(Index));
        while (!Enter(ignoreStops: true))
        {
        }

        if (_run->ExitReason != KvmExitReason.Io || _run->IoPort != expectedPort)
        {
            throw new KvmException($"the machine's own ring-0 code failed. {Report(FailureReport.Describe(_run))}");
        }
    }

    /// <summary>The vCPU's registers and the walk of the address that matters, for a report of something else than a failure.</summary>
    internal FailureReport Describe(string cause) => Report(cause);

    /// <summary>What KVM says that <paramref name="address"/> translates to in the present space (KVM_TRANSLATE).</summary>
    /// <returns>The guest-physical address, or null where there is no translation.</returns>
    /// <remarks>KVM walks the tables in memory. Its rights fields are constants on x86 (always writable, never user), so they are left out.</remarks>
    internal ulong? Translate(ulong address)
    {
        StoreSpecialRegisters();
        var translation = new KvmTranslation { LinearAddress = address };
        _file.Call(KvmRequest.Translate, &translation, $"KVM_TRANSLATE of {address:x}");
        return translation.Valid != 0 ? translation.PhysicalAddress : null;
    }

    public void Dispose()
    {
        _limit.Dispose();
        _file.Dispose();
    }

    private ProcessorExit RunUntilExit()
    {
        while (true)
        {
            if (Enter(ignoreStops: false))
            {
                if (Decode() is not { } exit)
                {
                    continue;
                }

                if (exit is { Kind: ExitKind.Failed } or { Kind: ExitKind.Exception, Vector: StubCode.InvalidOpcodeVector } && _missing.TryAttachCode())
                {
                    continue;
                }

                return exit;
            }

            // Out without an exit, or not in at all: a kick.
            if (IsInStub && FinishStub() is { } begun)
            {
                return begun;
            }

            var reasons = Gate.TakeStopReasons();
            if ((reasons & StopReason) != 0)
            {
                return new ProcessorExit(ExitKind.Stopped);
            }

            if ((reasons & TimeReason) != 0 && _limit.IsOver)
            {
                return new ProcessorExit(ExitKind.TimeLimit);
            }
        }
    }

    /// <summary>One stay in guest mode. False where it ended for a signal, or was not begun because of a stop.</summary>
    private bool Enter(bool ignoreStops)
    {
        var thread = _file.BindToThread();
        if (!Gate.TryEnter(thread, ignoreStops))
        {
            return false;
        }

        try
        {
            return EnterInsideGate();
        }
        finally
        {
            Gate.Leave();
        }
    }

    private bool EnterInsideGate()
    {
        // Behind the gate: a flush asked for before a kick that found us outside is seen here.
        if (Interlocked.Exchange(ref _flushRequested, 0) != 0)
        {
            FlushOwnTranslations();
        }

        // Setting registers makes KVM forget an exception that it had begun to deliver (arch/x86/kvm/x86.c, __set_regs),
        // and of a breakpoint's it tells nobody (kvm_vcpu_ioctl_x86_get_vcpu_events): so after a kick they are set
        // only where they have been changed.
        var unchanged = _kicked && RegisterBytes(ref _run->Registers).SequenceEqual(RegisterBytes(ref _kickedRegisters));
        _kicked = false;
        _entryRegisters = _run->Registers;
        _entrySpecial = _run->SpecialRegisters;
        _run->ValidRegisters = KvmRun.SyncRegisters | KvmRun.SyncSpecialRegisters | KvmRun.SyncEvents;
        _run->DirtyRegisters = (unchanged ? 0 : KvmRun.SyncRegisters) | (_specialChanged ? KvmRun.SyncSpecialRegisters : 0);
        _specialChanged = false;
        var exited = _file.Enter();
        while (exited && _run->ExitReason == KvmExitReason.Mmio && _missing.TrySupply())
        {
            exited = _file.CompleteAccess();
        }

        if (!exited)
        {
            EntryGate.DrainKickSignal();

            // Where KVM had begun to deliver an exception, it would forget it as soon as registers are set
            // (arch/x86/kvm/x86.c, __set_regs), or go on with it in whatever space is next, with that space's RIP and
            // this one's CR2. So it is delivered now, while who kicks still waits: the space's tables are there until
            // then. Ring 0 alone runs meanwhile, which uses nothing of a user's.
            if (!IsInStub && _file.ExceptionUnderWay() is { } vector)
            {
                Deliver(vector);
                return true;
            }

            _kicked = true;
            _kickedRegisters = _run->Registers;
        }

        return exited;
    }

    private void Deliver(byte vector)
    {
        // A breakpoint's handler would go on in ring 3: at the queue's end it exits.
        var cursor = Cursor;
        while (vector == StubCode.BreakpointVector && _image.Word(Cursor) != 0)
        {
            Cursor += 8;
        }

        _run->DirtyRegisters = 0;
        while (!_file.Enter())
        {
            EntryGate.DrainKickSignal();
        }

        Cursor = cursor;
    }

    /// <summary>What the exit means; null where ring 3 goes on.</summary>
    private ProcessorExit? Decode() => _run->ExitReason switch
    {
        KvmExitReason.Io when IsInStub => DecodeStub(_run->IoPort, Registers.Rsp),
        KvmExitReason.Mmio => new ProcessorExit(ExitKind.NoMemory, Address: _run->MmioAddress),
        KvmExitReason.MemoryFault when !IsInStub => new ProcessorExit(ExitKind.NoMemory, Address: _run->FaultAddress),
        _ => Fail(FailureReport.Describe(_run)),
    };

    /// <summary>Does the rest of what a kick interrupted in the stub.</summary>
    /// <returns>The exit that the stub was about to make; null where ring 3 goes on.</returns>
    private ProcessorExit? FinishStub()
    {
        var stub = _image.Stub;
        var rip = Registers.Rip;
        if (stub.PortAt(rip) is { } port)
        {
            return DecodeStub(port, Registers.Rsp);
        }

        // In the breakpoint's handler: RAX may stand below the frame.
        var frame = KernelLayout.StackTop(Index) - 40;
        if (Registers.Rsp == frame - 8)
        {
            Registers.Rax = _image.Word(Registers.Rsp);
        }
        else if (Registers.Rsp != frame)
        {
            return Fail($"kicked in ring 0 at {rip:x} with the stack {Registers.Rsp:x}, where the stub's is {frame:x}");
        }

        if (rip > stub.SpaceLoad && rip < stub.RoundEnd)
        {
            ReturnFrom(frame);
            return null;
        }

        Cursor -= rip == stub.SpaceLoad ? 8UL : 0;
        return DecodeStub(StubCode.BreakpointVector, frame);
    }

    private static ReadOnlySpan<byte> RegisterBytes(ref KvmRegisters registers) =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<KvmRegisters>(ref registers));

    private ProcessorExit? DecodeStub(ushort port, ulong frame)
    {
        if (port == StubCode.SystemCallPort)
        {
            return EnterSystemCall(frame);
        }

        // The frame that the processor pushed (Intel SDM vol. 3A, figure 7-8): [error code] RIP CS RFLAGS RSP SS.
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

        // Where ring 3 runs natively under a hypervisor without hardware virtualisation, SYSCALL reaches LSTAR
        // still in ring 3, and the fetch from the supervisor page faults: RCX and R11 are set as SYSCALL sets them.
        if (port == StubCode.PageFaultVector && rip == _image.Stub.SystemCallEntry && address == rip)
        {
            return EnterSystemCall(_image.Word(frame + 24));
        }

        ReturnFrom(frame);
        if (port == StubCode.BreakpointVector && _image.Word(Cursor) is not 0 and var next)
        {
            // The stub did not come to it.
            Cursor += 8;
            Space = next;
            return null;
        }

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

    private void ReturnFrom(ulong frame) =>
        ReturnTo(_image.Word(frame), _image.Word(frame + 16), _image.Word(frame + 24));

    private void ReturnTo(ulong rip, ulong flags, ulong stack)
    {
        Registers.Rip = rip;
        Registers.Rflags = ProcessorState.FlagsOfUser(flags);
        Registers.Rsp = stack;
        _run->SpecialRegisters.Cs = ProcessorState.UserCode;
        _run->SpecialRegisters.Ss = ProcessorState.UserData;
        _specialChanged = true;
    }

    private void EnterStub(ulong entry, ulong stack)
    {
        if (!IsInStub)
        {
            _run->SpecialRegisters.Cs = ProcessorState.KernelCode;
            _run->SpecialRegisters.Ss = ProcessorState.KernelData;
            _specialChanged = true;
        }

        Registers.Rip = entry;
        Registers.Rsp = stack;
        Registers.Rflags = ProcessorState.FixedFlag;
    }

    private ProcessorExit Fail(string cause) => new(ExitKind.Failed, Failure: Report(cause));

    // After a shutdown AMD's processors leave nothing of the guest's state, and KVM resets the vCPU (arch/x86/kvm/svm/svm.c,
    // shutdown_interception): what it was entered with is the last that is known.
    private FailureReport Report(string cause) =>
        (_run->SpecialRegisters.Cr0 & ProcessorState.Cr0Paging) != 0
            ? FailureReport.Of(cause, _run->Registers, _run->SpecialRegisters, _memory)
            : FailureReport.Of($"{cause} The vCPU was reset; these are the registers that it was entered with.", _entryRegisters, _entrySpecial, _memory);

    // Each change of CR4.PGE makes KVM build the MMU context anew, and flush what the vCPU may hold on entry
    // (Linux arch/x86/kvm/x86.c, __set_sregs; a MOV to CR4 that changes PGE flushes all PCIDs, Intel SDM vol. 3A, 5.10.4.1).
    private void FlushOwnTranslations()
    {
        _run->SpecialRegisters.Cr4 ^= ProcessorState.Cr4GlobalPages;
        _specialChanged = true;
        StoreSpecialRegisters();
        _run->SpecialRegisters.Cr4 ^= ProcessorState.Cr4GlobalPages;
        _specialChanged = true;
    }

    private void StoreSpecialRegisters()
    {
        if (_specialChanged)
        {
            _file.Call(KvmRequest.SetSpecialRegisters, &_run->SpecialRegisters, "KVM_SET_SREGS");
            _specialChanged = false;
        }
    }
}
