using Pando.Hardware;

namespace Pando.Tests.Shared;

/// <summary>The numbers of x86-64's tables, for tests and benchmarks of machines with that format. (The same with 4 levels and with 5.)</summary>
internal static class X64
{
    public const int PageShift = 12;
    public const int PageSize = 1 << PageShift;
    public const int Entries = 512;

    // The numbers of all levels, the fifth included.
    private static readonly TableGeometry s_geometry = X64Format.FiveLevels.Geometry;

    public static TableGeometry Geometry => s_geometry;

    public static long EntrySpan(int level) => s_geometry.EntrySpan(level);

    public static long TableSpan(int level) => s_geometry.TableSpan(level);

    public static int Index(ulong address, int level) => s_geometry.Index(address, level);

    public static AddressRange SpanOf(VirtualAddress address, int level) => s_geometry.SpanOf(address, level);

    public static int OffsetInPage(VirtualAddress address) => s_geometry.OffsetInPage(address.Value);

    public static VirtualAddress PageStart(VirtualAddress address) => s_geometry.PageStart(address);
}
