using Pando.Concurrency;

namespace Pando.Tests.Concurrency;

/// <summary>A fresh world, what threads do in it at once, and what must hold when all of them have ended.</summary>
/// <param name="Threads">One body a thread; two to four of them.</param>
/// <param name="Check">What must hold afterwards; throws where it does not.</param>
/// <param name="World">What to dispose of at the end, if anything.</param>
internal sealed record Scenario(Action[] Threads, Action Check, IDisposable? World = null)
{
    /// <summary>A part of the protocol that the threads leave out, to show that it is missed.</summary>
    public ProtocolPart? LeftOut { get; init; }
}
