using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>mseal.</summary>
internal sealed record SealAt(int Space, ulong Address, long Length) : Operation
{
    public override string ToCode() => $"new SealAt({Space}, {Hex(Address)}, 0x{Length:x})";
}

/// <summary>mincore.</summary>
internal sealed record ResidentAt(int Space, ulong Address, long Length) : Operation
{
    public override string ToCode() => $"new ResidentAt({Space}, {Hex(Address)}, 0x{Length:x})";
}

/// <summary>msync, with or without MS_INVALIDATE.</summary>
internal sealed record SyncAt(int Space, ulong Address, long Length, bool Invalidate) : Operation
{
    public override string ToCode() => $"new SyncAt({Space}, {Hex(Address)}, 0x{Length:x}, {(Invalidate ? "true" : "false")})";
}

/// <summary>mlockall; munlockall where neither is asked for.</summary>
internal sealed record LockAllOf(int Space, bool Current, bool Future, bool OnFault) : Operation
{
    public override string ToCode() =>
        $"new LockAllOf({Space}, {(Current ? "true" : "false")}, {(Future ? "true" : "false")}, {(OnFault ? "true" : "false")})";
}
