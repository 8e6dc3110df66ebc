namespace Pando.Tests.Model;

/// <summary>The model keeps sixteen bytes of each page, those at multiples of a sixteenth of it.</summary>
/// <param name="Size">Bytes in a page.</param>
/// <param name="InBlock">Pages that a file is given at once where they are free.</param>
internal readonly record struct ModelPage(long Size, long InBlock)
{
    public const int Places = 16;

    public int PlaceSize => (int)Size / Places;

    public ulong StartOf(ulong address) => address & ~(ulong)(Size - 1);

    public long OffsetIn(ulong address) => (long)(address & (ulong)(Size - 1));

    public int PlaceOf(ulong address) => (int)OffsetIn(address) / PlaceSize;
}
