using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Support;

/// <summary>What a processor would make of an access, without faults: the seam behind which tests see translations.</summary>
internal interface ITranslator
{
    /// <summary>Where an access goes; null where it would fault.</summary>
    PhysicalAddress? Translate(AddressSpace space, VirtualAddress address, AccessKind access);
}
