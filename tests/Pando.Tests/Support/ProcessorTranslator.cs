using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Support;

/// <summary>
/// Translates as processors do that remember: two of them in turn, so that what one has cached must be flushed for
/// what another has caused.
/// </summary>
internal sealed class ProcessorTranslator(Machine machine) : ITranslator
{
    private readonly SoftwareProcessor[] _processors = [machine.AddProcessor(), machine.AddProcessor()];
    private int _turn;

    public PhysicalAddress? Translate(AddressSpace space, VirtualAddress address, AccessKind access)
    {
        var processor = _processors[_turn++ % _processors.Length];
        processor.Switch(space);
        processor.ProtectionKeys = space.ExecuteOnlyKey is > 0 and var key ? default(ProtectionKeyRights).With(key, Rights.None) : default;
        var result = processor.TryTranslate(address, access, out var physical, FaultDelivery.ToCaller);

        // A cached translation that is too narrow faults once, and is gone then: hardware does the same.
        if (!result.IsCompleted)
        {
            result = processor.TryTranslate(address, access, out physical, FaultDelivery.ToCaller);
        }

        return result.IsCompleted ? physical : null;
    }
}
