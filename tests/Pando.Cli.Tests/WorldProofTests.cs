using System.Runtime.InteropServices;
using Pando.Cli.Run;

namespace Pando.Cli.Tests;

public class WorldProofTests
{
    [Fact]
    public void A_world_with_two_slots_of_one_process_exchanged_fails_by_its_bytes_and_by_the_audit()
    {
        var options = new RunInput { Memory = "1TiB", Processes = "5", Share = ["512GiB"] }.Validate(MemoryUse.Available);
        using var world = World.Create(WorldPlan.For(options, options.Shares[0]), null);
        world.Build(new LineProgress(TextWriter.Null), TestContext.Current.CancellationToken);
        var root = MemoryMarshal.Cast<byte, ulong>(world.Machine.Memory.Bytes(world.Spaces[2].RootAddress, 4096));
        int slot = (int)(world.Start.Value >> 39) & 511;
        (root[slot], root[slot + 1]) = (root[slot + 1], root[slot]);

        var proof = WorldProof.Prove(world, null, new LineProgress(TextWriter.Null), TestContext.Current.CancellationToken);

        Assert.False(proof.Passed);
        Assert.True(proof.Wrong > 0);
        Assert.Contains("stored was", proof.FirstWrong, StringComparison.Ordinal);
        Assert.NotEmpty(proof.Violations);
    }
}
