namespace Pando.Exec.Memory;

/// <summary>Pages as programs for x86-64 know them, and the host's.</summary>
internal static class UserPage
{
    /// <summary>Bytes.</summary>
    internal const int Size = 4096;
}
