using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <content>What changes what is mapped: mprotect, mremap, madvise, mlock, and what files do to private copies.</content>
internal sealed partial class ModelSpace
{
    private const AreaFlags AnyLock = AreaFlags.Locked | AreaFlags.LockedOnFault;

    public Errno Protect(ulong address, long length, Rights rights)
    {
        if (address % ModelPage.Size != 0)
        {
            return Errno.EINVAL;
        }

        if (length == 0)
        {
            return Errno.None;
        }

        if (!IsUser(address, RoundUp(length)) || !IsMapped(address, address + RoundUp(length)))
        {
            return Errno.ENOMEM;
        }

        Change(address, address + RoundUp(length), area => area with { Rights = rights });
        return Errno.None;
    }

    public Errno Advise(ulong address, long length, Advice advice)
    {
        if (address % ModelPage.Size != 0 || length < 0)
        {
            return Errno.EINVAL;
        }

        if (length == 0)
        {
            return Errno.None;
        }

        ulong end = address + RoundUp(length);
        if (!IsUser(address, RoundUp(length)) || !IsMapped(address, end))
        {
            return Errno.ENOMEM;
        }

        var areas = Areas.Where(area => area.Start < end && address < area.End).ToList();
        if ((advice is Advice.DontNeed or Advice.Free or Advice.Cold or Advice.PageOut && areas.Any(area => (area.Flags & AnyLock) != 0))
            || (advice is Advice.WipeOnFork or Advice.Free && areas.Any(area => area.File is not null)))
        {
            return Errno.EINVAL;
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
        }

        return Errno.None;
    }

    public Errno Lock(ulong address, long length, bool locked, bool onFault)
    {
        ulong start = address / ModelPage.Size * ModelPage.Size;
        ulong end = address + (ulong)length;
        end = (end + (ulong)ModelPage.Size - 1) / (ulong)ModelPage.Size * (ulong)ModelPage.Size;
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
        return flag == AreaFlags.Locked ? FaultIn(start, end) : Errno.None;
    }

    /// <summary>Faults in what is locked; other areas go on where one cannot. What may not be read cannot.</summary>
    public Errno FaultIn(ulong start, ulong end)
    {
        var result = Errno.None;
        foreach (var area in Areas.Where(area => area.Start < end && start < area.End).ToList())
        {
            bool write = !area.Shared && (area.Rights & Rights.Write) != 0;
            if (Populate(Math.Max(start, area.Start), Math.Min(end, area.End), write ? AccessKind.Write : AccessKind.Read).Outcome != Touch.Allowed)
            {
                result = Errno.ENOMEM;
            }
        }

        return result;
    }

    /// <summary>
    /// The error of mremap(2), or the way it goes: in place, or a move to an address that is settled (or 0 where the
    /// kernel chooses).
    /// </summary>
    public (Errno Error, bool Moves, ulong Target) PlanRemap(ulong old, long oldLength, long newLength, RemapFlags flags, ulong newAddress)
    {
        bool mayMove = (flags & RemapFlags.MayMove) != 0;
        bool isFixed = (flags & RemapFlags.Fixed) != 0;
        bool dontUnmap = (flags & RemapFlags.DontUnmap) != 0;
        ulong oldBytes = RoundUp(oldLength);
        ulong newBytes = RoundUp(newLength);
        if (old % ModelPage.Size != 0 || newLength <= 0 || oldLength < 0 || ((isFixed || dontUnmap) && !mayMove) || (dontUnmap && oldBytes != newBytes))
        {
            return (Errno.EINVAL, false, 0);
        }

        if (isFixed && (newAddress % ModelPage.Size != 0 || !IsUser(newAddress, newBytes) || (newAddress < old + oldBytes && old < newAddress + newBytes)))
        {
            return (Errno.EINVAL, false, 0);
        }

        if (Find(old) is not { } area || old + oldBytes > area.End)
        {
            return (Errno.EFAULT, false, 0);
        }

        if (oldBytes == 0 && (!area.Shared || !mayMove))
        {
            return (Errno.EINVAL, false, 0);
        }

        if (!isFixed && !dontUnmap && oldBytes != 0
            && (newBytes <= oldBytes || (old + oldBytes == area.End && IsUser(old, newBytes) && IsFree(old + oldBytes, newBytes - oldBytes))))
        {
            return (Errno.None, false, old);
        }

        if (!mayMove || (!isFixed && !HasGap(newBytes)))
        {
            return (Errno.ENOMEM, false, 0);
        }

        return (Errno.None, true, isFixed ? newAddress : 0);
    }

    public void ResizeInPlace(ulong old, long oldLength, long newLength)
    {
        ulong oldEnd = old + RoundUp(oldLength);
        ulong newEnd = old + RoundUp(newLength);
        if (newEnd < oldEnd)
        {
            Remove(newEnd, oldEnd);
        }
        else if (newEnd > oldEnd)
        {
            var area = Find(old)!.Value;
            Areas.Add(area.From(oldEnd) with { End = newEnd });
            Join(oldEnd, newEnd);
        }

        if (newEnd > oldEnd && (Find(old)!.Value.Flags & AreaFlags.Locked) != 0)
        {
            FaultIn(oldEnd, newEnd);
        }
    }

    public void Move(ulong old, long oldLength, long newLength, ulong target, bool keepOld)
    {
        var area = Find(old)!.Value;
        ulong oldBytes = RoundUp(oldLength);
        ulong newBytes = RoundUp(newLength);
        Remove(target, target + newBytes);
        foreach (ulong page in _privatePages.Keys.Where(page => page >= old && page < old + Math.Min(oldBytes, newBytes)).ToList())
        {
            _privatePages[page - old + target] = _privatePages[page];
            _privatePages.Remove(page);
        }

        Areas.Add(area.From(old) with { Start = target, End = target + newBytes });
        if (keepOld)
        {
            Change(old, old + oldBytes, left => left with { Flags = left.Flags & ~AnyLock });
        }
        else
        {
            Remove(old, old + oldBytes);
        }

        Join(target, target + newBytes);
        if ((area.Flags & AreaFlags.Locked) != 0)
        {
            FaultIn(target, target + newBytes);
        }
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

    private void Change(ulong start, ulong end, Func<ModelArea, ModelArea> change)
    {
        var areas = new List<ModelArea>();
        foreach (var area in Areas)
        {
            ulong from = Math.Max(area.Start, start);
            ulong to = Math.Min(area.End, end);
            if (from >= to)
            {
                areas.Add(area);
                continue;
            }

            if (area.Start < from)
            {
                areas.Add(area.To(from));
            }

            areas.Add(change(area.From(from).To(to)));
            if (to < area.End)
            {
                areas.Add(area.From(to));
            }
        }

        Areas = areas;
        Join(start, end);
    }
}
