using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Machines;
using Pando.Platforms;
using Pando.Spaces;

namespace Pando.Kvm.Tests;

/// <summary>The PCIDs that a vCPU's spaces have. No KVM is needed.</summary>
public sealed class ProcessorContextsTests : IDisposable
{
    private readonly Machine _machine = new(new MachineOptions { Ram = 64 << 20 });
    private readonly ProcessorContexts _contexts = new();

    [Fact]
    public void A_space_keeps_its_pcid_until_it_is_dropped_and_then_has_one_that_nobody_had()
    {
        var spaces = Spaces(3);
        AssertLoad(flush: false, [1UL, 2, 3], spaces);
        AssertLoad(flush: false, [3UL, 1], spaces[2], spaces[0]);
        Assert.True(_contexts.Drop(Flush(spaces[1])));
        Assert.False(_contexts.Drop(Flush(spaces[1])));
        AssertLoad(flush: false, [1UL, 4, 3], spaces);
    }

    [Fact]
    public void A_files_change_drops_the_spaces_that_may_show_it_and_no_other()
    {
        var device = _machine.AddPmem(1L << 30);
        using var file = device.CreateFile("file", 1L << 30);
        var spaces = Spaces(3);
        Assert.True(spaces[1].Map(MapRequest.SharedFile(file, Rights.Read)).Succeeded);
        var owner = file.Tables;
        Assert.False(_contexts.Drop(new FlushRequest(new object(), owner, default)));
        AssertLoad(flush: false, [1, 2, 3], spaces);
        Assert.True(_contexts.Drop(new FlushRequest(new object(), owner, default)));
        AssertLoad(flush: false, [1UL, 4, 3], spaces);
    }

    [Fact]
    public void When_the_numbers_have_run_out_all_is_flushed_and_no_two_spaces_have_the_same()
    {
        var spaces = Spaces(4);
        for (uint given = 0; given < PcidNumbers.Count - 2; given++)
        {
            AssertLoad(flush: false, [given + 1], spaces[0]);
            _contexts.Drop(Flush(spaces[0]));
        }

        AssertLoad(flush: false, [(ulong)PcidNumbers.Count - 1, PcidNumbers.Count], spaces[0], spaces[1]);
        AssertLoad(flush: true, [1UL, 2, 3], spaces[1], spaces[2], spaces[3]);
        AssertLoad(flush: false, [4UL, 1], spaces[0], spaces[1]);
    }

    public void Dispose() => _machine.Dispose();

    private static FlushRequest Flush(AddressSpace space) => new(new object(), FlushKind.Range, space, default, upperEntries: false);

    private AddressSpace[] Spaces(int count)
    {
        var spaces = new AddressSpace[count];
        for (int i = 0; i < count; i++)
        {
            spaces[i] = _machine.CreateSpace();
        }

        return spaces;
    }

    private void AssertLoad(bool flush, ulong[] pcids, params AddressSpace[] spaces)
    {
        var given = new ulong[spaces.Length];
        Assert.Equal(flush, _contexts.Load(spaces, given));
        Assert.Equal(pcids, given);
    }
}
