namespace Pando.Tests.Support;

/// <summary>A user-fault handler fails, as a test has it.</summary>
internal sealed class HandlerFailedException() : Exception("The handler fails, as the test has it.");
