namespace Pando.Hardware;

/// <summary>
/// The protection-key rights of user pages: the PKRU register (Intel SDM vol. 3A, 4.6.2). Bit 2i (AD) takes away
/// every data access to pages with key i, bit 2i+1 (WD) stores. Fetches of instructions are not concerned.
/// </summary>
/// <param name="Value">The register; 0 takes nothing away.</param>
public readonly record struct ProtectionKeyRights(uint Value)
{
    /// <summary>What a program begins with on Linux: key 0 alone takes nothing away (arch/x86/mm/pkeys.c, init_pkru_value).</summary>
    public static ProtectionKeyRights Initial => new(0x5555_5554);

    /// <summary>The same, with other rights for one key.</summary>
    /// <param name="key">The key, 0 to 15.</param>
    /// <param name="rights">Read and write, read, or nothing.</param>
    /// <exception cref="ArgumentOutOfRangeException">The key or the rights are none.</exception>
    public ProtectionKeyRights With(int key, Rights rights)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(key);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key, 15);
        if ((rights & ~Rights.All) != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(rights), rights, "Rights are read, write and execute.");
        }

        uint denied = ((rights & Rights.Read) == 0 ? 1u : 0) | ((rights & Rights.Write) == 0 ? 2u : 0);
        return new ProtectionKeyRights((Value & ~(3u << (2 * key))) | (denied << (2 * key)));
    }

    /// <summary>Whether an access to a user page with that key (0 to 15; of others the lowest four bits) is denied.</summary>
    public bool Denies(int key, AccessKind access) =>
        access != AccessKind.Execute && (Value >> (2 * key) & (access == AccessKind.Write ? 3u : 1u)) != 0;
}
