using Pando.Concurrency;
using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>The random runs are worth what they can find: damage is planted, and must be found, shrunk and printed.</summary>
public class ShrinkerTests
{
    private static readonly WorldOptions Options = new(4, SharingLevels.All, true);

    [Fact]
    public void A_sequence_is_shrunk_to_those_elements_that_are_needed()
    {
        int[] sequence = [.. Enumerable.Range(0, 500)];
        var shrunk = Shrinker.Shrink<int>(sequence, part => part.Contains(17) && part.Contains(18) && part.Contains(443));
        Assert.Equal([17, 18, 443], shrunk);
    }

    [Fact]
    public void A_right_that_is_too_wide_is_found_by_the_audit_and_shrunk()
    {
        var operations = Recorded(seed: 4711, count: 150);

        // The engine forgets to take the write right away from the root's first slot of a read-only mapping.
        void Damage(World world, int step)
        {
            for (int space = 0; space < World.Spaces; space++)
            {
                if (!world.Has(space) || world.AreasOf(space).All(area => (area.Rights & Rights.Write) != 0))
                {
                    continue;
                }

                var store = world.Machine.Store;
                var root = world.EngineSpace(space).Root;
                for (int index = 0; index < X64.Entries / 2; index++)
                {
                    var slot = store.Read(root, index);
                    if (!slot.IsNone && (store.Format.RightsOf(slot, Level.P4d) & Rights.Write) == 0)
                    {
                        store.Prepare(root, index, store.Format.WithRights(slot, Level.P4d, Rights.All));
                    }
                }
            }
        }

        string? failure = Replay.Failure(Options, operations, Damage);
        Assert.NotNull(failure);
        var shrunk = Shrinker.Shrink(operations, part => Replay.Failure(Options, part, Damage) is not null);
        Assert.InRange(shrunk.Count, 2, 4);
        Assert.Contains(shrunk, operation => operation is MapAt);
        string code = Replay.ToCode(Options, shrunk);
        Assert.All(shrunk, operation => Assert.Contains(operation.ToCode(), code, StringComparison.Ordinal));
        Assert.Null(Replay.Failure(Options, shrunk));
    }

    [Fact]
    public void A_byte_that_is_lost_is_found_by_the_comparison_of_contents()
    {
        Operation[] operations =
        [
            new Create(0),
            new MapAt(0, 0, 0, 0x400000, Rights.ReadWrite, true, MapPlacement.Fixed, 0x200000000000, PopulateKind.None),
            new TouchAt(0, 0x200000000100, AccessKind.Write, 7),
        ];
        Assert.Null(Replay.Failure(Options, operations));
        string? failure = Replay.Failure(Options, operations, (world, step) =>
        {
            if (step == 2)
            {
                world.Machine.Memory.Bytes(world.FileAt(0).Engine!.Locate(0x100)!.Value, 1)[0] = 0;
            }
        });
        Assert.Contains("the byte at", failure, StringComparison.Ordinal);
    }

    [Fact]
    public void An_area_that_is_lost_is_found_by_the_comparison_of_areas()
    {
        Operation[] operations =
        [
            new Create(0),
            new MapAt(0, -1, 0, 0x1000, Rights.ReadWrite, false, MapPlacement.Fixed, 0x200000000000, PopulateKind.None),
        ];
        string? failure = Replay.Failure(Options, operations, (world, step) =>
        {
            if (step == 1)
            {
                world.EngineSpace(0).Unmap(new VirtualAddress(0x200000000000), 0x1000);
            }
        });
        Assert.Contains("the number of areas", failure, StringComparison.Ordinal);
    }

    [Fact]
    public void A_flush_that_is_left_out_is_found_by_the_processor_that_forgets_nothing()
    {
        Operation[] operations =
        [
            new Create(0),
            new MapAt(0, -1, 0, 0x1000, Rights.ReadWrite, false, MapPlacement.Fixed, 0x200000000000, PopulateKind.None),
            new TouchAt(0, 0x200000000100, AccessKind.Write, 7),
            new UnmapAt(0, 0x200000000000, 0x1000),
        ];
        Assert.Null(Replay.Failure(Options, operations));
        string? failure = Replay.Failure(Options, operations, (world, step) => world.Machine.Store.Omissions[OmittedStep.Flush] = () => step == 2);
        Assert.Contains("still holds", failure, StringComparison.Ordinal);
    }

    private static List<Operation> Recorded(int seed, int count)
    {
        var random = new RandomRun(seed);
        var operations = new List<Operation>(count);
        using var world = new World(Options);
        for (int i = 0; i < count; i++)
        {
            operations.Add(random.Next(world));
            world.Step(operations[^1]);
        }

        return operations;
    }
}
