using Pando.Concurrency;
using Pando.Spaces;
using Pando.Tests.Support;

namespace Pando.Tests.Model;

/// <content>Operations whose calls fail, one after the other, before they are made in earnest.</content>
internal sealed partial class World
{
    /// <summary>What lets calls fail; null where all succeed.</summary>
    private CallFailures? _failures;

    /// <summary>Attempts that ended with an error because a call failed, and left everything as it was.</summary>
    public long Refused { get; private set; }

    /// <summary>Failed calls of each kind.</summary>
    public Dictionary<string, long> FailedCalls { get; } = [];

    /// <summary>
    /// From now on every operation is first made with its first call of an allocation, of storage or of a user's handler
    /// failing, then with its second, and so on, each alone and with all that follow, until it succeeds in spite of it.
    /// </summary>
    public CallFailures FailEachCall()
    {
        var failures = new CallFailures();
        Machine.Store.Omissions[OmittedStep.Allocation] = () => Fails("an allocation");
        foreach (var storage in _storages)
        {
            storage.FailNext = () => Fails("a call of storage");
        }

        _handler.FailNext = () => Fails("a call of a handler");
        return _failures = failures;

        bool Fails(string kind)
        {
            bool fails = failures.Next();
            if (fails)
            {
                FailedCalls[kind] = FailedCalls.GetValueOrDefault(kind) + 1;
            }

            return fails;
        }
    }

    /// <summary>
    /// Makes an operation on the engine, before it is made on the model. While a call of it fails, it says so, or the
    /// handler's exception comes out of it, or it succeeds; what it refused has changed nothing.
    /// </summary>
    /// <param name="operation">The operation.</param>
    /// <param name="isRefused">Whether an outcome says that a call failed.</param>
    /// <param name="keepsState">Whether it changes nothing when it is refused; if not, some of it may be done.</param>
    private T Attempt<T>(Func<T> operation, Func<T, bool> isRefused, bool keepsState = true)
    {
        if (_failures is not { } failures)
        {
            return operation();
        }

        for (int number = 0; ; number++)
        {
            foreach (bool onwards in (ReadOnlySpan<bool>)[true, false])
            {
                bool isDone = TryWith(failures, number, onwards, operation, isRefused, out var outcome);
                LockOrder.AssertNoneHeld();
                Epochs.AssertOutside();
                if (isDone)
                {
                    return outcome!;
                }

                Refused++;
                if (keepsState)
                {
                    Check();
                }
                else
                {
                    Machine.Audit().ThrowIfUnsound();
                }
            }
        }
    }

    /// <summary>Makes an operation with one call, or all from one on, failing.</summary>
    /// <returns>Whether it is done: also where it is refused for a reason of its own, which the model knows.</returns>
    private static bool TryWith<T>(CallFailures failures, int number, bool onwards, Func<T> operation, Func<T, bool> isRefused, out T? outcome)
    {
        try
        {
            outcome = failures.Run(number, onwards, operation);
            return !failures.Reached || !isRefused(outcome);
        }
        catch (HandlerFailedException)
        {
            outcome = default;
            return false;
        }
    }

    /// <summary>
    /// The same for an operation that faults in what is locked: pages that it could not have are no error of it, but the
    /// model has them, so that it is tried with failures only where nothing is locked.
    /// </summary>
    private T Attempt<T>(int space, Func<T> operation, Func<T, bool> isRefused) =>
        _model[space]!.Areas.Any(area => (area.Flags & AnyLock) != 0)
            ? operation()
            : Attempt(operation, isRefused);

    // EFAULT: populating came to a page that could not be had.
    private static bool IsRefused(Errno error) => error is Errno.ENOMEM or Errno.EIO or Errno.EFAULT;

    private static bool IsRefused(FaultResult result) => result.Kind is FaultKind.OutOfMemory or FaultKind.BusError;
}
