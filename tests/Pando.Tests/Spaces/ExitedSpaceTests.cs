using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

public sealed class ExitedSpaceTests : IDisposable
{
    private readonly Machine _machine = new(new MachineOptions { Ram = 4 << 20 });

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_fork_of_a_space_that_has_ended_leaves_nothing_behind()
    {
        var space = _machine.CreateSpace();
        space.Exit();
        Assert.Throws<ObjectDisposedException>(space.Fork);
        Assert.Empty(_machine.Spaces);
        _machine.Reclaim();
        _machine.Audit().ThrowIfUnsound();
        Assert.Equal(1, _machine.FramesInUse);
    }

    [Fact]
    public void In_a_space_that_has_ended_nothing_is_mapped_and_nothing_can_be()
    {
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(4096, Rights.Read)).Value;
        space.Exit();
        space.Exit();
        Assert.True(space.HasExited);
        Assert.Empty(space.Areas);
        Assert.Equal(FaultKind.NotMapped, space.Fault(at, AccessKind.Read).Kind);
        Assert.Throws<ObjectDisposedException>(() => space.Map(MapRequest.Anonymous(4096, Rights.Read)));
        Assert.Throws<ObjectDisposedException>(() => space.Unmap(at, 4096));
    }

    [Fact]
    public void A_file_that_is_closed_and_mapped_nowhere_cannot_be_mapped_and_stays_ended()
    {
        var space = _machine.CreateSpace();
        var file = _machine.CreateMemoryFile("gone", 4096);
        file.Dispose();
        Assert.True(file.HasEnded);
        Assert.Throws<ObjectDisposedException>(() => space.Map(MapRequest.SharedFile(file, Rights.Read)));
        Assert.True(file.HasEnded);
        Assert.Empty(space.Areas);
        _machine.Audit().ThrowIfUnsound();
        Assert.Equal(2, _machine.FramesInUse);
    }
}
