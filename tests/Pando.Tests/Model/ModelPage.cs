namespace Pando.Tests.Model;

/// <summary>The model keeps sixteen bytes of each page, those at multiples of 256.</summary>
internal static class ModelPage
{
    public const long Size = 4096;
    public const int Places = 16;
    public const int PlaceSize = (int)Size / Places;

    public static int PlaceOf(ulong address) => (int)(address & (Size - 1)) / PlaceSize;
}
