using System.Buffers.Binary;
using Pando.Exec.Native;
using Pando.Exec.Programs;

namespace Pando.Exec.Tests;

/// <summary>Headers of strangers: what is wrong with them is an error of execve, never an exception, and no sum overflows.</summary>
public class ElfImageTests
{
    private const ulong UserEnd = 0x7FFF_FFFF_F000;

    [Fact]
    public void A_program_of_this_machine_is_read()
    {
        string path = Requires.Program("sh");
        using var file = File.OpenRead(path);
        var image = ElfImage.Read((offset, bytes) => RandomAccess.Read(file.SafeFileHandle, bytes, offset), UserEnd, out long error);

        Assert.Equal(0, error);
        Assert.NotNull(image);
        Assert.NotEmpty(image.Segments);
        Assert.Contains(image.Segments, segment => image.Entry >= segment.Address && image.Entry < segment.End);
    }

    [Theory]
    [InlineData(0, -Error.ENOEXEC)] // the magic number
    [InlineData(4, -Error.ENOEXEC)] // 64 bits
    [InlineData(18, -Error.ENOEXEC)] // the machine
    [InlineData(16, -Error.ENOEXEC)] // the type
    [InlineData(54, -Error.ENOEXEC)] // the length of a program header
    public void What_is_no_program_of_this_machine_is_refused(int at, long expected)
    {
        byte[] bytes = Small();
        bytes[at] ^= 0x55;
        Assert.Null(ElfImage.Read(Reader(bytes), UserEnd, out long error));
        Assert.Equal(expected, error);
    }

    [Theory]
    [InlineData(ulong.MaxValue, 0x1000UL, -Error.ENOMEM)]
    [InlineData(0x400000UL, ulong.MaxValue, -Error.ENOMEM)]
    [InlineData(0x7FFF_FFFF_E000UL, 0x2000UL, -Error.ENOMEM)]
    [InlineData(0x400001UL, 0x1000UL, -Error.EINVAL)]
    public void A_part_that_does_not_fit_is_refused(ulong address, ulong length, long expected)
    {
        byte[] bytes = Small();
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(64 + 16), address);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(64 + 40), length);
        Assert.Null(ElfImage.Read(Reader(bytes), UserEnd, out long error));
        Assert.Equal(expected, error);
    }

    [Fact]
    public void Whatever_is_changed_the_answer_is_an_image_that_fits_or_an_error()
    {
        var random = new Random(1973);
        int read = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = Small();
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                int at = random.Next(bytes.Length);
                bytes[at] = random.Next(3) switch { 0 => 0xFF, 1 => 0, _ => (byte)random.Next(256) };
            }

            if (random.Next(4) == 0)
            {
                Array.Resize(ref bytes, random.Next(bytes.Length));
            }

            var image = ElfImage.Read(Reader(bytes), UserEnd, out long error);
            if (image is null)
            {
                Assert.InRange(error, -4095, -1);
                continue;
            }

            read++;
            Assert.All(image.Segments, static segment =>
            {
                Assert.True(segment.MemoryLength <= UserEnd && segment.Address <= UserEnd - segment.MemoryLength);
                Assert.True(segment.FileLength <= segment.MemoryLength && segment.Offset >= 0);
                Assert.Equal(0UL, (segment.Address ^ (ulong)segment.Offset) % 4096);
            });
        }

        Assert.InRange(read, 1000, 19_999);
    }

    private static ElfImage.Reader Reader(byte[] bytes) => (offset, target) =>
    {
        if (offset < 0 || offset >= bytes.Length)
        {
            return 0;
        }

        int count = Math.Min(target.Length, bytes.Length - (int)offset);
        bytes.AsSpan((int)offset, count).CopyTo(target);
        return count;
    };

    /// <summary>A header, one part that is loaded, an interpreter, and its path.</summary>
    private static byte[] Small()
    {
        var bytes = new byte[64 + (2 * 56) + 8];
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(16), 2);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(18), 62);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(24), 0x400100);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(32), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(54), 56);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(56), 2);
        var load = bytes.AsSpan(64);
        BinaryPrimitives.WriteUInt32LittleEndian(load, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(load[4..], 5);
        BinaryPrimitives.WriteUInt64LittleEndian(load[16..], 0x400000);
        BinaryPrimitives.WriteUInt64LittleEndian(load[32..], 0x800);
        BinaryPrimitives.WriteUInt64LittleEndian(load[40..], 0x1000);
        BinaryPrimitives.WriteUInt64LittleEndian(load[48..], 0x1000);
        var interpreter = load[56..];
        BinaryPrimitives.WriteUInt32LittleEndian(interpreter, 3);
        BinaryPrimitives.WriteUInt64LittleEndian(interpreter[8..], 64 + (2 * 56));
        BinaryPrimitives.WriteUInt64LittleEndian(interpreter[32..], 8);
        "/lib/ld\0"u8.CopyTo(interpreter[56..]);
        return bytes;
    }
}
