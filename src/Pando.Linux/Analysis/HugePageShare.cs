using System.Globalization;
using Pando.Linux.Text;

namespace Pando.Linux.Analysis;

/// <summary>
/// What one service is to get of a pool of huge pages.
/// </summary>
/// <param name="Size">Size of the pages in bytes.</param>
/// <param name="Pages">How many the service needs.</param>
/// <param name="Total">What the pool must hold for it, for whoever has pages now, and for the services advised before.</param>
/// <param name="Present">What the pool holds for good now.</param>
/// <param name="IsDefault">True if this is the size that the kernel takes where none is named.</param>
internal sealed record HugePageShare(ulong Size, long Pages, long Total, long Present, bool IsDefault)
{
    /// <summary>Bytes of its pages.</summary>
    public long Bytes => Pages * (long)Size;

    /// <summary>Commands that bring the pool to its size, the check, and what to do when the kernel gave fewer.</summary>
    public IEnumerable<string> Lines()
    {
        string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
        var file = HugePages.PoolFile(Size);
        if (Total <= Present)
        {
            yield return Text($"# the pool has enough: {Present} pages of {ByteText.Size((long)Size)}, {Pages} of them for this; check that as many are free: cat {HugePages.PoolFile(Size, "free_hugepages")}");
            yield break;
        }

        yield return Text($"echo {Total} > {file}   # {Pages} for {ByteText.Size(Bytes)}{(Total > Pages ? "; the rest is in use, reserved, or for what is advised above" : "")}");
        yield return IsDefault
            ? Text($"grep HugePages_Total /proc/meminfo   # must say {Total}, and so must: cat {file}")
            : Text($"cat {file}   # must say {Total}; HugePages_Total of /proc/meminfo is of another size");
        yield return Text($"# if it says less, free memory lies in pieces: echo 1 > /proc/sys/vm/compact_memory, and again; or reserve at boot: hugepagesz={HugePages.Short(Size)} hugepages={Total}; or give up: echo {Present} > {file}");
        yield return Text($"echo 'w {file} - - - - {Total}' > /etc/tmpfiles.d/hugepages.conf   # for every boot");
    }
}
