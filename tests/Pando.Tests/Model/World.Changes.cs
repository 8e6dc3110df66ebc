using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <content>The operations that change what is mapped, and where files lie.</content>
internal sealed partial class World
{
    private void Change(Operation operation)
    {
        switch (operation)
        {
            case ProtectAt protect when Has(protect.Space):
                var changed = Attempt(
                    protect.Space,
                    () => _engine[protect.Space]!.Protect(new VirtualAddress(protect.Address), protect.Length, protect.Rights),
                    IsRefused);
                Same(_model[protect.Space]!.Protect(protect.Address, protect.Length, protect.Rights), changed, "the outcome");
                break;
            case ProtectKeyAt protect when Has(protect.Space):
                var changedByKey = Attempt(
                    protect.Space,
                    () => _engine[protect.Space]!.Protect(new VirtualAddress(protect.Address), protect.Length, protect.Rights, protect.Key),
                    IsRefused);
                Same(_model[protect.Space]!.Protect(protect.Address, protect.Length, protect.Rights, protect.Key), changedByKey, "the outcome");
                break;
            case TakeKey take when Has(take.Space):
                Same(_model[take.Space]!.TakeKey(), (_engine[take.Space]!.AllocateKey(out int key), key), "the outcome, and the key");
                break;
            case GiveKey give when Has(give.Space):
                Same(_model[give.Space]!.GiveKey(give.Key), _engine[give.Space]!.FreeKey(give.Key), "the outcome");
                break;
            case RemapAt remap when Has(remap.Space):
                Remap(remap);
                break;
            case AdviseAt advise when Has(advise.Space):
                var advised = Attempt(
                    () => _engine[advise.Space]!.Advise(new VirtualAddress(advise.Address), advise.Length, advise.Advice),
                    IsRefused,
                    keepsState: advise.Advice is not (Advice.PopulateRead or Advice.PopulateWrite));
                Same(_model[advise.Space]!.Advise(advise.Address, advise.Length, advise.Advice), advised, "the outcome");
                break;
            case LockAt locks when Has(locks.Space):
                var address = new VirtualAddress(locks.Address);
                Same(
                    _model[locks.Space]!.Lock(locks.Address, locks.Length, locks.Locked, locks.OnFault),
                    Attempt(
                        () => locks.Locked ? _engine[locks.Space]!.LockMemory(address, locks.Length, locks.OnFault) : _engine[locks.Space]!.UnlockMemory(address, locks.Length),
                        IsRefused,
                        keepsState: false),
                    "the outcome");
                break;
            case ClearAll clear when Has(clear.Space):
                _model[clear.Space]!.Clear();
                _engine[clear.Space]!.Clear();
                break;
            default:
                ChangeFile(operation);
                break;
        }
    }

    private void ChangeFile(Operation operation)
    {
        switch (operation)
        {
            case Resize resize when IsOpen(resize.File):
                var resized = _files[resize.File];
                Same(Errno.None, Attempt(() => resized.Engine!.SetSize(resize.Size), IsRefused), "the outcome");
                resized.Resize(resize.Size);
                foreach (var space in _model)
                {
                    space?.RemoveCopies(resized);
                }

                break;
            case Punch punch when IsOpen(punch.File):
                Same(Errno.None, Attempt(() => _files[punch.File].Engine!.PunchHole(punch.Offset, punch.Length), IsRefused), "the outcome");
                _files[punch.File].Punch(punch.Offset, punch.Length);
                break;
            case Shift shift when IsOpen(shift.File) && _files[shift.File].Engine is DaxFile dax:
                bool reaches = shift.Inserts ? shift.Offset >= _files[shift.File].Size : shift.Length >= _files[shift.File].Size - shift.Offset;
                Same(
                    reaches ? Errno.EINVAL : Errno.None,
                    Attempt(() => shift.Inserts ? dax.InsertRange(shift.Offset, shift.Length) : dax.CollapseRange(shift.Offset, shift.Length), IsRefused),
                    "the outcome");
                if (!reaches)
                {
                    _files[shift.File].Shift(shift.Offset, shift.Length, shift.Inserts);
                    foreach (var space in _model)
                    {
                        space?.RemoveCopies(_files[shift.File]);
                    }
                }

                break;
            case Clone clone when IsOpen(clone.Source) && IsOpen(clone.File):
                var source = _files[clone.Source];
                var file = _files[clone.File];
                bool fits = clone.SourceOffset + clone.Length <= source.End && clone.Offset + clone.Length <= file.End
                    && (source != file || clone.SourceOffset + clone.Length <= clone.Offset || clone.Offset + clone.Length <= clone.SourceOffset);
                Same(
                    fits ? Errno.None : Errno.EINVAL,
                    Attempt(() => ((DaxFile)file.Engine!).CloneRange((DaxFile)source.Engine!, clone.SourceOffset, clone.Length, clone.Offset), IsRefused),
                    "the outcome");
                if (fits)
                {
                    file.Clone(source, clone.SourceOffset, clone.Offset, clone.Length);
                }

                break;
            case SyncFile sync when IsOpen(sync.File):
                Same(Errno.None, Attempt(() => _files[sync.File].Engine!.WriteBack(sync.Offset, sync.Length), IsRefused), "the outcome");
                _files[sync.File].WrittenBack();
                if (sync.Offset == 0 && sync.Length >= _files[sync.File].End)
                {
                    Same(0, _files[sync.File].Engine!.DirtyBytes, "dirty bytes after a write-back of the whole file");
                }

                break;
            case MigrateAt migrate:
                Same(Errno.None, Attempt(() => _large!.Migrate(migrate.DeviceOffset, migrate.Length), IsRefused), "the outcome");
                break;
        }
    }

    private void Remap(RemapAt remap)
    {
        var model = _model[remap.Space]!;
        var plan = model.PlanRemap(remap.Address, remap.OldLength, remap.NewLength, remap.Flags, remap.NewAddress);
        var result = Attempt(
            remap.Space,
            () => _engine[remap.Space]!.Remap(
                new VirtualAddress(remap.Address), remap.OldLength, remap.NewLength, remap.Flags, new VirtualAddress(remap.NewAddress)),
            outcome => outcome.Error == Errno.ENOMEM);
        Same(plan.Error, result.Error, "the outcome");
        if (!result.Succeeded)
        {
            return;
        }

        ulong start = result.Address.Value;
        if (plan.Target is { } target)
        {
            Same($"0x{target:x}", $"0x{start:x}", "the address");
        }
        else if (!model.MayChoose(start, remap.NewLength))
        {
            throw new MismatchException($"the engine chose {result.Address}, which is not free or not allowed");
        }

        bool keepsOld = (remap.Flags & RemapFlags.DontUnmap) != 0;
        switch (plan.Way)
        {
            case ModelRemapWay.InPlace:
                model.ResizeInPlace(remap.Address, remap.OldLength, remap.NewLength);
                break;
            case ModelRemapWay.MovesOne:
                model.MoveOne(remap.Address, remap.OldLength, remap.NewLength, start, keepsOld);
                break;
            case ModelRemapWay.MovesAll:
                model.MoveAll(remap.Address, remap.OldLength, start, keepsOld);
                break;
        }
    }
}
