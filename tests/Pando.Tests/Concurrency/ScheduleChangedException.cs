namespace Pando.Tests.Concurrency;

/// <summary>
/// A schedule did not do again what it had done before: the scenario depends on something else than the order of its
/// threads, or the code has changed since the schedule was written down.
/// </summary>
#pragma warning disable CA1032 // Thrown by the explorer only.
internal sealed class ScheduleChangedException(string message) : Exception(message);
