using System.Runtime.CompilerServices;
using Pando.Kvm.Physical;

namespace Pando.Kvm.Processor;

/// <summary>What a vCPU does where memory is not attached yet: it has its machine's user attach it, and goes on.</summary>
internal sealed unsafe class MissingMemory(GuestMemory memory, VcpuFile file)
{
    private ulong _codeAttachedAt;

    /// <summary>
    /// Lets the machine's user attach memory that was not there and makes the access in ring 3's place. Called inside
    /// the gate, so that who kicks the vCPU out waits until the access is made.
    /// </summary>
    internal bool TrySupply()
    {
        var run = file.Run;
        var address = run->MmioAddress;
        var length = (int)run->MmioLength;
        if (memory.AttachMissing is not { } attach || !attach(address, length) || !memory.TryGetBytes(address, length, out var target))
        {
            return false;
        }

        var data = new Span<byte>(&run->MmioData, length);
        if (run->MmioIsWrite == 0)
        {
            target.CopyTo(data);
        }
        else if (length == 8 && (address & 7) == 0)
        {
            // In one piece, as the processor would.
            Volatile.Write(ref Unsafe.As<byte, ulong>(ref target[0]), run->MmioData);
        }
        else
        {
            data.CopyTo(target);
        }

        return true;
    }

    /// <summary>
    /// Whether an instruction could not be carried out because its own bytes lay in memory that was not attached, and
    /// now is. KVM fetches no code through an exit: it gives up, or has ring 3 take an invalid opcode, then or next.
    /// </summary>
    internal bool TryAttachCode()
    {
        const int LongestInstruction = 15;
        var instruction = file.Run->Registers.Rip;
        if (memory.AttachMissing is not { } attach || (file.Run->SpecialRegisters.Cs.Selector & 3) == 0)
        {
            return false;
        }

        var attached = false;
        foreach (var address in (ReadOnlySpan<ulong>)[instruction, instruction + LongestInstruction - 1])
        {
            attached |= TableWalk.From(memory, file.Run->SpecialRegisters.Cr3, address).Target() is { } target
                && !memory.TryGetBytes(target, 1, out _)
                && attach(target, 1);
        }

        // Once more for the exception that was queued before the memory was there.
        var again = attached || instruction == _codeAttachedAt;
        _codeAttachedAt = attached ? instruction : 0;
        return again;
    }
}
