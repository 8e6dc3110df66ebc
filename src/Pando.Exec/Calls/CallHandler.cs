using Pando.Exec.Tasks;

namespace Pando.Exec.Calls;

/// <summary>Serves one system call of a task.</summary>
/// <param name="task">The task, on its thread.</param>
/// <param name="call">Its arguments: a program's, so nothing of them is trusted.</param>
/// <returns>The result, or the negative error.</returns>
internal delegate long CallHandler(GuestTask task, in CallArguments call);
