using System.Text;

namespace Pando.Tests.Model;

/// <summary>Makes runs again: whole, in part, and as the text of a test.</summary>
internal static class Replay
{
    /// <summary>Makes a run in a new world.</summary>
    public static void Run(WorldOptions options, params IReadOnlyList<Operation> operations)
    {
        using var world = new World(options);
        world.Run(operations);
    }

    /// <summary>Why a run fails; null if it does not.</summary>
    public static string? Failure(WorldOptions options, IReadOnlyList<Operation> operations, Action<World, int>? afterStep = null)
    {
        try
        {
            using var world = new World(options) { AfterStep = afterStep };
            world.Run(operations);
            return null;
        }
        catch (MismatchException exception)
        {
            return exception.Message;
        }
    }

    /// <summary>The run as a test that can be pasted.</summary>
    public static string ToCode(WorldOptions options, IReadOnlyList<Operation> operations)
    {
        var code = new StringBuilder();
        code.AppendLine("[Fact]");
        code.AppendLine("public void Say_what_must_hold() => Replay.Run(");
        code.Append("    ").Append(options.ToCode());
        foreach (var operation in operations)
        {
            code.AppendLine(",").Append("    ").Append(operation.ToCode());
        }

        code.AppendLine(");");
        return code.ToString();
    }
}
