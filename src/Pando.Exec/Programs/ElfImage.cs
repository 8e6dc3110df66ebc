using System.Buffers.Binary;
using Pando.Exec.Native;
using Pando.Hardware;

namespace Pando.Exec.Programs;

/// <summary>
/// What the headers of an ELF file say (elf(5)), read as hostile: whatever is wrong with them is answered with the error that
/// execve(2) has for it.
/// </summary>
internal sealed class ElfImage
{
    // e_type, e_machine, p_type, p_flags: linux/elf.h.
    private const int TypeExecutable = 2;
    private const int TypeDynamic = 3;
    private const int MachineX64 = 62;
    private const uint Load = 1;
    private const uint Interpreter = 3;
    private const uint ProgramHeaders = 6;
    private const uint GnuStack = 0x6474_e551;
    private const int HeaderLength = 64;
    private const int ProgramHeaderLength = 56;

    // As many as the kernel takes (fs/binfmt_elf.c, load_elf_phdrs: no more than ELF_MIN_ALIGN bytes, here 64 KiB).
    private const int MostProgramHeaders = 65536 / ProgramHeaderLength;
    private const ulong Page = 4096;

    private ElfImage()
    {
    }

    /// <summary>Whether it may be loaded anywhere (ET_DYN).</summary>
    internal bool IsMovable { get; private init; }

    /// <summary>The address of the first instruction, before it is moved.</summary>
    internal ulong Entry { get; private init; }

    /// <summary>The loaded parts, by address.</summary>
    internal IReadOnlyList<ElfSegment> Segments { get; private init; } = [];

    /// <summary>The interpreter's path without its zero byte; null for a static program.</summary>
    internal byte[]? InterpreterPath { get; private set; }

    /// <summary>Whether the stack is to be executable.</summary>
    internal bool HasExecutableStack { get; private init; }

    /// <summary>The address of the program headers in memory, before it is moved; 0 where they are not loaded.</summary>
    internal ulong HeadersAddress { get; private init; }

    /// <summary>How many there are.</summary>
    internal int HeaderCount { get; private init; }

    /// <summary>The lowest address, at a page's start.</summary>
    internal ulong Start => Segments[0].Address & ~(Page - 1);

    /// <summary>The first address past the last part.</summary>
    internal ulong End => Segments.Max(static segment => segment.End);

    /// <summary>The largest alignment that a part asks for.</summary>
    internal ulong Alignment { get; private init; }

    /// <summary>Reads the headers.</summary>
    /// <param name="read">Reads bytes of the file at an offset; gives how many there were, or a negative error.</param>
    /// <param name="end">The first address that programs may not have.</param>
    /// <param name="error">Why there is none: ENOEXEC for what is no program of this machine, EINVAL, ELIBBAD, ENOMEM, EIO.</param>
    internal static ElfImage? Read(Reader read, ulong end, out long error)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        error = -Error.ENOEXEC;
        int count = read(0, header);
        if (count < HeaderLength
            || !header.StartsWith("\u007fELF\u0002\u0001"u8)
            || BinaryPrimitives.ReadUInt16LittleEndian(header[18..]) != MachineX64)
        {
            return null;
        }

        int type = BinaryPrimitives.ReadUInt16LittleEndian(header[16..]);
        ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]);
        ulong headersAt = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        int headerCount = BinaryPrimitives.ReadUInt16LittleEndian(header[56..]);
        if (type is not (TypeExecutable or TypeDynamic)
            || BinaryPrimitives.ReadUInt16LittleEndian(header[54..]) != ProgramHeaderLength
            || headerCount is 0 or > MostProgramHeaders
            || headersAt > long.MaxValue - 65536)
        {
            return null;
        }

        var headers = new byte[headerCount * ProgramHeaderLength];
        if (read((long)headersAt, headers) != headers.Length)
        {
            return null;
        }

        return FromHeaders(read, type == TypeDynamic, entry, headersAt, headers, end, out error);
    }

    private static ElfImage? FromHeaders(Reader read, bool movable, ulong entry, ulong headersAt, byte[] headers, ulong end, out long error)
    {
        var segments = new List<ElfSegment>();
        (ulong Offset, ulong Length)? interpreter = null;
        ulong headersAddress = 0;
        ulong alignment = Page;
        bool executableStack = false;
        error = -Error.EINVAL;
        for (int at = 0; at < headers.Length; at += ProgramHeaderLength)
        {
            var header = headers.AsSpan(at, ProgramHeaderLength);
            uint flags = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
            ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(header[16..]);
            ulong fileLength = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
            ulong memoryLength = BinaryPrimitives.ReadUInt64LittleEndian(header[40..]);
            ulong align = BinaryPrimitives.ReadUInt64LittleEndian(header[48..]);
            switch (BinaryPrimitives.ReadUInt32LittleEndian(header))
            {
                case Load when memoryLength > 0:
                    // Below: no sum of these overflows.
                    if (memoryLength > end || address > end - memoryLength || fileLength > memoryLength || offset > long.MaxValue / 4
                        || (address ^ offset) % Page != 0)
                    {
                        error = memoryLength > end || address > end - Math.Min(memoryLength, end) ? -Error.ENOMEM : -Error.EINVAL;
                        return null;
                    }

                    segments.Add(new ElfSegment(address, (long)offset, fileLength, memoryLength, RightsOf(flags)));
                    alignment = align > alignment && ulong.IsPow2(align) && align <= 1UL << 30 ? align : alignment;
                    if (headersAt >= offset && headersAt - offset < fileLength)
                    {
                        headersAddress = address + (headersAt - offset);
                    }

                    break;
                case Interpreter when interpreter is null:
                    interpreter = (offset, fileLength);
                    break;
                case ProgramHeaders:
                    headersAddress = address;
                    break;
                case GnuStack:
                    executableStack = (flags & 1) != 0;
                    break;
            }
        }

        if (segments.Count == 0)
        {
            error = -Error.ENOEXEC;
            return null;
        }

        for (int i = 1; i < segments.Count; i++)
        {
            if (segments[i].Address < segments[i - 1].Address)
            {
                return null;
            }
        }

        var image = new ElfImage
        {
            IsMovable = movable,
            Entry = entry,
            Segments = segments,
            HasExecutableStack = executableStack,
            HeadersAddress = headersAddress,
            HeaderCount = headers.Length / ProgramHeaderLength,
            Alignment = alignment,
        };
        error = 0;
        if (interpreter is { } place)
        {
            image.InterpreterPath = ReadInterpreter(read, place.Offset, place.Length, out error);
            return error == 0 ? image : null;
        }

        return image;
    }

    private static byte[]? ReadInterpreter(Reader read, ulong offset, ulong length, out long error)
    {
        // fs/binfmt_elf.c: from 2 to PATH_MAX bytes, the last of them zero.
        error = -Error.ENOEXEC;
        if (length is < 2 or > 4096 || offset > long.MaxValue / 4)
        {
            return null;
        }

        var path = new byte[length];
        int count = read((long)offset, path);
        if (count != path.Length)
        {
            error = count < 0 ? count : -Error.EIO;
            return null;
        }

        if (path[^1] != 0)
        {
            return null;
        }

        error = 0;
        return path[..path.AsSpan().IndexOf((byte)0)];
    }

    private static Rights RightsOf(uint flags) =>
        ((flags & 4) != 0 ? Rights.Read : 0) | ((flags & 2) != 0 ? Rights.Write : 0) | ((flags & 1) != 0 ? Rights.Execute : 0);

    /// <summary>Reads bytes of a file at an offset.</summary>
    internal delegate int Reader(long offset, Span<byte> bytes);
}
