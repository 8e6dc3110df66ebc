using Pando.Files;
using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>One area of an address space, as a line of /proc/PID/maps tells it.</summary>
/// <param name="Range">The addresses.</param>
/// <param name="Rights">What was asked for.</param>
/// <param name="Flags">MAP_SHARED and all else that is known of it.</param>
/// <param name="File">The file; null for anonymous memory.</param>
/// <param name="Offset">Where in the file it begins.</param>
/// <param name="ProtectionKey">The protection key of its pages.</param>
public readonly record struct AreaInfo(AddressRange Range, Rights Rights, AreaFlags Flags, MappedFile? File, long Offset, int ProtectionKey = 0)
{
    /// <summary>MAP_SHARED rather than MAP_PRIVATE.</summary>
    public bool Shared => (Flags & AreaFlags.Shared) != 0;
}
