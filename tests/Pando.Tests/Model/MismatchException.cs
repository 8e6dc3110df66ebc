namespace Pando.Tests.Model;

/// <summary>The engine and the model differ.</summary>
internal sealed class MismatchException : Exception
{
    public MismatchException()
    {
    }

    public MismatchException(string message)
        : base(message)
    {
    }

    public MismatchException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
