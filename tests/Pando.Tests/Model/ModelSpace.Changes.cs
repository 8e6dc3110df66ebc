using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <content>What changes what is mapped: mprotect, madvise, mlock, and what files do to private copies.</content>
internal sealed partial class ModelSpace
{
    private const AreaFlags AnyLock = AreaFlags.Locked | AreaFlags.LockedOnFault;

    public Errno Protect(ulong address, long length, Rights rights, int key = -1)
    {
        if (paging.OffsetIn(address) != 0)
        {
            return Errno.EINVAL;
        }

        if (length == 0)
        {
            return Errno.None;
        }

        if (key != -1 && !IsGiven(key))
        {
            return Errno.EINVAL;
        }

        if (!IsUser(address, RoundUp(length)) || !IsMapped(address, address + RoundUp(length)))
        {
            return Errno.ENOMEM;
        }

        // Locked private memory that becomes writable has its copies at once.
        ulong end = address + RoundUp(length);
        var copied = Within(address, end)
            .Where(area => !area.Shared && (area.Flags & AreaFlags.Locked) != 0 && (area.Rights & Rights.Write) == 0 && (rights & Rights.Write) != 0)
            .ToList();
        Change(address, end, area => area with { Rights = rights, Key = key == -1 ? KeyAfter(area, rights) : key });
        foreach (var area in copied)
        {
            FaultIn(Math.Max(address, area.Start), Math.Min(end, area.End));
        }

        return Errno.None;
    }

    public Errno Advise(ulong address, long length, Advice advice)
    {
        if (paging.OffsetIn(address) != 0 || length < 0)
        {
            return Errno.EINVAL;
        }

        if (length == 0)
        {
            return Errno.None;
        }

        ulong end = address + RoundUp(length);
        if (advice is Advice.PopulateRead or Advice.PopulateWrite)
        {
            return PopulateAdvised(address, end, advice == Advice.PopulateWrite);
        }

        // An area that the advice does not fit is an error before a hole is, wherever it lies.
        foreach (var area in Within(address, end))
        {
            if ((advice is Advice.DontNeed or Advice.Free or Advice.Cold or Advice.PageOut && (area.Flags & AnyLock) != 0)
                || (advice is Advice.WipeOnFork or Advice.Free && area.File is not null))
            {
                return Errno.EINVAL;
            }
        }

        if (!IsMapped(address, end))
        {
            return Errno.ENOMEM;
        }

        switch (advice)
        {
            case Advice.DontNeed or Advice.Free:
                Drop(address, end);
                break;
            case Advice.DontFork:
                Change(address, end, area => area with { Flags = area.Flags | AreaFlags.DontFork });
                break;
            case Advice.DoFork:
                Change(address, end, area => area with { Flags = area.Flags & ~AreaFlags.DontFork });
                break;
            case Advice.DontDump:
                Change(address, end, area => area with { Flags = area.Flags | AreaFlags.DontDump });
                break;
            case Advice.DoDump:
                Change(address, end, area => area with { Flags = area.Flags & ~AreaFlags.DontDump });
                break;
            case Advice.WipeOnFork:
                Change(address, end, area => area with { Flags = area.Flags | AreaFlags.WipeOnFork });
                break;
            case Advice.KeepOnFork:
                Change(address, end, area => area with { Flags = area.Flags & ~AreaFlags.WipeOnFork });
                break;
            case Advice.Mergeable:
                // Pages that are shared, or the storage itself, are never merged.
                Change(address, end, area => area.Shared || area.File?.Engine is DaxFile ? area : area with { Flags = area.Flags | AreaFlags.Mergeable });
                break;
            case Advice.Unmergeable:
                Change(address, end, area => area with { Flags = area.Flags & ~AreaFlags.Mergeable });
                break;
        }

        return Errno.None;
    }

    /// <summary>Area by area, up to the first address that cannot be had. Reading wants the right to read, which a load may do without.</summary>
    private Errno PopulateAdvised(ulong start, ulong end, bool write)
    {
        for (ulong at = start; at < end;)
        {
            if (Find(at) is not { } area)
            {
                return Errno.ENOMEM;
            }

            if ((area.Rights & (write ? Rights.Write : Rights.Read)) == 0)
            {
                return Errno.EINVAL;
            }

            ulong stop = Math.Min(end, area.End);
            var outcome = Populate(at, stop, write ? AccessKind.Write : AccessKind.Read).Outcome;
            if (outcome != Touch.Allowed)
            {
                return outcome == Touch.DeniedByKey ? Errno.EINVAL : Errno.EFAULT;
            }

            at = stop;
        }

        return Errno.None;
    }

    public Errno Lock(ulong address, long length, bool locked, bool onFault)
    {
        ulong start = paging.StartOf(address);
        ulong end = address + (ulong)length;
        end = (end + (ulong)paging.Size - 1) / (ulong)paging.Size * (ulong)paging.Size;
        if (length == 0 && start == end)
        {
            return Errno.None;
        }

        if (!IsUser(start, end - start) || !IsMapped(start, end))
        {
            return Errno.ENOMEM;
        }

        var flag = !locked ? AreaFlags.None : onFault ? AreaFlags.LockedOnFault : AreaFlags.Locked;
        Change(start, end, area => area with { Flags = (area.Flags & ~AnyLock) | flag });
        return flag == AreaFlags.Locked && !FaultIn(start, end, goesOn: false) ? Errno.ENOMEM : Errno.None;
    }

    /// <summary>
    /// Faults in what is locked. What may not be read cannot be; the area ends there, and other areas go on only where
    /// nobody is told.
    /// </summary>
    private bool FaultIn(ulong start, ulong end, bool goesOn = true)
    {
        bool all = true;
        foreach (var area in Within(start, end))
        {
            bool write = !area.Shared && (area.Rights & Rights.Write) != 0;
            if (all || goesOn)
            {
                all &= Populate(Math.Max(start, area.Start), Math.Min(end, area.End), write ? AccessKind.Write : AccessKind.Read).Outcome == Touch.Allowed;
            }
        }

        return all;
    }

    /// <summary>After a truncation: private copies of what lies past the end are gone.</summary>
    public void RemoveCopies(ModelFile file)
    {
        foreach (var area in Areas.Where(area => area.File == file && !area.Shared))
        {
            ulong from = file.End <= area.Offset ? area.Start : area.Start + (ulong)(file.End - area.Offset);
            if (from < area.End)
            {
                Drop(from, area.End);
            }
        }
    }

    public void Clear()
    {
        Areas.Clear();
        ForgetKeys();
        _privatePages.Clear();
    }

    private bool IsUser(ulong address, ulong length) => address < userEnd && length <= userEnd - address;

    private bool IsMapped(ulong start, ulong end)
    {
        for (ulong at = start; at < end;)
        {
            if (Find(at) is not { } area)
            {
                return false;
            }

            at = area.End;
        }

        return true;
    }

    private void Drop(ulong start, ulong end)
    {
        foreach (ulong page in _privatePages.Keys.Where(page => page >= start && page < end).ToList())
        {
            _privatePages.Remove(page);
        }
    }

    private List<ModelArea> Within(ulong start, ulong end) => [.. Areas.Where(area => area.Start < end && start < area.End)];

    /// <summary>Sets and clears flags that make no other difference here.</summary>
    public void Mark(AddressRange range, AreaFlags set, AreaFlags cleared) =>
        Change(range.Start.Value, range.End.Value, area => area with { Flags = (area.Flags & ~cleared) | set });

    /// <summary>Cuts areas at the ends of a range where they change in it, and joins what has changed to what lies beside it.</summary>
    private void Change(ulong start, ulong end, Func<ModelArea, ModelArea> change)
    {
        var pieces = new List<(ModelArea Area, bool Changed)>();
        foreach (var area in Areas)
        {
            ulong from = Math.Max(area.Start, start);
            ulong to = Math.Min(area.End, end);
            if (from >= to || change(area) == area)
            {
                pieces.Add((area, false));
                continue;
            }

            if (area.Start < from)
            {
                pieces.Add((area.To(from), false));
            }

            pieces.Add((change(area.From(from).To(to)), true));
            if (to < area.End)
            {
                pieces.Add((area.From(to), false));
            }
        }

        Areas = [];
        for (int i = 0; i < pieces.Count; i++)
        {
            if (i > 0 && (pieces[i - 1].Changed || pieces[i].Changed) && Areas[^1].ContinuesIn(pieces[i].Area))
            {
                Areas[^1] = Areas[^1].To(pieces[i].Area.End);
            }
            else
            {
                Areas.Add(pieces[i].Area);
            }
        }
    }
}
