using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Pando.Linux.Native;

/// <summary>
/// The names in a directory, and nothing else: .NET's own enumeration asks where each symbolic link leads, which may be a file system that hangs.
/// </summary>
internal static unsafe class DirectoryNames
{
    private const int BufferSize = 32 << 10;

    // struct linux_dirent64: inode and offset of 8 bytes each, the record's length of 2, its type of 1, and the name up to a zero.
    private const int LengthAt = 16;
    private const int NameAt = 19;

    private static nint ReadCall => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 217 : 61; // getdents64

    /// <summary>At most so many names; none where the directory may not be read.</summary>
    public static IReadOnlyList<string> Read(string path, int most)
    {
        var names = new List<string>();
        var directory = LibC.Open(path, LibC.ReadOnly | LibC.CloseOnExec | LibC.NoWaiting);
        if (directory < 0)
        {
            return names;
        }

        var buffer = GC.AllocateUninitializedArray<byte>(BufferSize);
        try
        {
            fixed (byte* bytes = buffer)
            {
                for (var read = LibC.SystemCall(ReadCall, directory, (nint)bytes, BufferSize, 0, 0); read > 0 && names.Count < most; read = LibC.SystemCall(ReadCall, directory, (nint)bytes, BufferSize, 0, 0))
                {
                    for (var rest = buffer.AsSpan(0, (int)read); rest.Length > NameAt && names.Count < most; rest = rest[BinaryPrimitives.ReadUInt16LittleEndian(rest[LengthAt..])..])
                    {
                        var name = rest[NameAt..BinaryPrimitives.ReadUInt16LittleEndian(rest[LengthAt..])];
                        name = name[..Math.Max(0, name.IndexOf((byte)0))];
                        if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                        {
                            names.Add(Encoding.UTF8.GetString(name));
                        }
                    }
                }
            }
        }
        finally
        {
            _ = LibC.Close(directory);
        }

        return names;
    }
}
