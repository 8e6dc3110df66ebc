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

    /// <summary>
    /// From now on every operation is first made with its first allocation failing, then with its second, and so on, each
    /// alone and with all that follow, until it succeeds in spite of it.
    /// </summary>
    public CallFailures FailEachCall()
    {
        var failures = new CallFailures();
        Machine.Store.Frames.FailNext = failures.Next;
        return _failures = failures;
    }

    /// <summary>
    /// Makes an operation on the engine, before it is made on the model. While a call of it fails, it says so or succeeds;
    /// what it refused has changed nothing.
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
                var outcome = failures.Run(number, onwards, operation, out bool reached);
                LockOrder.AssertNoneHeld();
                if (!reached || !isRefused(outcome))
                {
                    // Also where it is refused for a reason of its own: the model knows.
                    return outcome;
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

    /// <summary>
    /// The same for an operation that faults in what is locked: pages that it could not have are no error of it, but the
    /// model has them, so that it is tried with failures only where nothing is locked.
    /// </summary>
    private T Attempt<T>(int space, Func<T> operation, Func<T, bool> isRefused) =>
        _model[space]!.Areas.Any(area => (area.Flags & (AreaFlags.Locked | AreaFlags.LockedOnFault)) != 0)
            ? operation()
            : Attempt(operation, isRefused);

    private static bool IsRefused(Errno error) => error == Errno.ENOMEM;

    private static bool IsOutOfMemory(FaultResult result) => result.Kind == FaultKind.OutOfMemory;
}
