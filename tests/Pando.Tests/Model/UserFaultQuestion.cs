using Pando.Spaces;

namespace Pando.Tests.Model;

/// <summary>What a user-fault handler was asked for: the page, why, and whether by a store.</summary>
internal readonly record struct UserFaultQuestion(ulong Address, UserFaultKind Kind, bool Stores)
{
    public override string ToString() => $"0x{Address:x} {Kind} by a {(Stores ? "store" : "load")}";
}
