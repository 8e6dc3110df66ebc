namespace Pando.Kvm.Processor;

/// <summary>The page-fault error code: Intel SDM vol. 3A, figure 5-12 (4.7 in older editions).</summary>
[Flags]
internal enum PageFaultError : uint
{
    None = 0,
    Present = 1,
    Write = 2,
    User = 4,
    ReservedBit = 8,
    InstructionFetch = 16,
    ProtectionKey = 32,
    ShadowStack = 64,
}
