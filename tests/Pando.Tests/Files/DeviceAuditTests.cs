using Pando.Files;
using Pando.Intervals;
using Pando.Tests.Support;
using static Pando.Tests.Support.OperationBench;

namespace Pando.Tests.Files;

/// <summary>The auditor sees space of a device that is lost, given twice, or led to by more files than are counted.</summary>
public sealed class DeviceAuditTests : IDisposable
{
    private readonly OperationBench _bench = new(device: 8 * Mebi);
    private readonly DaxFile _file;
    private readonly DaxFile _clone;

    public DeviceAuditTests()
    {
        _file = _bench.DaxFile(2 * Mebi);
        _clone = _bench.DaxFile(2 * Mebi, [], "clone");
        _bench.Does(_clone.CloneRange(_file, Mebi, Page, 0));
        _bench.Does(_file.PunchHole(0, Page));
        _bench.Does(_bench.Device.Poison(4 * Mebi));
        _bench.Sound();
    }

    private DeviceSpace Space => _bench.Device.Space;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Space_that_nobody_has_and_that_is_not_free()
    {
        Assert.True(Space.TryTake(Page, Page, out _));
        Reports("nobody has it, and it is not free");
    }

    [Fact]
    public void Space_that_is_free_though_a_file_has_it()
    {
        Space.Give(_file.Extents[0].DeviceOffset, Page);
        Reports("files have it, and it is free");
    }

    [Fact]
    public void Space_for_which_too_many_files_are_counted()
    {
        Space.Share(_file.Extents[0].DeviceOffset, Page);
        Reports("counted are Sharers { Files = 2, Leaving = 0 }");
    }

    [Fact]
    public void Space_that_was_left_and_is_not_counted_so()
    {
        Space.GiveLeft(0, Page);
        Reports("files have it, and it is free");
    }

    [Fact]
    public void An_extent_that_is_not_found_by_its_place_or_found_where_it_is_not()
    {
        ExtentOwner owner;
        using (var walk = _bench.Device.Owners.On(0, _bench.Device.Size))
        {
            Assert.True(walk.TryGetNext(out owner));
        }

        Change(removed: owner);
        Reports("is not found by its place");
        var other = owner with { End = owner.End + Page };
        Change(added: other);
        Reports("counts as extent");
        Change(removed: other);
        Change(added: owner);
        _bench.Sound();

        void Change(ExtentOwner? added = null, ExtentOwner? removed = null)
        {
            var changes = new NativeArray<ExtentOwners.Change>();
            changes[changes.Add()] = new((added ?? removed)!.Value, added.HasValue);
            _bench.Device.Owners.Apply(changes, 1);
        }
    }

    [Fact]
    public void A_mark_where_there_is_no_storage()
    {
        Assert.True(_file.Dirty.TryMark(0, Page));
        Reports("count as written, and not all of it has storage");
    }

    [Fact]
    public void A_lock_that_is_not_given_back()
    {
        using (_file.Tables.Invalidate.Hold())
        {
            var auditing = new Thread(() => Reports("its layout is being changed"));
            auditing.Start();
            auditing.Join();
        }

        _bench.Sound();
    }

    private void Reports(string words) =>
        Assert.Contains(_bench.Machine.Audit().Violations, violation => violation.Contains(words, StringComparison.Ordinal));
}
