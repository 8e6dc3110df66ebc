using Pando.Linux.Text;

namespace Pando.Cli.Views;

/// <summary>
/// Writes lines for people. A line is one line, and plain: what strangers put into names (escape sequences, line breaks,
/// turned writing) is escaped here, where everything passes, and nowhere else.
/// </summary>
internal sealed class LineWriter(TextWriter output)
{
    /// <summary>Writes one line, unwrapped: settings are pasted, and pipes are searched line by line.</summary>
    public void Line(string text = "") => output.WriteLine(Printable.Text(text));
}
