using System.Runtime.InteropServices;
using Pando.Kvm.Native;

namespace Pando.Kvm.Processor;

/// <summary>KVM's file of one vCPU: the page that it shares with the kernel, and the calls on it.</summary>
/// <remarks>Used by the vCPU's thread alone, whichever that is at the moment.</remarks>
internal sealed unsafe class VcpuFile : IDisposable
{
    private readonly int _descriptor;
    private readonly nuint _runLength;
    private readonly int _index;
    private int _boundThread = -1;
    private bool _disposed;

    [ThreadStatic]
    private static int _threadId;

    [ThreadStatic]
    private static ulong _threadMask;

    internal VcpuFile(ProcessorAbilities abilities, int device, int vm, int index)
    {
        _index = index;
        _descriptor = LibC.Ioctl(vm, KvmRequest.CreateVcpu, (nuint)index);
        if (_descriptor < 0)
        {
            throw KvmException.FromErrno($"KVM_CREATE_VCPU {index}");
        }

        var length = LibC.Ioctl(device, KvmRequest.GetVcpuMapSize, 0);
        if (length < sizeof(KvmRun))
        {
            var refused = length < 0
                ? KvmException.FromErrno("KVM_GET_VCPU_MMAP_SIZE")
                : new KvmException($"KVM_GET_VCPU_MMAP_SIZE gave {length}, less than a kvm_run");
            _ = LibC.Close(_descriptor);
            throw refused;
        }

        _runLength = (nuint)length;
        var run = LibC.Map(0, _runLength, LibC.ProtectRead | LibC.ProtectWrite, LibC.MapShared, _descriptor, 0);
        if (run == -1)
        {
            var refused = KvmException.FromErrno("mmap of the vCPU's kvm_run");
            _ = LibC.Close(_descriptor);
            throw refused;
        }

        Run = (KvmRun*)run;
        try
        {
            fixed (KvmCpuid* cpuid = &abilities.Cpuid)
            {
                Call(KvmRequest.SetCpuid2, cpuid, "KVM_SET_CPUID2");
            }

            KvmSpecialRegisters initial;
            Call(KvmRequest.GetSpecialRegisters, &initial, "KVM_GET_SREGS");
            ApicBase = initial.ApicBase;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal int Descriptor => _descriptor;

    /// <summary>The shared page.</summary>
    internal KvmRun* Run { get; }

    /// <summary>What KVM_SET_SREGS wants to see unchanged.</summary>
    internal ulong ApicBase { get; }

    /// <summary>The calling thread (gettid), after which kicks reach KVM_RUN in it.</summary>
    internal int BindToThread()
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

    /// <summary>KVM_RUN.</summary>
    /// <returns>True where it ended by an exit; false where a signal ended it.</returns>
    /// <exception cref="KvmException">It failed otherwise.</exception>
    internal bool Enter()
    {
        if (LibC.Ioctl(_descriptor, KvmRequest.Run, 0) >= 0)
        {
            return true;
        }

        switch (Marshal.GetLastPInvokeError())
        {
            case LibC.ErrorInterrupted or LibC.ErrorAgain:
                return false;
            case LibC.ErrorFault:
                // The host has no page for a place that a memory slot covers: its file has been truncated meanwhile.
                // Kernels before 6.8 do not say where (KVM_CAP_MEMORY_FAULT_INFO).
                if (Run->ExitReason != KvmExitReason.MemoryFault)
                {
                    Run->ExitReason = KvmExitReason.MemoryFault;
                    Run->FaultAddress = ulong.MaxValue;
                }

                return true;
            default:
                throw KvmException.FromErrno($"KVM_RUN of vCPU {_index}");
        }
    }

    /// <summary>KVM_RUN that completes the access that ended the last one, and returns before guest mode.</summary>
    /// <returns>True where the access needs its user once more, as where it lies across two pages.</returns>
    internal bool CompleteAccess()
    {
        Run->DirtyRegisters = 0;
        Volatile.Write(ref Run->ImmediateExit, 1);
        var exited = Enter();
        Volatile.Write(ref Run->ImmediateExit, 0);
        return exited;
    }

    /// <summary>The vector of an exception that KVM had begun to deliver when KVM_RUN returned; null where there is none.</summary>
    internal byte? ExceptionUnderWay() =>
        (Run->Events.ExceptionInjected | Run->Events.ExceptionPending) != 0 ? Run->Events.ExceptionVector : null;

    /// <summary>KVM_SET_MSRS of the three that SYSCALL needs.</summary>
    internal void Set(in KvmMsrs registers)
    {
        var copy = registers;
        var written = LibC.Ioctl(_descriptor, KvmRequest.SetMsrs, &copy);
        if (written != copy.Count)
        {
            throw written < 0
                ? KvmException.FromErrno("KVM_SET_MSRS of STAR, LSTAR, FMASK")
                : new KvmException($"KVM_SET_MSRS wrote {written} of STAR, LSTAR, FMASK; this host's KVM has no SYSCALL");
        }
    }

    /// <summary>The vCPU's x87, SSE, AVX state, as XSAVE stores it.</summary>
    internal void ReadExtendedState(Span<byte> state)
    {
        var region = default(KvmExtendedState);
        Call(KvmRequest.GetExtendedState, &region, "KVM_GET_XSAVE");
        ((ReadOnlySpan<byte>)region.Bytes).CopyTo(state);
    }

    /// <summary>Sets it. KVM refuses bits of components that XCR0 has not (EINVAL).</summary>
    internal void WriteExtendedState(ReadOnlySpan<byte> state)
    {
        var region = default(KvmExtendedState);
        state[..KvmExtendedState.Size].CopyTo(region.Bytes);
        Call(KvmRequest.SetExtendedState, &region, "KVM_SET_XSAVE");
    }

    /// <summary>XCR0: which components of the extended state ring 3 may use.</summary>
    internal void SetExtendedComponents(ulong components)
    {
        var registers = new KvmControlRegisters { Count = 1, FirstValue = components };
        Call(KvmRequest.SetControlRegisters, &registers, "KVM_SET_XCRS");
    }

    internal void Call(uint request, void* argument, string name)
    {
        if (LibC.Ioctl(_descriptor, request, argument) < 0)
        {
            throw KvmException.FromErrno(name);
        }
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _ = LibC.Unmap((nint)Run, _runLength);
            _ = LibC.Close(_descriptor);
        }
    }
}
