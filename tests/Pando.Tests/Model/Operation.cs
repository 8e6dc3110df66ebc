using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>
/// One step of a run. Spaces and files are numbers of places in the run's world; a step that has no sense there (a
/// place that is empty, a file that is closed) does nothing, so that any part of a run is a run.
/// </summary>
internal abstract record Operation
{
    /// <summary>The operation as C# that makes it.</summary>
    public abstract string ToCode();

    public sealed override string ToString() => ToCode();

    private protected static string Hex(ulong value) => $"0x{value:x}";

    private protected static string Name(Rights rights) => rights is Rights.None or Rights.Read or Rights.ReadWrite or Rights.All
        ? $"Rights.{rights}"
        : string.Join(" | ", rights.ToString().Split(", ").Select(right => $"Rights.{right}"));
}

/// <summary>Makes an empty space.</summary>
internal sealed record Create(int Space) : Operation
{
    public override string ToCode() => $"new Create({Space})";
}

/// <summary>mmap. File -1 is anonymous memory.</summary>
internal sealed record MapAt(
    int Space, int File, long Offset, long Length, Rights Rights, bool Shared, MapPlacement Placement, ulong Address, PopulateKind Populate) : Operation
{
    public override string ToCode() =>
        $"new MapAt({Space}, {File}, 0x{Offset:x}, 0x{Length:x}, {Name(Rights)}, {(Shared ? "true" : "false")}, MapPlacement.{Placement}, {Hex(Address)}, PopulateKind.{Populate})";
}

/// <summary>munmap.</summary>
internal sealed record UnmapAt(int Space, ulong Address, long Length) : Operation
{
    public override string ToCode() => $"new UnmapAt({Space}, {Hex(Address)}, 0x{Length:x})";
}

/// <summary>fork.</summary>
internal sealed record ForkTo(int Space, int Child) : Operation
{
    public override string ToCode() => $"new ForkTo({Space}, {Child})";
}

/// <summary>exit.</summary>
internal sealed record ExitFrom(int Space) : Operation
{
    public override string ToCode() => $"new ExitFrom({Space})";
}

/// <summary>A load, a store of a value, or a fetch.</summary>
internal sealed record TouchAt(int Space, ulong Address, AccessKind Access, byte Value) : Operation
{
    public override string ToCode() => $"new TouchAt({Space}, {Hex(Address)}, AccessKind.{Access}, {Value})";
}

/// <summary>Faults a range in.</summary>
internal sealed record PopulateAt(int Space, ulong Address, long Length, AccessKind Access) : Operation
{
    public override string ToCode() => $"new PopulateAt({Space}, {Hex(Address)}, 0x{Length:x}, AccessKind.{Access})";
}

/// <summary>Closes a file; mappings of it stay.</summary>
internal sealed record Close(int File) : Operation
{
    public override string ToCode() => $"new Close({File})";
}

/// <summary>Gives back what nobody uses.</summary>
internal sealed record ReclaimAll : Operation
{
    public override string ToCode() => "new ReclaimAll()";
}
