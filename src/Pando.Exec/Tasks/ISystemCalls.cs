namespace Pando.Exec.Tasks;

/// <summary>Who serves the system calls of tasks.</summary>
internal interface ISystemCalls
{
    /// <summary>What a call gives that has set the registers itself.</summary>
    internal const long NoResult = long.MinValue;

    /// <summary>Serves the call in a task's registers, on its thread, and puts the result there.</summary>
    void Serve(GuestTask task);
}
