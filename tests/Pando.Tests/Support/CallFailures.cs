namespace Pando.Tests.Support;

/// <summary>
/// Lets calls that can fail (an allocation, a call of storage, of a user's handler) fail by number: the n-th of an operation, alone or with
/// all that follow it.
/// </summary>
internal sealed class CallFailures
{
    private int _failAt = int.MaxValue;
    private bool _onwards;
    private int _asked;
    private int _lastAt;

    /// <summary>Calls that have failed so far, in all.</summary>
    public long Failed { get; private set; }

    /// <summary>Whether the operation that was run last came to the call that was to fail.</summary>
    public bool Reached => _asked > _lastAt;

    /// <summary>Asked at each call: whether it fails.</summary>
    public bool Next()
    {
        int number = _asked++;
        bool fails = number == _failAt || (_onwards && number > _failAt);
        Failed += fails ? 1 : 0;
        return fails;
    }

    /// <summary>Runs an operation with its call of that number, from 0, failing.</summary>
    /// <param name="failAt">The number.</param>
    /// <param name="onwards">Whether all later calls fail too.</param>
    /// <param name="operation">The operation.</param>
    public T Run<T>(int failAt, bool onwards, Func<T> operation)
    {
        _asked = 0;
        _failAt = _lastAt = failAt;
        _onwards = onwards;
        try
        {
            return operation();
        }
        finally
        {
            _failAt = int.MaxValue;
            _onwards = false;
        }
    }
}
