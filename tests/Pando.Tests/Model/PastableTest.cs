using System.Text;

namespace Pando.Tests.Model;

/// <summary>A run as the text of a test that can be pasted.</summary>
internal static class PastableTest
{
    /// <param name="options">The C# that makes the run's options.</param>
    /// <param name="operations">What is done.</param>
    public static string Of(string options, IEnumerable<Operation> operations)
    {
        var code = new StringBuilder();
        code.AppendLine("[Fact]");
        code.AppendLine("public void Say_what_must_hold() => Replay.Run(");
        code.Append("    ").Append(options);
        foreach (var operation in operations)
        {
            code.AppendLine(",").Append("    ").Append(operation.ToCode());
        }

        code.AppendLine(");");
        return code.ToString();
    }
}
