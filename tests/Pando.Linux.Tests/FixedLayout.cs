using System.Runtime.InteropServices;

namespace Pando.Linux.Tests;

/// <summary>
/// Programs that are started while this lives, and their children, get one layout at every start: what two starts differ in is then what the
/// test changed, and not where chance put a library across the border of a table. Of one thread; ended by the thread that began it.
/// </summary>
internal readonly ref partial struct FixedLayout
{
    private const uint Unchanged = uint.MaxValue;
    private const int WithoutRandomization = 0x0040000; // ADDR_NO_RANDOMIZE

    private readonly int _before;

    private FixedLayout(int before) => _before = before;

    /// <summary>Begins; where the kernel or a sandbox refuses, layouts are as they come.</summary>
    public static FixedLayout Begin()
    {
        var before = Personality(Unchanged);
        _ = before < 0 ? before : Personality((uint)(before | WithoutRandomization));
        return new FixedLayout(before);
    }

    public void Dispose() => _ = _before < 0 ? 0 : Personality((uint)_before);

    [LibraryImport("libc", EntryPoint = "personality")]
    private static partial int Personality(nuint persona);
}
