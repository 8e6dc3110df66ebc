using System.Diagnostics;
using Pando.Hardware;
using Pando.Kvm.Processor;
using Pando.Platforms;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Kvm.Engine;

/// <summary>A vCPU and the spaces that it may be in at this moment; page faults go from it to the engine.</summary>
/// <remarks>
/// One thread drives it. A space that ends gets it out from any thread: the driver says which spaces it is in and
/// looks then whether one is ending, who ends a space says so and looks then who is in it; one of the two sees the
/// other. Nobody waits for the driver, which may itself be waiting for the space's lock in a fault.
/// </remarks>
/// <param name="processor">The vCPU.</param>
/// <param name="seat">The place of the machine's vCPUs, all together, among its processors.</param>
/// <param name="contexts">The PCIDs of its spaces; null where it has none.</param>
/// <param name="keepsByRoot">Whether it walks the tables itself without PCIDs: what it keeps is then one space's at a time.</param>
internal sealed class SpaceProcessor(VirtualProcessor processor, ProcessorSeat seat, ProcessorContexts? contexts, bool keepsByRoot)
{
    // Other threads may undo what a fault has resolved, but not this many times in a row.
    private const int MostFaultsOfOneInstruction = 10_000;

    private AddressSpace[] _spaces = [];

    // As long as the vCPU may keep something of them under the CR3 values that it had then: until it is in others.
    private AddressSpace[] _lastSpaces = [];
    private long _since;
    private ulong _lastFault;
    private ulong _lastInstruction;
    private int _repeated;

    /// <summary>The vCPU.</summary>
    internal VirtualProcessor Cpu { get; } = processor;

    /// <summary>When it entered the spaces that it is in, by the stopwatch; 0 where it is in none. Any thread may ask.</summary>
    internal long Since => Volatile.Read(ref _since);

    /// <summary>Says which spaces the vCPU is about to be in. The driver then looks which of them are ending.</summary>
    internal void Occupy(AddressSpace[] spaces)
    {
        // Who changes the spaces of before does not find them here from now on, be the vCPU ever in these or not: so what
        // it keeps goes, at the latest when it is next in.
        if (keepsByRoot && !spaces.AsSpan().SequenceEqual(_lastSpaces))
        {
            Cpu.RequestFlush();
        }

        Volatile.Write(ref _lastSpaces, spaces);
        Volatile.Write(ref _spaces, spaces);
        foreach (var space in spaces)
        {
            _ = seat.TryLoad(space);
        }

        Interlocked.Exchange(ref _since, Stopwatch.GetTimestamp());
    }

    /// <summary>The vCPU is in no space any more.</summary>
    internal void Vacate()
    {
        Volatile.Write(ref _since, 0);
        Volatile.Write(ref _spaces, []);
    }

    /// <summary>What MOV to CR3 loads for spaces that the vCPU is about to be in; asked for after <see cref="Occupy"/>.</summary>
    internal ulong[] Load(ReadOnlySpan<AddressSpace> spaces)
    {
        var values = new ulong[spaces.Length];
        if (contexts is not null && contexts.Load(spaces, values))
        {
            Cpu.RequestFlush();
        }

        for (int i = 0; i < values.Length; i++)
        {
            values[i] = spaces[i].RootAddress.Value | (contexts is null ? 0 : values[i] | ProcessorState.NoFlush);
        }

        return values;
    }

    /// <summary>
    /// Has the vCPU forget what it keeps of the spaces that a flush concerns, where it walks the tables itself: under another PCID if it is
    /// not in the space, by a flush if it is. When it returns the vCPU makes no access by what it kept.
    /// </summary>
    /// <returns>Whether it may have kept anything.</returns>
    internal bool Drop(in FlushRequest request)
    {
        bool held = contexts is not null && contexts.Drop(request);
        foreach (var space in Volatile.Read(ref _lastSpaces))
        {
            if (request.Concerns(space))
            {
                Cpu.RequestFlush();
                Cpu.Gate.Kick();
                return true;
            }
        }

        return held;
    }

    /// <summary>Gets the vCPU out if it may be in a space; it does not go in again before its driver has looked.</summary>
    /// <returns>Whether it may have been in.</returns>
    internal bool Evict(SpaceTables space)
    {
        if (Array.IndexOf(Volatile.Read(ref _spaces), space) < 0)
        {
            return false;
        }

        Cpu.Stop();
        Cpu.Gate.Kick();
        return true;
    }

    /// <summary>Has the engine resolve a page fault.</summary>
    /// <returns>How the process ends by it; null where the access can be made again.</returns>
    internal ProcessEnd? Serve(AddressSpace space, in ProcessorExit exit)
    {
        var result = Resolve(space, exit, out string? broken);
        if (broken is not null)
        {
            return new ProcessEnd(ProcessSignal.Kill, Address: exit.Address, Report: broken);
        }

        return result.IsResolved ? null : new ProcessEnd(
            result.Kind switch
            {
                FaultKind.BusError or FaultKind.HardwarePoison => ProcessSignal.Bus,
                FaultKind.OutOfMemory => ProcessSignal.Kill,
                _ => ProcessSignal.Segmentation,
            },
            Address: exit.Address,
            Report: result.Kind.ToString());
    }

    /// <summary>Has the engine resolve a page fault.</summary>
    /// <param name="space">The space that the vCPU is in.</param>
    /// <param name="exit">The fault.</param>
    /// <param name="broken">Where the tables are not what they should be: the vCPU's state, for a report. The answer says nothing then.</param>
    internal FaultResult Resolve(AddressSpace space, in ProcessorExit exit, out string? broken)
    {
        broken = null;
        var error = exit.PageFaultError;
        if ((error & PageFaultError.ReservedBit) != 0)
        {
            broken = Broken(exit, "a reserved bit is set in an entry");
            return default;
        }

        if (exit.Address != _lastFault || Cpu.Registers.Rip != _lastInstruction)
        {
            (_lastFault, _lastInstruction, _repeated) = (exit.Address, Cpu.Registers.Rip, 0);
        }
        else if (++_repeated > MostFaultsOfOneInstruction)
        {
            broken = Broken(exit, $"the fault was resolved {MostFaultsOfOneInstruction} times and is still there");
            return default;
        }

        var access = (error & PageFaultError.InstructionFetch) != 0 ? AccessKind.Execute
            : (error & PageFaultError.Write) != 0 ? AccessKind.Write
            : AccessKind.Read;
        return space.Fault(new VirtualAddress(exit.Address), access);
    }

    /// <summary>How a process ends by an exit that is neither a page fault nor a system call nor asked for.</summary>
    internal ProcessEnd EndBy(in ProcessorExit exit)
    {
        switch (exit.Kind)
        {
            case ExitKind.Failed:
                Cpu.Reset();
                return new ProcessEnd(ProcessSignal.Kill, Report: exit.Failure!.ToString());
            case ExitKind.NoMemory:
                return new ProcessEnd(
                    ProcessSignal.Bus,
                    Report: $"physical address 0x{exit.Address:x} has no bytes that a vCPU can reach: no memory is there, or a device without backing, or it lies above the vCPU's addresses");
            default:
                return new ProcessEnd(exit.Signal, Report: $"exception {exit.Vector}, error code {exit.ErrorCode:x}, at 0x{Cpu.Registers.Rip:x}");
        }
    }

    private string Broken(in ProcessorExit exit, string what) =>
        Cpu.Describe($"page fault, error code {exit.ErrorCode:x}: {what}").ToString();
}
