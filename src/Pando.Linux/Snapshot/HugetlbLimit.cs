namespace Pando.Linux.Snapshot;

/// <summary>
/// How much of one size of huge pages a cgroup may have: the tightest of its own limit and those of the cgroups above.
/// </summary>
/// <param name="PageSize">Size of the pages in bytes.</param>
/// <param name="Limit">The limit in bytes.</param>
/// <param name="Used">Bytes used (or reserved) under it.</param>
/// <param name="Level">Path of the cgroup whose limit it is.</param>
/// <param name="File">The file of the limit; to be written by whoever may raise it.</param>
/// <param name="IsReserved">True if it limits what mappings reserve (mmap fails); false if it limits what they
/// touch (SIGBUS at the first touch).</param>
public sealed record HugetlbLimit(ulong PageSize, long Limit, long Used, string Level, string File, bool IsReserved);
