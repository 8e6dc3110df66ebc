namespace Pando.Tests.Growth;

/// <summary>A world and what is counted in it.</summary>
internal sealed class Measured(Action run, params IDisposable[] world) : IDisposable
{
    public void Run() => run();

    public void Dispose()
    {
        foreach (var part in world)
        {
            part.Dispose();
        }
    }
}
