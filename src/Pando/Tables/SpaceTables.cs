using Pando.Concurrency;
using Pando.Hardware;

namespace Pando.Tables;

/// <summary>
/// One address space's own tables, from the root down to where a file's tables begin; and the context under which
/// processors cache what they find there (its PCID or ASID).
/// </summary>
public abstract class SpaceTables : TableOwner
{
    private Frame _root;
    private ProcessorSet _loadedOn;
    private bool _ending;

    private protected SpaceTables()
    {
    }

    /// <summary>The tables of the machine in which the space is.</summary>
    internal abstract TableStore Store { get; }

    /// <summary>The root table.</summary>
    internal Frame Root
    {
        get => _root;
        private protected set
        {
            _root = value;
            RootAddress = Store.Memory.AddressOf(value);
        }
    }

    /// <summary>Where the root table lies: what a processor's CR3 (TTBR0, satp) is loaded with. Zero when the space has ended.</summary>
    public PhysicalAddress RootAddress { get; private set; }

    /// <summary>
    /// Whether the space is about to give its tables back, or has. Set before processors are made to forget it; a processor
    /// looks after it has set its mark, so that one of the two sees the other. Safe for threads; once true it stays so.
    /// </summary>
    public bool IsEnding => Volatile.Read(ref _ending);

    private protected void BeginEnding()
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        Volatile.Write(ref _ending, true);
    }

    /// <summary>
    /// The processors that may hold translations of this space, by number. A processor puts itself in before it walks;
    /// whoever removes rights looks after the entries have changed.
    /// </summary>
    internal ref readonly ProcessorSet LoadedOn => ref _loadedOn;

    internal void MarkLoadedOn(int processor) => _loadedOn.Add(processor);

    internal void MarkDroppedFrom(int processor) => _loadedOn.Remove(processor);

    /// <summary>
    /// Whether tables of <paramref name="owner"/> may be attached in this space. Answers without a lock; true from
    /// before the first attach until after the flush that follows the last detach.
    /// </summary>
    internal abstract bool MayShow(SharedTableOwner owner);
}
