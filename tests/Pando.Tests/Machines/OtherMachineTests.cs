using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Machines;

/// <summary>Nothing of one machine is taken for something of another: their memories begin at the same addresses.</summary>
public sealed class OtherMachineTests : IDisposable
{
    private const long Page = X64.PageSize;
    private const long Mebi = 1L << 20;

    private readonly Machine _mine = new(new MachineOptions { Ram = 16 * Mebi });
    private readonly Machine _other = new(new MachineOptions { Ram = 16 * Mebi });

    public void Dispose()
    {
        _mine.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void A_file_of_another_machine_is_not_mapped()
    {
        var space = _mine.CreateSpace();
        MappedFile[] files = [_other.CreateMemoryFile("memory", Mebi), _other.CreateHugeFile("huge", 2 * Mebi), _other.AddPmem(4 * Mebi).CreateFile("data", Mebi)];
        int frames = _mine.FramesInUse;
        Assert.All(files, file =>
        {
            Assert.Throws<ArgumentException>(() => space.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Populate = PopulateKind.Write }));
            Assert.Throws<ArgumentException>(() => space.Map(MapRequest.PrivateFile(file, Rights.ReadWrite)));
        });
        Assert.Empty(space.Areas);
        Assert.Equal(frames, _mine.FramesInUse);
        _mine.Audit().ThrowIfUnsound();
        _other.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_space_of_another_machine_is_not_loaded_nor_reckoned_with()
    {
        var stranger = _other.CreateSpace();
        var processor = _mine.AddProcessor();
        Assert.Throws<ArgumentException>(() => processor.Switch(stranger));
        Assert.Equal(AccessOutcome.NoSpace, processor.TryRead(default, out int _).Outcome);
        Assert.True(stranger.LoadedOn.IsEmpty);
        Assert.Throws<ArgumentException>(() => _mine.TableShares().Of(stranger));
        using var file = _other.CreateMemoryFile("memory", Page);
        Assert.Throws<ArgumentException>(() => _mine.TableShares().OfNobody(file.Tables));
    }

    [Fact]
    public void A_file_is_cloned_from_no_device_of_another_machine()
    {
        var mine = _mine.AddPmem(4 * Mebi).CreateFile("mine", Mebi);
        var source = _other.AddPmem(4 * Mebi).CreateFile("source", Mebi);
        Assert.Equal(Errno.EINVAL, mine.CloneRange(source, 0, Page, 0));
        _mine.Audit().ThrowIfUnsound();
        _other.Audit().ThrowIfUnsound();
    }
}
