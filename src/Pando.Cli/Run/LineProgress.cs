namespace Pando.Cli.Run;

/// <summary>Progress as plain lines, one as each step begins.</summary>
internal sealed class LineProgress(TextWriter writer) : IRunProgress
{
    public void During(Action work) => work();

    public void Begin(string what, long total) => writer.WriteLine(what);

    public void Advance(long by)
    {
    }
}
