using Pando.Hardware;
using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>mprotect.</summary>
internal sealed record ProtectAt(int Space, ulong Address, long Length, Rights Rights) : Operation
{
    public override string ToCode() => $"new ProtectAt({Space}, {Hex(Address)}, 0x{Length:x}, {Name(Rights)})";
}

/// <summary>pkey_mprotect.</summary>
internal sealed record ProtectKeyAt(int Space, ulong Address, long Length, Rights Rights, int Key) : Operation
{
    public override string ToCode() => $"new ProtectKeyAt({Space}, {Hex(Address)}, 0x{Length:x}, {Name(Rights)}, {Key})";
}

/// <summary>pkey_alloc, and what the thread may do with the key.</summary>
internal sealed record TakeKey(int Space, Rights Rights) : Operation
{
    public override string ToCode() => $"new TakeKey({Space}, {Name(Rights)})";
}

/// <summary>pkey_free.</summary>
internal sealed record GiveKey(int Space, int Key) : Operation
{
    public override string ToCode() => $"new GiveKey({Space}, {Key})";
}

/// <summary>mremap.</summary>
internal sealed record RemapAt(int Space, ulong Address, long OldLength, long NewLength, RemapFlags Flags, ulong NewAddress) : Operation
{
    public override string ToCode() =>
        $"new RemapAt({Space}, {Hex(Address)}, 0x{OldLength:x}, 0x{NewLength:x}, (RemapFlags){(int)Flags}, {Hex(NewAddress)})";
}

/// <summary>madvise.</summary>
internal sealed record AdviseAt(int Space, ulong Address, long Length, Advice Advice) : Operation
{
    public override string ToCode() => $"new AdviseAt({Space}, {Hex(Address)}, 0x{Length:x}, Advice.{Advice})";
}

/// <summary>mlock, mlock2, munlock.</summary>
internal sealed record LockAt(int Space, ulong Address, long Length, bool Locked, bool OnFault) : Operation
{
    public override string ToCode() =>
        $"new LockAt({Space}, {Hex(Address)}, 0x{Length:x}, {(Locked ? "true" : "false")}, {(OnFault ? "true" : "false")})";
}

/// <summary>What execve does to the old program's memory.</summary>
internal sealed record ClearAll(int Space) : Operation
{
    public override string ToCode() => $"new ClearAll({Space})";
}

/// <summary>ftruncate.</summary>
internal sealed record Resize(int File, long Size) : Operation
{
    public override string ToCode() => $"new Resize({File}, 0x{Size:x})";
}

/// <summary>fallocate with FALLOC_FL_PUNCH_HOLE.</summary>
internal sealed record Punch(int File, long Offset, long Length) : Operation
{
    public override string ToCode() => $"new Punch({File}, 0x{Offset:x}, 0x{Length:x})";
}

/// <summary>fallocate with FALLOC_FL_COLLAPSE_RANGE or FALLOC_FL_INSERT_RANGE.</summary>
internal sealed record Shift(int File, long Offset, long Length, bool Inserts) : Operation
{
    public override string ToCode() => $"new Shift({File}, 0x{Offset:x}, 0x{Length:x}, {(Inserts ? "true" : "false")})";
}

/// <summary>ioctl FICLONERANGE.</summary>
internal sealed record Clone(int Source, long SourceOffset, int File, long Offset, long Length) : Operation
{
    public override string ToCode() => $"new Clone({Source}, 0x{SourceOffset:x}, {File}, 0x{Offset:x}, 0x{Length:x})";
}

/// <summary>fsync of a range.</summary>
internal sealed record SyncFile(int File, long Offset, long Length) : Operation
{
    public override string ToCode() => $"new SyncFile({File}, 0x{Offset:x}, 0x{Length:x})";
}

/// <summary>Moves what lies on a range of the large device elsewhere.</summary>
internal sealed record MigrateAt(long DeviceOffset, long Length) : Operation
{
    public override string ToCode() => $"new MigrateAt(0x{DeviceOffset:x}, 0x{Length:x})";
}
