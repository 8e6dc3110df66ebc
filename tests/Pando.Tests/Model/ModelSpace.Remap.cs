using Pando.Spaces;

namespace Pando.Tests.Model;

/// <content>mremap, as Linux 6.17 and later do it.</content>
internal sealed partial class ModelSpace
{
    public ModelRemap PlanRemap(ulong old, long oldLength, long newLength, RemapFlags flags, ulong newAddress)
    {
        bool mayMove = (flags & RemapFlags.MayMove) != 0;
        bool isFixed = (flags & RemapFlags.Fixed) != 0;
        bool leaves = (flags & RemapFlags.DontUnmap) != 0;
        ulong oldBytes = RoundUp(oldLength);
        ulong newBytes = RoundUp(newLength);
        if (paging.OffsetIn(old) != 0 || newLength <= 0 || oldLength < 0 || (ulong)newLength > userEnd)
        {
            return new ModelRemap(Errno.EINVAL);
        }

        if (isFixed || leaves)
        {
            bool overlaps = newAddress < old + oldBytes && old < newAddress + newBytes;
            if (paging.OffsetIn(newAddress) != 0 || !IsUser(newAddress, newBytes) || !mayMove || (leaves && oldBytes != newBytes) || overlaps)
            {
                return new ModelRemap(Errno.EINVAL);
            }
        }

        if (Find(old) is not { } area)
        {
            return new ModelRemap(Errno.EFAULT);
        }

        if (isFixed && oldBytes == newBytes)
        {
            return newAddress < Lowest ? new ModelRemap(Errno.EPERM) : new ModelRemap(Errno.None, ModelRemapWay.MovesAll, newAddress);
        }

        if (!isFixed && !leaves && newBytes <= oldBytes)
        {
            // What is cut off is unmapped like anything else.
            bool fits = newBytes == oldBytes || IsUser(old + newBytes, oldBytes - newBytes);
            return new ModelRemap(fits ? Errno.None : Errno.EINVAL, ModelRemapWay.InPlace, old);
        }

        if (oldBytes == 0 && !area.Shared)
        {
            return new ModelRemap(Errno.EINVAL);
        }

        if (Math.Min(oldBytes, newBytes) > area.End - old)
        {
            return new ModelRemap(Errno.EFAULT);
        }

        if (!isFixed && !leaves && old + oldBytes == area.End && IsUser(old, newBytes) && IsFree(old + oldBytes, newBytes - oldBytes))
        {
            return new ModelRemap(Errno.None, ModelRemapWay.InPlace, old);
        }

        if (isFixed)
        {
            bool ontoItself = oldBytes == 0 && old >= newAddress && old < newAddress + newBytes;
            bool cutsOff = newBytes < oldBytes;
            return ontoItself ? new ModelRemap(Errno.EFAULT)
                : cutsOff && !IsUser(old + newBytes, oldBytes - newBytes) ? new ModelRemap(Errno.EINVAL)
                : newAddress < Lowest ? new ModelRemap(Errno.EPERM)
                : new ModelRemap(Errno.None, ModelRemapWay.MovesOne, newAddress);
        }

        if (!mayMove || !HasGap(newBytes))
        {
            return new ModelRemap(Errno.ENOMEM);
        }

        bool hinted = leaves && newAddress >= Lowest && IsFree(newAddress, newBytes);
        return new ModelRemap(Errno.None, ModelRemapWay.MovesOne, hinted ? newAddress : null);
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
            FaultInWhatGrew(area, oldEnd, newEnd);
        }
    }

    /// <summary>Moves a part of one area; what is cut off of the old range goes, whatever is there.</summary>
    public void MoveOne(ulong old, long oldLength, long newLength, ulong target, bool keepOld)
    {
        var area = Find(old)!.Value;
        ulong oldBytes = RoundUp(oldLength);
        ulong newBytes = RoundUp(newLength);
        Move(area, old, Math.Min(oldBytes, newBytes), target, newBytes, keepOld);
        if (newBytes < oldBytes)
        {
            Remove(old + newBytes, old + oldBytes);
        }
        else
        {
            FaultInWhatGrew(area, target + oldBytes, target + newBytes);
        }
    }

    /// <summary>Moves all that a range has; what lies at the target beside that stays.</summary>
    public void MoveAll(ulong old, long length, ulong target, bool keepOld)
    {
        ulong end = old + RoundUp(length);
        foreach (var area in Within(old, end))
        {
            ulong start = Math.Max(old, area.Start);
            ulong bytes = Math.Min(end, area.End) - start;

            // What has moved before may have been joined to it, or have taken its lock away.
            Move(Find(start)!.Value, start, bytes, start - old + target, bytes, keepOld);
        }
    }

    private void Move(ModelArea area, ulong old, ulong bytes, ulong target, ulong newBytes, bool keepOld)
    {
        Remove(target, target + newBytes);
        foreach (ulong page in _privatePages.Keys.Where(page => page >= old && page < old + bytes).ToList())
        {
            _privatePages[page - old + target] = _privatePages[page];
            _privatePages.Remove(page);
        }

        Areas.Add(area.From(old) with { Start = target, End = target + newBytes });
        Join(target, target + newBytes);
        if (!keepOld)
        {
            Remove(old, old + bytes);
            return;
        }

        // What is left is empty; the whole of its area is unlocked, and joined to nothing.
        int left = Areas.FindIndex(candidate => old >= candidate.Start && old < candidate.End);
        Areas[left] = Areas[left] with { Flags = Areas[left].Flags & ~AnyLock };
    }

    private void FaultInWhatGrew(ModelArea area, ulong start, ulong end)
    {
        if ((area.Flags & AreaFlags.Locked) != 0)
        {
            FaultIn(start, end);
        }
    }
}
