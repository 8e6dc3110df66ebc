namespace Pando.Tests.Concurrency;

/// <summary>Ends a thread of a schedule that has failed; where it was thrown is where the thread stood.</summary>
#pragma warning disable CA1032 // Thrown in one place only.
internal sealed class ScheduleAbandonedException() : Exception("The schedule has been abandoned.");
