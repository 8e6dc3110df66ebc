using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Machines;
using Pando.Spaces;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Tests;

/// <summary>
/// A page that both kinds of processors have read (or written); a change; and whether they still reach the page
/// by what they had kept.
/// </summary>
internal sealed class StaleAccess : IDisposable
{
    // Counts the accesses, and stays mapped; at another place of a TLB than the data.
    private static readonly VirtualAddress _beatAt = JoinedMachine.Data + (1L << 34) + 0x5000;

    private readonly string _change;
    private readonly bool _stores;
    private readonly bool _runsElsewhere;

    // Whether the vCPU has come out of the last run.
    private bool _isOut;
    private readonly JoinedMachine _joined = new(device: 64 * JoinedMachine.Mebi, largePages: false);
    private readonly DaxFile _file;
    private readonly DaxFile _beat;
    private readonly AddressSpace _space;
    private readonly SoftwareProcessor _software;
    private readonly PhysicalAddress _page;
    private readonly UserProgram _program;

    internal StaleAccess(string change, bool runsElsewhere = false)
    {
        _change = change;
        _runsElsewhere = runsElsewhere;
        _stores = change is "protect" or "fork" or "write back";
        _file = _joined.Device.CreateFile("data", 8 << 20);
        _beat = _joined.Device.CreateFile("beat", 4096);
        _program = UserProgram.Assembled("access", JoinedMachine.Code.Value, a =>
        {
            var again = a.CreateLabel();
            a.Label(ref again);
            if (_stores)
            {
                a.mov(__qword_ptr[rdi], rsi);
            }
            else
            {
                a.mov(rax, __qword_ptr[rdi]);
            }

            // Once, or until something ends it.
            a.inc(__qword_ptr[rdx]);
            a.test(r8, r8);
            a.jne(again);
            a.int3();
        });
        _space = _joined.Process(_joined.Machine.CreateSpace(), _program).Space;
        var request = change == "fork" ? MapRequest.Anonymous(8 << 20, Rights.ReadWrite) : MapRequest.SharedFile(_file, Rights.ReadWrite);
        Assert.True(_space.Map(request with { Address = JoinedMachine.Data, Placement = MapPlacement.Fixed }).Succeeded);
        JoinedMachine.Map(_space, _beat, at: _beatAt);
        Assert.True(_space.Fault(JoinedMachine.Data, AccessKind.Write).IsResolved);
        Assert.True(_space.Fault(_beatAt, AccessKind.Write).IsResolved);
        _software = _joined.Machine.AddProcessor();
        _software.Switch(_space);
        Assert.True(BySoftware());
        Assert.True(ByHardware());
        Assert.True(ByHardware()); // the first may only have attached the memory
        _page = Translate();
    }

    internal KvmMachine Kvm => _joined.Kvm;

    internal (bool Software, bool Hardware) After(bool leaveOut)
    {
        if (_runsElsewhere)
        {
            var other = _joined.Process(_joined.Machine.CreateSpace(), BrokenPrograms.EndlessLoop(JoinedMachine.Code.Value)).Space;
            ProcessRunner.Run(Kvm, new GuestProcess(other, JoinedMachine.Code.Value) { TimeLimit = TimeSpan.FromMilliseconds(5) });
            other.Exit();
            _software.Switch(null);
        }

        Change(leaveOut);
        _software.Switch(_space);
        var outcome = (BySoftware(), ByHardware());

        // What was left out is made up for, or the auditor finds it.
        _software.InvalidateAll();
        return outcome;
    }

    /// <summary>
    /// Makes the change while a vCPU goes on making the access, without an exit. True where it made one after the
    /// change: where the flush is left out, after the entries were changed; where it is not, after the change had returned.
    /// </summary>
    internal bool GoesOnInside(bool leaveOut)
    {
        var processor = Kvm.Processors[0];
        ulong before = Beat;
        ProcessorExit exit = default;
        Volatile.Write(ref _isOut, false);
        var inside = new Thread(() => exit = Enter(processor, repeat: true));
        inside.Start();
        while (Beat < before + 100 && inside.IsAlive)
        {
            Thread.Yield();
        }

        bool wentOn = false;
        Change(leaveOut, () => wentOn |= GoesOn());
        wentOn |= GoesOn();
        processor.Cpu.Stop();
        inside.Join();
        Assert.True(exit.Kind is ExitKind.Stopped or ExitKind.PageFault, $"{exit}");
        if (!leaveOut)
        {
            Assert.Equal((ExitKind.PageFault, JoinedMachine.Data.Value), (exit.Kind, exit.Address));
        }

        // What was left out for the software processor is made up for, or the auditor finds it.
        _software.InvalidateAll();
        return wentOn;
    }

    public void Dispose()
    {
        _software.Switch(null);
        _beat.Dispose();
        _file.Dispose();
        _joined.Dispose();
    }

    private ulong Beat => Volatile.Read(ref _joined.Word(_beat, 0));

    // An access that was made before may be counted after: so two more are waited for, or the vCPU's exit.
    private bool GoesOn()
    {
        ulong last = Beat + 1;
        Assert.True(SpinWait.SpinUntil(() => Beat > last || Volatile.Read(ref _isOut), JoinedMachine.Patience), "The vCPU neither goes on nor comes out.");
        return Beat > last;
    }

    /// <param name="leaveOut">Leave out its flushes.</param>
    /// <param name="leftOut">Called in the place of each.</param>
    private void Change(bool leaveOut, Action? leftOut = null)
    {
        if (leaveOut)
        {
            _joined.Machine.Store.Omissions[OmittedStep.Flush] = () =>
            {
                leftOut?.Invoke();
                return true;
            };
        }

        try
        {
            Change();
        }
        finally
        {
            _joined.Machine.Store.Omissions[OmittedStep.Flush] = null;
        }
    }

    private void Change()
    {
        switch (_change)
        {
            case "unmap":
                Assert.Equal(Errno.None, _space.Unmap(JoinedMachine.Data, 4096));
                break;
            case "protect":
                Assert.Equal(Errno.None, _space.Protect(JoinedMachine.Data, 4096, Rights.Read));
                break;
            case "truncate":
                Assert.Equal(Errno.None, _file.SetSize(0));
                break;
            case "punch":
                Assert.Equal(Errno.None, _file.PunchHole(0, 4096));
                break;
            case "migrate":
                Assert.Equal(Errno.None, _joined.Device.Migrate(_page - _joined.Device.Start, 4096));
                break;
            case "remap":
                Assert.True(_space.Remap(JoinedMachine.Data, 8 << 20, 8 << 20, RemapFlags.MayMove | RemapFlags.Fixed, JoinedMachine.Data + (1L << 32)).Succeeded);
                break;
            case "fork":
                _space.Fork();
                break;
            default:
                Assert.Equal(Errno.None, _file.WriteBack());
                break;
        }
    }

    // The caller sees what the hardware sees: an access that is still possible, or a fault.
    private bool BySoftware() => (_stores
        ? _software.TryWrite(JoinedMachine.Data, 1UL, FaultDelivery.ToCaller)
        : _software.TryRead<ulong>(JoinedMachine.Data, out _, FaultDelivery.ToCaller)).IsCompleted;

    private bool ByHardware()
    {
        // A stop that was meant for whoever was on the vCPU before may come late.
        ProcessorExit exit;
        do
        {
            exit = Enter(Kvm.Processors[0], repeat: false);
        }
        while (exit.Kind == ExitKind.Stopped);
        Assert.True(exit.Kind is ExitKind.Breakpoint or ExitKind.PageFault, $"{exit}");
        return exit.Kind == ExitKind.Breakpoint;
    }

    private ProcessorExit Enter(SpaceProcessor processor, bool repeat)
    {
        processor.Occupy([_space]);
        processor.Cpu.Space = processor.Load([_space])[0];
        processor.Cpu.Registers = new Native.KvmRegisters
        {
            Rip = _program.Address, Rflags = 2, Rdi = JoinedMachine.Data.Value, Rdx = _beatAt.Value, R8 = repeat ? 1UL : 0,
        };
        var exit = processor.Cpu.Run(JoinedMachine.Patience);
        Volatile.Write(ref _isOut, true);
        processor.Vacate();
        return exit;
    }

    private PhysicalAddress Translate()
    {
        Assert.True(_software.TryTranslate(JoinedMachine.Data, AccessKind.Read, out var physical).IsCompleted);
        return physical;
    }
}
