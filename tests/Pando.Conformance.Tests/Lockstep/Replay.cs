using Pando.Conformance.Tests.Kernel;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>Makes runs again: whole, in part, and as the text of a test.</summary>
internal static class Replay
{
    /// <summary>Skips the test, with the reason, where nothing can be compared.</summary>
    /// <param name="features">What the kernel has; by default what the running one has.</param>
    public static void RequireLockstep(KernelFeatures? features = null) => SkipFor((features ?? KernelFeatures.Running).WhyNoLockstep);

    /// <summary>Skips the test for a reason, if there is one.</summary>
    public static void SkipFor(string? reason)
    {
        if (reason is not null)
        {
            Assert.Skip($"It cannot be compared here: {reason}.");
        }
    }

    /// <summary>Makes a run in a new world, and compares after each operation.</summary>
    public static LockstepCounts Run(LockstepOptions options, params IReadOnlyList<Operation> operations)
    {
        RequireLockstep();
        var counts = new LockstepCounts();
        using var world = new LockstepWorld(options, counts);
        foreach (var operation in operations)
        {
            SkipFor(world.WhyNot(operation));
            world.Step(operation);
        }

        Assert.True(counts.Operations + counts.Accesses == operations.Count, "Some of the operations have no sense where they come.");
        world.End();
        return counts;
    }

    /// <summary>Why a run fails; null if it does not.</summary>
    public static string? Failure(LockstepOptions options, IReadOnlyList<Operation> operations, Action<LockstepWorld>? begin = null)
    {
        try
        {
            using var world = new LockstepWorld(options, new LockstepCounts());
            begin?.Invoke(world);
            foreach (var operation in operations)
            {
                world.Step(operation);
            }

            world.End();
            return null;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return exception is MismatchException ? exception.Message : exception.ToString();
        }
    }

    /// <summary>The run as a test that can be pasted.</summary>
    public static string ToCode(LockstepOptions options, IReadOnlyList<Operation> operations) => PastableTest.Of(options.ToCode(), operations);
}
