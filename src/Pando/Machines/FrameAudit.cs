using Pando.Files;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Machines;

/// <summary>Checks the counts: slots of each table, references of each private page, and that every frame in use is somebody's. After all spaces and files.</summary>
internal sealed class FrameAudit(AuditState audit)
{
    private readonly TableStore _store = audit.Store;

    public void Check(List<TableOwner> owners)
    {
        CheckCounts();
        CheckFrames(owners);
    }

    private void CheckCounts()
    {
        foreach (int number in audit.Tables)
        {
            var table = new Frame(number);
            int slots = audit.Slots[number];
            audit.Expect(_store.Memory.Record(table).AttachCount == slots, $"{audit.Describe(table)}: {slots} slots point at it");
        }

        for (int number = 0; number < audit.Slots.Length; number++)
        {
            audit.Expect(audit.Slots[number] == 0 || audit.Tables.Contains(number), $"a slot points at {audit.Describe(new Frame(number))}, which is in no file's index");
        }

        foreach (var (number, references) in audit.References)
        {
            audit.Expect(_store.Memory.Record(new Frame(number)).References == references, $"frame {number}: {references} leaves show it, but it counts {_store.Memory.Record(new Frame(number)).References}");
        }
    }

    private void CheckFrames(List<TableOwner> owners)
    {
        int[] kinds = new int[Enum.GetValues<FrameKind>().Length];
        for (int number = 1; number < _store.Frames.HighWater; number++)
        {
            kinds[(int)_store.Memory.Record(new Frame(number)).Kind]++;
        }

        var files = owners.OfType<FileTables>().Select(tables => tables.File).ToList();
        var contents = files.OfType<MemoryFile>().Select(file => file.Frames).ToList();
        int index = owners.OfType<AddressSpace>().Sum(space => space.ProtectedPages.FrameCount) + files.Sum(file => file.Tables.IndexFrames + (file.Dirty?.FrameCount ?? 0)) + contents.Sum(frames => frames.Index);
        int data = contents.Sum(frames => frames.Data);
        audit.Expect(kinds[(int)FrameKind.SpaceTable] == audit.SpaceTableCount, $"{kinds[(int)FrameKind.SpaceTable]} frames are tables of spaces, {audit.SpaceTableCount} were reached");
        audit.Expect(kinds[(int)FrameKind.FileTable] == audit.FileTableCount, $"{kinds[(int)FrameKind.FileTable]} frames are tables of files, {audit.FileTableCount} were reached");
        audit.Expect(kinds[(int)FrameKind.Anonymous] == audit.References.Count, $"{kinds[(int)FrameKind.Anonymous]} frames are anonymous, {audit.References.Count} were reached");
        audit.Expect(kinds[(int)FrameKind.FileIndex] == index, $"{kinds[(int)FrameKind.FileIndex]} frames belong to indexes, {index} were reached");
        audit.Expect(kinds[(int)FrameKind.FileData] == data, $"{kinds[(int)FrameKind.FileData]} frames hold files, {data} were reached");
        audit.Expect(kinds[(int)FrameKind.Zero] == 1, $"there is not exactly one page of zeroes");
        int used = kinds.Sum() - kinds[(int)FrameKind.Free];
        audit.Expect(used == _store.Frames.FramesInUse, $"{used} frames are marked as in use, the allocator counts {_store.Frames.FramesInUse}");
        audit.Expect(kinds[(int)FrameKind.Retired] == _store.Retired.Count, $"{kinds[(int)FrameKind.Retired]} frames are marked as retired, {_store.Retired.Count} wait for an epoch");
    }
}
