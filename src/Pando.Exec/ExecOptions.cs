using Microsoft.Win32.SafeHandles;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Exec;

/// <summary>What <c>pando exec</c> is told.</summary>
public sealed record ExecOptions
{
    /// <summary>The program, by path or by name to be looked up in PATH, and its arguments; at least the program.</summary>
    public required IReadOnlyList<string> Command { get; init; }

    /// <summary>The environment as NAME=VALUE; null for this process's own.</summary>
    public IReadOnlyList<string>? Environment { get; init; }

    /// <summary>The working directory; null for this process's own.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>Bytes of RAM of the machine: a multiple of 2 MiB. Private memory and page tables take from it, pages of files do not.</summary>
    public long Ram { get; init; } = 4L << 30;

    /// <summary>At which levels page tables are shared.</summary>
    public SharingLevels Sharing { get; init; } = SharingLevels.All;

    /// <summary>What the program's descriptors 0, 1 and 2 are; null, or a null among them, for this process's own.</summary>
    public IReadOnlyList<SafeFileHandle?>? StandardStreams { get; init; }

    /// <summary>Where each system call is written to; null for none.</summary>
    public TextWriter? Trace { get; init; }

    /// <summary>Where pando reports what it has to say about programs, such as one that was killed for want of memory.</summary>
    public TextWriter Messages { get; init; } = TextWriter.Null;

    /// <summary>Kills the program, and all that it has started, when it is called off.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>Called when all processes have ended, before the machine does: what it looks like then.</summary>
    public Action<Machine>? AtEnd { get; init; }
}
