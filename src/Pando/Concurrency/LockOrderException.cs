namespace Pando.Concurrency;

/// <summary>A lock was taken or released against the order of <see cref="LockRank"/>: a mistake in Pando itself.</summary>
internal sealed class LockOrderException(string message) : InvalidOperationException(message);
