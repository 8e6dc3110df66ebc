namespace Pando.Linux.Snapshot;

/// <summary>What was read of a process that looks like a well-known server, to advise it in its own words.</summary>
/// <param name="Executable">What /proc/PID/exe leads to.</param>
/// <param name="WorkingDirectory">What /proc/PID/cwd leads to: PostgreSQL's data directory.</param>
/// <param name="DataVersion">Contents of PG_VERSION there; empty if there is none.</param>
/// <param name="Arguments">Arguments that bear on memory; all others are left out, since they may hold secrets.</param>
/// <param name="ParentPid">Its parent.</param>
/// <param name="LockLimitBytes">RLIMIT_MEMLOCK; null if it is unlimited or not readable.</param>
/// <param name="MayLock">True with CAP_IPC_LOCK, which no limit binds.</param>
/// <param name="RefusesHugePages">True if it has switched transparent huge pages off for itself (THP_enabled of status, Linux 5.0).</param>
public sealed record ServiceFacts(
    string Executable,
    string WorkingDirectory,
    string DataVersion,
    IReadOnlyList<string> Arguments,
    int ParentPid,
    long? LockLimitBytes,
    bool MayLock,
    bool RefusesHugePages = false);
