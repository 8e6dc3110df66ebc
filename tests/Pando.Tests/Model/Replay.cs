using Pando.Tests.Support;

namespace Pando.Tests.Model;

/// <summary>Makes runs again: whole, in part, and as the text of a test.</summary>
internal static class Replay
{
    /// <summary>A world whose touches go through processors that remember translations, or through the tables alone.</summary>
    public static World NewWorld(WorldOptions options) =>
        options.Processors ? new World(options, machine => new ProcessorTranslator(machine)) : new World(options);

    /// <summary>Makes a run in a new world.</summary>
    public static void Run(WorldOptions options, params IReadOnlyList<Operation> operations)
    {
        using var world = NewWorld(options);
        world.Run(operations);
    }

    /// <summary>Why a run fails; null if it does not.</summary>
    public static string? Failure(WorldOptions options, IReadOnlyList<Operation> operations, Action<World, int>? afterStep = null)
    {
        try
        {
            using var world = NewWorld(options);
            world.AfterStep = afterStep;
            world.Run(operations);
            return null;
        }
        catch (MismatchException exception)
        {
            return exception.Message;
        }
    }

    /// <summary>The run as a test that can be pasted.</summary>
    public static string ToCode(WorldOptions options, IReadOnlyList<Operation> operations) => PastableTest.Of(options.ToCode(), operations);
}
