using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>madvise.</content>
public sealed partial class AddressSpace
{
    /// <summary>Says how a range will be used (madvise(2)).</summary>
    /// <returns>
    /// EINVAL for what is not aligned, advice that does not exist or does not fit what is mapped (locked, not
    /// anonymous, ...); ENOMEM if a part is not mapped; EACCES where Remove finds no shared writable mapping; EFAULT or
    /// EHWPOISON where a page cannot be populated; EPERM if a part is sealed and the advice would drop its contents.
    /// After an error nothing has changed, except that Populate may have populated a part.
    /// </returns>
    public Errno Advise(VirtualAddress address, long length, Advice advice)
    {
        if (address.PageOffset != 0 || length < 0 || !Enum.IsDefined(advice) || length > long.MaxValue - Level.PageSize)
        {
            return Errno.EINVAL;
        }

        if (length == 0)
        {
            return Errno.None;
        }

        if (!IsUserRange(address, length))
        {
            return Errno.ENOMEM;
        }

        var range = AddressRange.FromLength(address, (length + Level.PageSize - 1) & -(long)Level.PageSize);
        return advice switch
        {
            Advice.PopulateRead => PopulateAdvised(range, AccessKind.Read),
            Advice.PopulateWrite => PopulateAdvised(range, AccessKind.Write),
            Advice.Remove => RemoveAdvised(range),
            _ => AdviseAreas(range, advice),
        };
    }

    private Errno AdviseAreas(AddressRange range, Advice advice)
    {
        _lock.EnterWrite(LockRank.Space);
        try
        {
            ThrowIfExited();
            if (!IsMapped(range))
            {
                return Errno.ENOMEM;
            }

            var error = WhyNotAdvise(range, advice);
            if (error != Errno.None)
            {
                return error;
            }

            var (set, cleared) = FlagsOf(advice);
            if ((set | cleared) != 0)
            {
                Rewrite(range, area => area.Traits.With(set, cleared));
            }
            else if (advice is Advice.DontNeed or Advice.Free)
            {
                DropPages(range);
            }

            return Errno.None;
        }
        finally
        {
            _lock.ExitWrite(LockRank.Space);
        }
    }

    private Errno WhyNotAdvise(AddressRange range, Advice advice)
    {
        bool drops = advice is Advice.DontNeed or Advice.Free;
        bool discards = drops || advice is Advice.DontFork or Advice.WipeOnFork;
        bool reclaims = advice is Advice.Cold or Advice.PageOut;
        foreach (var area in _areas.Overlapping(range))
        {
            bool anonymous = area.File is null;
            if (reclaims && area.File is { MappingAlignment: > Level.PageSize })
            {
                return Errno.EINVAL;
            }

            if ((drops || reclaims) && (area.Traits.Flags & (AreaFlags.Locked | AreaFlags.LockedOnFault)) != 0)
            {
                return Errno.EINVAL;
            }

            if (advice is Advice.Free or Advice.WipeOnFork && !anonymous)
            {
                return Errno.EINVAL;
            }

            if (discards && (area.Traits.Flags & AreaFlags.Sealed) != 0 && !area.IsShared && (area.Rights & Rights.Write) == 0)
            {
                // What a sealed read-only range shows may not be thrown away (mm/mseal.c).
                return Errno.EPERM;
            }
        }

        return (drops || FlagsOf(advice) != (0, 0)) && !MayCutAt(range) ? Errno.EINVAL : Errno.None;
    }

    private static (AreaFlags Set, AreaFlags Cleared) FlagsOf(Advice advice) => advice switch
    {
        Advice.Normal => (0, AreaFlags.Random | AreaFlags.Sequential),
        Advice.Random => (AreaFlags.Random, AreaFlags.Sequential),
        Advice.Sequential => (AreaFlags.Sequential, AreaFlags.Random),
        Advice.DontFork => (AreaFlags.DontFork, 0),
        Advice.DoFork => (0, AreaFlags.DontFork),
        Advice.Mergeable => (AreaFlags.Mergeable, 0),
        Advice.Unmergeable => (0, AreaFlags.Mergeable),
        Advice.HugePage => (AreaFlags.HugePages, AreaFlags.NoHugePages),
        Advice.NoHugePage => (AreaFlags.NoHugePages, AreaFlags.HugePages),
        Advice.DontDump => (AreaFlags.DontDump, 0),
        Advice.DoDump => (0, AreaFlags.DontDump),
        Advice.WipeOnFork => (AreaFlags.WipeOnFork, 0),
        Advice.KeepOnFork => (0, AreaFlags.WipeOnFork),
        _ => (0, 0),
    };

    /// <summary>
    /// Drops what the space's own tables show in a range. What is attached stays attached: it shows the file itself,
    /// as it would again after the next fault.
    /// </summary>
    private void DropPages(AddressRange range)
    {
        var gather = new FlushGather(Store, this);
        var drop = new DropVisitor();
        _memory.Walker.VisitWithin(this, range, ref drop, ref gather);
        gather.Finish();

        // Without copies of its own, a span may be one window of the file again.
        Converge(range);
    }

    private Errno PopulateAdvised(AddressRange range, AccessKind access)
    {
        _lock.EnterRead(LockRank.Space);
        bool mapped = IsMapped(range);
        bool allowed = true;
        foreach (var area in _areas.Overlapping(range))
        {
            allowed &= area.Allows(access);
        }

        _lock.ExitRead(LockRank.Space);
        if (!mapped || !allowed)
        {
            return mapped ? Errno.EINVAL : Errno.ENOMEM;
        }

        return Populate(range, access).Kind switch
        {
            FaultKind.BusError => Errno.EFAULT,
            FaultKind.HardwarePoison => Errno.EHWPOISON,
            FaultKind.OutOfMemory or FaultKind.NotMapped => Errno.ENOMEM,
            FaultKind.NotAllowed => Errno.EINVAL,
            _ => Errno.None,
        };
    }

    private Errno RemoveAdvised(AddressRange range)
    {
        // The file's change takes locks of its own and reaches this space like any other: not under this space's lock.
        var holes = new List<(MappedFile File, long Offset, long Length)>();
        _lock.EnterRead(LockRank.Space);
        var error = IsMapped(range) ? Errno.None : Errno.ENOMEM;
        foreach (var area in _areas.Overlapping(range))
        {
            if (error != Errno.None)
            {
                break;
            }

            if ((area.Traits.Flags & (AreaFlags.Locked | AreaFlags.LockedOnFault)) != 0 || area.File is null)
            {
                error = Errno.EINVAL;
            }
            else if (!area.IsShared || (area.Traits.MostRights & Rights.Write) == 0)
            {
                error = Errno.EACCES;
            }
            else
            {
                var part = area.Range.Intersect(range);
                area.File.AddUser();
                holes.Add((area.File, (long)part.Start.Value + area.Delta, part.Length));
            }
        }

        _lock.ExitRead(LockRank.Space);
        foreach (var (file, offset, length) in holes)
        {
            if (error == Errno.None)
            {
                error = file.PunchHole(offset, length);
            }

            file.RemoveUser();
        }

        return error;
    }

    private readonly struct DropVisitor : IEntryVisitor
    {
        public void Visit(EntryRef entry, ref FlushGather gather)
        {
            if (entry.IsLeaf)
            {
                entry.Clear(ref gather);
            }
        }
    }
}
