namespace Pando.Folders.Tests;

/// <summary>
/// The one place that says which folder may use which: of each project the folders from the lowest up. A folder uses those before it and itself,
/// never one that comes after it. Files that stand in no folder are the lowest of all.
/// </summary>
internal static class Layering
{
    /// <summary>src/Pando: the library. (Folders that are yet to come have their place already.)</summary>
    public static Layers Library { get; } = new("Pando", "Pando.Core",
        ["", "Costs", "Concurrency", "Intervals", "Hardware", "Formats", "Tables", "Files", "Spaces", "Processors", "Machines", "Platforms", "Census"]);

    /// <summary>src/Pando.Kvm: a machine whose processors are real.</summary>
    public static Layers Kvm { get; } = new("Pando.Kvm", "Pando.Kvm",
        ["Native", "Programs", "Physical", "Processor", "Guests", "Engine", "Tasks"]);

    /// <summary>src/Pando.FileSystems: XFS and ext4 read from an image.</summary>
    public static Layers FileSystems { get; } = new("Pando.FileSystems", "Pando.FileSystems",
        ["", "Native", "Images", "Nodes", "Xfs", "Ext4", "Volumes"]);

    /// <summary>src/Pando.Linux: a live Linux.</summary>
    public static Layers Linux { get; } = new("Pando.Linux", "Pando.Linux",
        ["Text", "Snapshot", "Native", "Report", "Analysis", "Proc"]);

    /// <summary>src/Pando.Exec: Linux programs as processes.</summary>
    public static Layers Exec { get; } = new("Pando.Exec", "Pando.Exec",
        ["", "Native", "Files", "Memory", "Programs", "Signals", "Tasks", "Calls", "Running"]);

    /// <summary>The assemblies of this solution that one may use: the library, and below programs the real processors.</summary>
    public static IReadOnlyList<string> Below(string assembly) =>
        assembly == Library.Assembly ? [] : assembly == Exec.Assembly ? [Library.Assembly, Kvm.Assembly] : [Library.Assembly];

    public static IReadOnlyList<Layers> All => [Library, Kvm, FileSystems, Linux, Exec];
}
