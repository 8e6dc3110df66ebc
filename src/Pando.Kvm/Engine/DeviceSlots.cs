using Pando.Hardware;
using Pando.Kvm.Guests;

namespace Pando.Kvm.Engine;

/// <summary>Memory devices as memory slots, piece by piece, each when a vCPU first reaches it.</summary>
/// <remarks>
/// A slot of a whole device of some TiB would cost the kernel gigabytes (docs/kvm-findings.md), and a machine has
/// about 32,000 of them. So pieces begin small, for accesses here and there, and grow with their number, for devices
/// that are used all over. Thread-safe.
/// </remarks>
internal sealed class DeviceSlots(VirtualMachine machine, PhysicalMemory memory)
{
    // Pieces are whole units of 16 MiB; after each 4,096 pieces they become four times as large.
    private const int UnitShift = 24;
    private const int PiecesPerSize = 4096;

    private readonly Lock _lock = new();
    private readonly HashSet<ulong> _units = [];
    private int _pieces;

    /// <summary>How many pieces have been attached.</summary>
    internal int Pieces => Volatile.Read(ref _pieces);

    /// <summary>Attaches what an access needs.</summary>
    /// <returns>False where no device is, where it keeps no bytes, or where vCPUs cannot address it.</returns>
    internal bool TryAttach(ulong address, int length)
    {
        foreach (var region in memory.Regions)
        {
            if (region.Contains(new PhysicalAddress(address)))
            {
                if (memory.IsRam(region.Start) || region.HostAddress == 0 || region.End.Value > machine.MemoryEnd)
                {
                    return false;
                }

                Attach(region, address);
                ulong last = address + (ulong)length - 1;
                if (region.Contains(new PhysicalAddress(last)))
                {
                    Attach(region, last);
                }

                return true;
            }
        }

        return false;
    }

    /// <summary>Attaches all of a range. False where it is not of one region with bytes that vCPUs can address.</summary>
    internal bool TryAttachAll(ulong address, long length)
    {
        foreach (var region in memory.Regions)
        {
            if (region.Contains(new PhysicalAddress(address)))
            {
                if (memory.IsRam(region.Start) || region.HostAddress == 0 || region.End.Value > machine.MemoryEnd || (ulong)length > region.End.Value - address)
                {
                    return false;
                }

                for (ulong unit = address >> UnitShift; unit << UnitShift < address + (ulong)length; unit++)
                {
                    Attach(region, Math.Max(unit << UnitShift, address));
                }

                return true;
            }
        }

        return false;
    }

    private void Attach(in PhysicalRegion region, ulong address)
    {
        lock (_lock)
        {
            if (_units.Contains(address >> UnitShift))
            {
                return;
            }

            int sizeShift = UnitShift + Math.Min(2 * (_pieces / PiecesPerSize), 8);
            while (!IsFree(address >> sizeShift << sizeShift, sizeShift))
            {
                sizeShift--;
            }

            ulong start = address >> sizeShift << sizeShift;
            ulong end = start + (1UL << sizeShift);
            for (ulong unit = start >> UnitShift; unit < end >> UnitShift; unit++)
            {
                _units.Add(unit);
            }

            start = Math.Max(start, region.Start.Value);
            end = Math.Min(end, region.End.Value);
            machine.AddMemory(start, end - start, region.HostAddress + (nint)(start - region.Start.Value));
            _pieces++;
        }
    }

    private bool IsFree(ulong start, int sizeShift)
    {
        for (ulong unit = 0; unit < 1UL << (sizeShift - UnitShift); unit++)
        {
            if (_units.Contains((start >> UnitShift) + unit))
            {
                return false;
            }
        }

        return true;
    }
}
