using Pando.Exec.Native;

namespace Pando.Exec.Files;

/// <summary>A process's descriptors: numbers for open file descriptions. Thread-safe.</summary>
internal sealed class DescriptorTable
{
    private readonly Lock _lock = new();
    private Slot[] _slots = new Slot[64];
    private int _users = 1;

    /// <summary>The most descriptors (RLIMIT_NOFILE).</summary>
    internal int Limit { get; set; } = 1024;

    /// <summary>Counts another process or thread that shares the table (CLONE_FILES).</summary>
    internal DescriptorTable Share()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>A user less; the last closes all.</summary>
    internal void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            CloseRange(0, int.MaxValue);
        }
    }

    /// <summary>A table of one's own with the same descriptors (fork(2)).</summary>
    internal DescriptorTable Copy()
    {
        var copy = new DescriptorTable { Limit = Limit };
        lock (_lock)
        {
            copy._slots = (Slot[])_slots.Clone();
            foreach (var slot in copy._slots)
            {
                _ = slot.Description?.TryKeep();
            }
        }

        return copy;
    }

    /// <summary>Keeps what a descriptor stands for open for a call.</summary>
    internal DescriptorUse Use(long descriptor)
    {
        lock (_lock)
        {
            var description = (ulong)descriptor < (ulong)_slots.Length ? _slots[descriptor].Description : null;
            return new DescriptorUse(description is not null && description.TryKeep() ? description : null);
        }
    }

    /// <summary>The lowest free number from <paramref name="least"/> on for a description, which is the table's from now on.</summary>
    /// <returns>The number, or the negative error; then the description has been let go.</returns>
    internal long Add(OpenDescription description, bool closeOnExec, long least = 0)
    {
        lock (_lock)
        {
            if (least < Limit)
            {
                for (int number = (int)least; number < Limit; number++)
                {
                    Grow(number);
                    if (_slots[number].Description is null)
                    {
                        _slots[number] = new Slot(description, closeOnExec);
                        return number;
                    }
                }
            }
        }

        description.Release();
        return least >= Limit ? -Error.EINVAL : -Error.EMFILE;
    }

    /// <summary>Puts a description, the table's from now on, at a number; what was there is closed.</summary>
    internal long Set(long number, OpenDescription description, bool closeOnExec)
    {
        OpenDescription? before = null;
        bool fits;
        lock (_lock)
        {
            fits = (ulong)number < (ulong)Limit;
            if (fits)
            {
                Grow((int)number);
                before = _slots[number].Description;
                _slots[number] = new Slot(description, closeOnExec);
            }
        }

        before?.Release();
        if (!fits)
        {
            description.Release();
            return -Error.EBADF;
        }

        return number;
    }

    /// <summary>Closes a number.</summary>
    internal long Close(long number)
    {
        OpenDescription? description = null;
        lock (_lock)
        {
            if ((ulong)number < (ulong)_slots.Length)
            {
                description = _slots[number].Description;
                _slots[number] = default;
            }
        }

        description?.Release();
        return description is null ? -Error.EBADF : 0;
    }

    /// <summary>Closes all from one number to another, both included.</summary>
    internal void CloseRange(long first, long last) => ForEach(first, last, (ref slot, closed) =>
    {
        if (slot.Description is { } description)
        {
            closed.Add(description);
            slot = default;
        }
    });

    /// <summary>Marks all from one number to another as closed by exec.</summary>
    internal void MarkRange(long first, long last) => ForEach(first, last, static (ref slot, _) => slot = slot with { CloseOnExec = true });

    /// <summary>Closes what exec closes.</summary>
    internal void CloseForExec() => ForEach(0, int.MaxValue, static (ref slot, closed) =>
    {
        if (slot is { CloseOnExec: true, Description: { } description })
        {
            closed.Add(description);
            slot = default;
        }
    });

    /// <summary>Whether exec closes a number; null where it is not open.</summary>
    internal bool? ClosesOnExec(long number)
    {
        lock (_lock)
        {
            return (ulong)number < (ulong)_slots.Length && _slots[number].Description is not null ? _slots[number].CloseOnExec : null;
        }
    }

    /// <summary>Says whether exec closes a number.</summary>
    internal long SetCloseOnExec(long number, bool closes)
    {
        lock (_lock)
        {
            if ((ulong)number >= (ulong)_slots.Length || _slots[number].Description is null)
            {
                return -Error.EBADF;
            }

            _slots[number] = _slots[number] with { CloseOnExec = closes };
            return 0;
        }
    }

    private void Grow(int number)
    {
        if (number >= _slots.Length)
        {
            Array.Resize(ref _slots, Math.Max(number + 1, _slots.Length * 2));
        }
    }

    private void ForEach(long first, long last, SlotAction action)
    {
        var closed = new List<OpenDescription>();
        lock (_lock)
        {
            for (long number = Math.Max(first, 0); number <= last && number < _slots.Length; number++)
            {
                action(ref _slots[number], closed);
            }
        }

        foreach (var description in closed)
        {
            description.Release();
        }
    }

    private delegate void SlotAction(ref Slot slot, List<OpenDescription> closed);

    private readonly record struct Slot(OpenDescription? Description, bool CloseOnExec);
}
