namespace Pando.Linux.Report;

/// <summary>Bytes of a process's tables (with entries) that show one object.</summary>
public sealed record ProcessShare(int ObjectNumber, string Name, long Bytes);
