namespace Pando.Tests.Concurrency;

/// <summary>What kind of memory a <see cref="WatchedMemory"/> is.</summary>
public enum WatchedKind
{
    /// <summary>Anonymous memory.</summary>
    Anonymous,

    /// <summary>A memory file, mapped shared, in the file's tables where they can be shared.</summary>
    SharedFile,

    /// <summary>The same, where what the file has is not shown before the handler says so.</summary>
    SharedFileWithMinorFaults,

    /// <summary>A memory file, mapped private.</summary>
    PrivateFile,

    /// <summary>A file whose pages are 2 MiB and never smaller, mapped shared.</summary>
    HugeFile,

    /// <summary>
    /// Pages of 4 KiB in one page of 2 MiB of a memory file, mapped shared, of which stores to some are the handler's. Contents are
    /// not his.
    /// </summary>
    PartsOfLargePage,
}
