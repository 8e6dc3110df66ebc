namespace Pando.Kvm.Processor;

/// <summary>How a program ends that is stopped: the signals of Linux, by their numbers.</summary>
internal enum ProcessSignal
{
    None = 0,
    IllegalInstruction = 4,
    Trap = 5,
    Bus = 7,
    FloatingPoint = 8,
    Kill = 9,
    Segmentation = 11,
    ProcessorTime = 24,
    SystemCall = 31,
}
