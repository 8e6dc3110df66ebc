using Pando.Concurrency;

namespace Pando.Tables;

/// <summary>The owners of a machine's tables by number. Look-ups take no lock.</summary>
internal sealed class OwnerRegistry
{
    private readonly SleepLock _lock = new(LockRank.Owners);
    private readonly Stack<int> _freeNumbers = new();
    private TableOwner?[] _owners = new TableOwner?[64];
    private int _next = 1;

    /// <summary>The owner with that number, or null.</summary>
    public TableOwner? this[int number]
    {
        get
        {
            var owners = Volatile.Read(ref _owners);
            return (uint)number < (uint)owners.Length ? Volatile.Read(ref owners[number]) : null;
        }
    }

    /// <summary>Gives an owner that is complete its number.</summary>
    public void Add(TableOwner owner)
    {
        Reserve(owner);
        Publish(owner);
    }

    /// <summary>
    /// Gives an owner its number, which its first table needs. Nobody finds the owner by it before <see cref="Publish"/>;
    /// one that does not get so far gives it back by <see cref="Remove"/>.
    /// </summary>
    public void Reserve(TableOwner owner)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            int number = _freeNumbers.Count > 0 ? _freeNumbers.Pop() : _next++;
            if (number >= _owners.Length)
            {
                var larger = new TableOwner?[_owners.Length * 2];
                _owners.CopyTo(larger, 0);
                Volatile.Write(ref _owners, larger);
            }

            owner.Id = number;
        }
    }

    /// <summary>Makes an owner known by its number, when it is complete.</summary>
    public void Publish(TableOwner owner)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            Volatile.Write(ref _owners[owner.Id], owner);
        }
    }

    /// <summary>Takes the number back, for others; the owner is still called by it. No table of the owner may be left.</summary>
    public void Remove(TableOwner owner)
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            Volatile.Write(ref _owners[owner.Id], null);
            _freeNumbers.Push(owner.Id);
        }
    }

    /// <summary>All owners at this moment.</summary>
    public List<TableOwner> Snapshot()
    {
        Schedule.Reach(SchedulePoint.SharedWord);
        using (_lock.Hold())
        {
            return [.. _owners.OfType<TableOwner>()];
        }
    }
}
