using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>UFFDIO_REGISTER.</summary>
internal sealed record RegisterAt(int Space, ulong Address, long Length, UserFaultModes Modes) : Operation
{
    public override string ToCode() => $"new RegisterAt({Space}, {Hex(Address)}, 0x{Length:x}, (UserFaultModes){(int)Modes})";
}

/// <summary>UFFDIO_UNREGISTER.</summary>
internal sealed record UnregisterAt(int Space, ulong Address, long Length) : Operation
{
    public override string ToCode() => $"new UnregisterAt({Space}, {Hex(Address)}, 0x{Length:x})";
}

/// <summary>UFFDIO_COPY of bytes of one value; UFFDIO_ZEROPAGE where the value is 0 and nothing is protected.</summary>
internal sealed record ProvideAt(int Space, ulong Address, long Length, byte Value, bool Protects) : Operation
{
    public override string ToCode() => $"new ProvideAt({Space}, {Hex(Address)}, 0x{Length:x}, {Value}, {(Protects ? "true" : "false")})";
}

/// <summary>UFFDIO_CONTINUE.</summary>
internal sealed record ContinueAt(int Space, ulong Address, long Length, bool Protects) : Operation
{
    public override string ToCode() => $"new ContinueAt({Space}, {Hex(Address)}, 0x{Length:x}, {(Protects ? "true" : "false")})";
}

/// <summary>UFFDIO_WRITEPROTECT, which protects or stops it.</summary>
internal sealed record WriteProtectAt(int Space, ulong Address, long Length, bool Protects) : Operation
{
    public override string ToCode() => $"new WriteProtectAt({Space}, {Hex(Address)}, 0x{Length:x}, {(Protects ? "true" : "false")})";
}
