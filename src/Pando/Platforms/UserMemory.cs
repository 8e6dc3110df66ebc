using System.Collections.Concurrent;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Platforms;

/// <summary>
/// Bytes of spaces, as a space's own loads and stores see them: what a system call reads and writes. Faults are resolved on the way. Safe
/// for threads; the machine gets a software processor for each that copies at the same time.
/// </summary>
/// <param name="machine">The machine.</param>
public sealed class UserMemory(Machine machine)
{
    private readonly Machine _machine = machine ?? throw new ArgumentNullException(nameof(machine));
    private readonly ConcurrentBag<SoftwareProcessor> _idle = [];

    /// <summary>Copies bytes out of a space.</summary>
    /// <param name="space">The space, one of this machine.</param>
    /// <param name="address">The address of the first.</param>
    /// <param name="bytes">Filled in; as far as an access that failed has come where it did. Of what reaches past the user's addresses nothing is copied.</param>
    /// <returns>The outcome: completed; where the first byte that could not be read lies, and why; no space where it has ended.</returns>
    /// <exception cref="ArgumentException">The space is one of another machine.</exception>
    /// <exception cref="InvalidOperationException">The machine has no place left for a processor.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public AccessResult Read(AddressSpace space, VirtualAddress address, Span<byte> bytes)
    {
        using var rented = Rent(space, address, bytes.Length, out var refused);
        return rented.Processor?.TryRead(address, bytes) ?? refused;
    }

    /// <summary>Copies bytes into a space.</summary>
    /// <param name="space">The space, one of this machine.</param>
    /// <param name="address">The address of the first.</param>
    /// <param name="bytes">What is stored; of what reaches past the user's addresses nothing.</param>
    /// <returns>The outcome: completed; where the first byte that could not be stored lies, and why; no space where it has ended.</returns>
    /// <exception cref="ArgumentException">The space is one of another machine.</exception>
    /// <exception cref="InvalidOperationException">The machine has no place left for a processor.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public AccessResult Write(AddressSpace space, VirtualAddress address, ReadOnlySpan<byte> bytes)
    {
        using var rented = Rent(space, address, bytes.Length, out var refused);
        return rented.Processor?.TryWrite(address, bytes) ?? refused;
    }

    /// <summary>Changes 8 bytes in one atomic step.</summary>
    /// <param name="space">The space, one of this machine.</param>
    /// <param name="address">Their address; a multiple of 8.</param>
    /// <param name="change">What they become, from what was there; called again where another was quicker. It must access no space.</param>
    /// <param name="before">What was there.</param>
    /// <returns>The outcome.</returns>
    /// <exception cref="ArgumentException">The space is one of another machine, or the address no multiple of 8.</exception>
    /// <exception cref="ObjectDisposedException">The machine has ended.</exception>
    public AccessResult Exchange(AddressSpace space, VirtualAddress address, Func<ulong, ulong> change, out ulong before)
    {
        using var rented = Rent(space, address, sizeof(ulong), out var refused);
        before = 0;
        return rented.Processor?.TryExchange(address, change, out before) ?? refused;
    }

    private Rented Rent(AddressSpace space, VirtualAddress address, int length, out AccessResult refused)
    {
        ArgumentNullException.ThrowIfNull(space);
        refused = new AccessResult(AccessOutcome.NoSpace, address, default);
        if (address >= space.UserEnd || length > space.UserEnd - address)
        {
            // The user's own accesses would fail there, and a platform's code may lie beyond.
            refused = new AccessResult(AccessOutcome.NotMapped, address < space.UserEnd ? space.UserEnd : address, default);
            return default;
        }

        var processor = _idle.TryTake(out var idle) ? idle : _machine.AddProcessor();
        try
        {
            processor.Switch(space);
        }
        catch (ObjectDisposedException) when (space.IsEnding)
        {
            _idle.Add(processor);
            return default;
        }
        catch
        {
            _idle.Add(processor);
            throw;
        }

        return new Rented(this, processor);
    }

    private readonly ref struct Rented(UserMemory owner, SoftwareProcessor processor)
    {
        public SoftwareProcessor? Processor => processor;

        public void Dispose()
        {
            if (processor is not null)
            {
                processor.Switch(null);
                owner._idle.Add(processor);
            }
        }
    }
}
