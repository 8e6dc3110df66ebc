namespace Pando.Linux.Snapshot;

/// <summary>
/// The tmpfs that a file lies on, as the processes that map it see it.
/// </summary>
/// <param name="Point">Where it is mounted.</param>
/// <param name="Options">Its options, as mountinfo writes them ("rw,size=1024k,huge=never").</param>
/// <param name="Namespace">Null if this is the reader's own mount namespace; else the process by which it can be entered (nsenter -t).</param>
/// <param name="SizeBytes">How much it may hold; 0 if there is no bound, or if it is not known.</param>
/// <param name="FreeBytes">Of that, what is free.</param>
/// <param name="Files">Files and directories on it; 0 if it is not known.</param>
public sealed record MountFacts(string Point, string Options, int? Namespace, long SizeBytes, long FreeBytes, long Files);
