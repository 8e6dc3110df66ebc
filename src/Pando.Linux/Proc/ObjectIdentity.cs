namespace Pando.Linux.Proc;

/// <summary>
/// What makes two mappings show one object. Device and inode do where the file system numbers its files once for the whole
/// machine; elsewhere <c>More</c> tells them apart: a handle, a namespace, the name of a mapping without a file. A file
/// that several file systems show (overlay) has its handle alone, and a device node the device's number.
/// </summary>
internal readonly record struct ObjectIdentity(uint Device, ulong Inode, string More)
{
    /// <summary>Private memory.</summary>
    public static ObjectIdentity Anonymous { get; } = new(0, 0, "");

    /// <summary>A mapping without a file, by its name in maps.</summary>
    public static ObjectIdentity Named(string name) => new(0, 0, "name " + name);

    /// <summary>A file of a stacked file system, by its handle, which is that of the file below, and its time of change: the handle stays when
    /// the file is copied up.</summary>
    public static ObjectIdentity Below(string handle, long changedAt) => new(0, 0, $"file {handle} {changedAt}");

    /// <summary>One of several memories that share other marks, told apart by their frames.</summary>
    public static ObjectIdentity OfFrames(string group, int number) => new(0, 0, $"frames {group} {number}");

    /// <summary>A device, whatever node it was opened through.</summary>
    public static ObjectIdentity Node(bool isBlock, uint device) => new(0, 0, $"{(isBlock ? "block" : "character")} {device}");
}
