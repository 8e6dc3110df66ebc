using System.IO.Compression;

namespace Pando.Tests.Shared;

/// <summary>Images that are kept beside the tests (Images/make-images.sh made them): nothing of the host is needed to read them.</summary>
internal static class SmallImage
{
    public static byte[] Bytes(string name)
    {
        using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Images", name + ".br"));
        using var unpacked = new BrotliStream(file, CompressionMode.Decompress);
        using var bytes = new MemoryStream();
        unpacked.CopyTo(bytes);
        return bytes.ToArray();
    }
}
