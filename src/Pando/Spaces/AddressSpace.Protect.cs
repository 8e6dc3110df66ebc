using Pando.Concurrency;
using Pando.Hardware;
using Pando.Tables;

namespace Pando.Spaces;

/// <content>mprotect and pkey_mprotect.</content>
public sealed partial class AddressSpace
{
    /// <summary>
    /// Changes what may be done with a range (mprotect(2), pkey_mprotect(2)). Where the range covers all that a slot
    /// leads to, the slot's rights change and the file's table stays shared.
    /// </summary>
    /// <param name="address">The first address; a multiple of 4 KiB.</param>
    /// <param name="length">Bytes; rounded up to whole pages. 0 does nothing.</param>
    /// <param name="rights">The new rights.</param>
    /// <param name="protectionKey">
    /// The new protection key: 0, or one that <see cref="AllocateKey"/> gave. -1 leaves it, but for memory that becomes execute-only,
    /// or ceases to be (<see cref="ExecuteOnlyKey"/>).
    /// </param>
    /// <returns>
    /// EINVAL for what is not aligned, rights that do not exist, a key that is not allocated; ENOMEM if a part is not mapped; EACCES if a
    /// file was not opened for it; EPERM if a part is sealed. After an error nothing has changed (Linux changes what
    /// lies before the first address that is at fault).
    /// </returns>
    /// <exception cref="ObjectDisposedException">The space has ended.</exception>
    public Errno Protect(VirtualAddress address, long length, Rights rights, int protectionKey = -1)
    {
        ThrowIfExited();
        // In the order of Linux's do_mprotect_pkey.
        if (_geometry.OffsetInPage(address.Value) != 0)
        {
            return Errno.EINVAL;
        }

        var (form, _, range) = RangeArgument.Of(_geometry, address, length);
        switch (form)
        {
            case RangeForm.Nothing:
                return Errno.None;
            case RangeForm.RoundsToNothing or RangeForm.WrapsRound:
                return Errno.ENOMEM;
        }

        if ((rights & ~Rights.All) != 0)
        {
            return Errno.EINVAL;
        }

        AddressRange[] copied;
        using (_lock.Write())
        {
            ThrowIfExited();
            if (protectionKey != LeaveKey && !IsKeyAllocated(protectionKey))
            {
                return Errno.EINVAL;
            }

            var change = new ProtectChange(rights, protectionKey, ExecuteOnlyKey, KeyForExecuteOnly());
            var error = WhyNotProtect(range, change);
            if (error != Errno.None)
            {
                return error;
            }

            if (change.MakesExecuteOnly)
            {
                TakeExecuteOnlyKey(change.NewExecuteOnlyKey);
            }

            copied = LockedAndNowWritable(range, rights);
            ChangeRights(range, change);
        }

        foreach (var part in copied)
        {
            // Up to where a user-fault handler would have to be asked (Linux: the space's lock is held for writing here).
            FaultInLocked(part, asks: false);
        }

        return Errno.None;
    }

    /// <summary>
    /// Locked private memory that becomes writable is given its copies at once, so that no later store needs a frame (Linux:
    /// mprotect_fixup).
    /// </summary>
    private AddressRange[] LockedAndNowWritable(AddressRange range, Rights rights) =>
        (rights & Rights.Write) == 0 || !HasAny(range, AreaFlags.Locked)
            ? []
            : [.. _areas.Overlapping(range).ToArray()
                .Where(area => !area.IsShared && (area.Rights & Rights.Write) == 0 && (area.Traits.Flags & AreaFlags.Locked) != 0)
                .Select(area => area.Range.Intersect(range))];

    /// <summary>The first address that is at fault decides, as on Linux.</summary>
    private Errno WhyNotProtect(AddressRange range, in ProtectChange change)
    {
        var at = range.Start;
        foreach (var area in _areas.Overlapping(range))
        {
            if (area.Range.Start > at)
            {
                return Errno.ENOMEM;
            }

            var error = (change.Rights & ~area.Traits.MostRights) != 0 ? Errno.EACCES
                : (area.Traits.Flags & AreaFlags.Sealed) != 0 ? Errno.EPERM
                : change.Of(area) == area.Traits || MayCutAt(area.Range.Intersect(range)) ? Errno.None
                : Errno.EINVAL;
            if (error != Errno.None)
            {
                return error;
            }

            at = area.Range.End;
        }

        return at >= range.End ? Errno.None : Errno.ENOMEM;
    }

    private void ChangeRights(AddressRange range, ProtectChange change)
    {
        var areas = _areas.Overlapping(range).ToArray();
        if (Array.TrueForAll(areas, area => change.Of(area) == area.Traits))
        {
            return;
        }

        ChangeEntries(range, areas, change);
        Rewrite(range, change.Of);
        Settle(range);
    }

    private void ChangeEntries(AddressRange range, Area[] areas, ProtectChange change)
    {
        FlushGather.State state = default;
        using var gather = new FlushGather(Store, this, ref state);

        // Areas that show a file on in the same way are one piece to the tables.
        for (int i = 0; i < areas.Length;)
        {
            int next = i + 1;
            while (next < areas.Length && areas[next - 1].Range.End == areas[next].Range.Start && areas[i].IsInLineWith(areas[next]))
            {
                next++;
            }

            var part = range.Intersect(new AddressRange(areas[i].Range.Start, areas[next - 1].Range.End));
            var changed = areas[i].With(change.Of(areas[i]));
            int key = changed.Traits.ProtectionKey;
            var visitor = new RightsVisitor(
                changed.FileRights(Store.Format),
                Store.Format.Effective(change.Rights),
                key,
                SlotsStay: Store.Format.HasSlotRights && key == areas[i].Traits.ProtectionKey);
            if (changed.Traits != areas[i].Traits && !Store.Omissions.Leave(OmittedStep.RightsChanged))
            {
                _memory.Walker.Change(this, part, WithGaps(part), default, ref visitor, in gather);
            }

            i = next;
        }
    }

    /// <summary>After a change: spans that have become one window of a file go back to the file's tables, empty ones attach.</summary>
    private void Settle(AddressRange range)
    {
        _tables.Converge(range);
        foreach (var area in _areas.Overlapping(range))
        {
            _tables.AttachAll(area, area.Range.Intersect(range));
        }
    }

    /// <summary>What mprotect makes of areas.</summary>
    /// <param name="Rights">The new rights.</param>
    /// <param name="Key">The key that was asked for; <see cref="LeaveKey"/> if none was.</param>
    /// <param name="ExecuteOnlyKey">The space's key for memory that may only be executed, before the change; -1 if it has none.</param>
    /// <param name="NewExecuteOnlyKey">The one that such memory is given now; -1 if there is none to be had.</param>
    private readonly record struct ProtectChange(Rights Rights, int Key, int ExecuteOnlyKey, int NewExecuteOnlyKey)
    {
        public bool MakesExecuteOnly => Key == LeaveKey && Rights == Rights.Execute && NewExecuteOnlyKey > 0;

        public AreaTraits Of(Area area) => area.Traits with { Rights = Rights, ProtectionKey = KeyOf(area) };

        // Linux: __arch_override_mprotect_pkey. A key that was asked for is never overridden.
        private int KeyOf(Area area) =>
            Key != LeaveKey ? Key
            : MakesExecuteOnly ? NewExecuteOnlyKey
            : Rights != Rights.Execute && area.Rights == Rights.Execute && area.Traits.ProtectionKey == ExecuteOnlyKey ? 0
            : area.Traits.ProtectionKey;
    }

    /// <param name="File">The rights of slots, and of leaves that show a file.</param>
    /// <param name="Private">The rights of private memory.</param>
    /// <param name="Key">The protection key.</param>
    /// <param name="SlotsStay">Whether a slot to a file's table can take the change; if not, the table is of another class.</param>
    private readonly record struct RightsVisitor(Rights File, Rights Private, int Key, bool SlotsStay) : IEntryVisitor
    {
        public void Visit(EntryRef entry, in FlushGather gather)
        {
            if (!entry.IsLeaf)
            {
                if (SlotsStay)
                {
                    entry.SetRights(File, in gather);
                }
                else
                {
                    entry.Clear(in gather);
                }

                return;
            }

            // A leaf never becomes writable here: the fault that follows knows whether the page must be copied or noted first.
            var rights = entry.AnonymousFrame.IsNone ? File : Private;
            entry.SetRights(entry.IsWritable ? rights : rights & ~Rights.Write, in gather);
            entry.SetProtectionKey(Key, in gather);
        }
    }
}
