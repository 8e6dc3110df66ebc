using Pando.Kvm.Engine;

namespace Pando.Kvm.Tasks;

/// <summary>One vCPU among those that programs take turns on. All of it is protected by the lock of its <see cref="UserProcessors"/>.</summary>
/// <param name="processor">The vCPU.</param>
internal sealed class TaskSeat(SpaceProcessor processor)
{
    /// <summary>The vCPU.</summary>
    internal SpaceProcessor Processor { get; } = processor;

    /// <summary>Whose extended state it has; null for nobody's.</summary>
    internal UserContext? Resident { get; set; }

    /// <summary>Whether a program runs on it, or it is being made ready for one.</summary>
    internal bool IsTaken { get; set; }

    /// <summary>When it was last given back, in the order of such moments.</summary>
    internal long LastUse { get; set; }
}
