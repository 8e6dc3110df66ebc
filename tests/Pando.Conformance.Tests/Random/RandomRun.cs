using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Random;

/// <summary>A run of random operations from a seed: each is made in lockstep, with probes between them.</summary>
/// <param name="seed">The seed.</param>
/// <param name="hugePages">Whether huge pages may be used.</param>
internal sealed class RandomRun(int seed, bool hugePages = false)
{
    private const int ProbesPerOperation = 2;

    // What locks as much as a run does is refused by a limit that the engine does not have; named cases lock little.
    private readonly bool _locks = LockLimit.WhyLimited() is null;

    /// <summary>The options of the run.</summary>
    public LockstepOptions Options { get; private set; } = new StepGenerator(seed).Options(hugePages);

    /// <summary>What was done so far, probes included.</summary>
    public List<Operation> Done { get; } = [];

    /// <summary>Runs it; why it failed, or null.</summary>
    /// <param name="operations">How many operations, probes not counted.</param>
    /// <param name="counts">Where to count.</param>
    /// <param name="begin">Called with the world before the first operation; it may spoil the engine.</param>
    public string? FailureWithin(int operations, LockstepCounts counts, Action<LockstepWorld>? begin = null)
    {
        var generator = new StepGenerator(seed);
        using var world = new LockstepWorld(Options, counts);
        begin?.Invoke(world);
        try
        {
            for (int i = 0; i < operations; i++)
            {
                Step(world, generator.Next(world));
                for (int probe = 0; probe < ProbesPerOperation; probe++)
                {
                    Step(world, generator.Probe(world));
                }
            }

            world.End();
            return null;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return exception is MismatchException ? exception.Message : exception.ToString();
        }
    }

    /// <summary>The failure with the run shrunk, as a test that can be pasted.</summary>
    public string Explain(string failure)
    {
        var shrunk = Shrinker.Shrink(Done, part => Replay.Failure(Options, part) is not null);
        return $"Seed {seed}: {failure}{Environment.NewLine}Shrunk to: {Replay.Failure(Options, shrunk)}{Environment.NewLine}{Replay.ToCode(Options, shrunk)}"
            + $"Alone: PANDO_CONFORMANCE_SEED={seed} PANDO_CONFORMANCE_RUNS=1 dotnet test --project tests/Pando.Conformance.Tests --filter-class '*RandomConformanceTests'";
    }

    private void Step(LockstepWorld world, Operation operation)
    {
        if (!_locks && operation is (LockAt { Locked: true } or LockAllOf { Current: true } or LockAllOf { Future: true }))
        {
            return;
        }

        Done.Add(operation);
        world.Step(operation);
    }
}
