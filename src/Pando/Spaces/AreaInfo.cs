using Pando.Files;
using Pando.Hardware;

namespace Pando.Spaces;

/// <summary>One area of an address space, as a line of /proc/PID/maps tells it.</summary>
/// <param name="Range">The addresses.</param>
/// <param name="Rights">What was asked for.</param>
/// <param name="Shared">MAP_SHARED rather than MAP_PRIVATE.</param>
/// <param name="File">The file; null for anonymous memory.</param>
/// <param name="Offset">Where in the file it begins.</param>
public readonly record struct AreaInfo(AddressRange Range, Rights Rights, bool Shared, MappedFile? File, long Offset);
