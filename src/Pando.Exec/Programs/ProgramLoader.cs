using System.Runtime.InteropServices;
using System.Text;
using Pando.Exec.Memory;
using Pando.Exec.Native;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Exec.Programs;

/// <summary>Loads programs as execve(2) does: ELF files, static or with an interpreter, and scripts. Thread-safe.</summary>
/// <param name="machine">The machine.</param>
/// <param name="files">The host's files.</param>
/// <param name="memory">Copies to programs.</param>
internal sealed partial class ProgramLoader(Machine machine, HostFiles files, UserMemory memory)
{
    /// <summary>The most bytes of arguments and environment (a quarter of the stack's limit of 8 MiB, as on Linux).</summary>
    internal const int MostArgumentBytes = StackLength / 4;

    /// <summary>The most bytes of one of them (MAX_ARG_STRLEN).</summary>
    internal const int MostArgument = 128 << 10;

    private const int StackLength = 8 << 20;
    private const int MostScripts = 5;
    private const int ScriptHeader = 256;
    private const long Page = UserPage.Size;

    // Where Linux puts position-independent programs, without randomization (arch/x86/include/asm/elf.h, ELF_ET_DYN_BASE).
    private const ulong ProgramBase = 0x5555_5555_4000;

    /// <summary>Loads a program into a new space.</summary>
    /// <param name="descriptor">A descriptor of the host's for the file; it stays the caller's.</param>
    /// <param name="path">How the caller names the file, with its zero byte: for AT_EXECFN, and a script's interpreter is given it.</param>
    /// <param name="arguments">Each with its zero byte.</param>
    /// <param name="environment">Each with its zero byte.</param>
    /// <param name="openAbsolute">Opens another file by its path, with a zero byte, for executing; or gives a negative error.</param>
    /// <param name="error">Why it was not loaded.</param>
    internal StartedProgram? Load(
        int descriptor, byte[] path, IReadOnlyList<byte[]> arguments, IReadOnlyList<byte[]> environment, Func<byte[], long> openAbsolute, out long error)
    {
        var opened = new List<int>();
        try
        {
            byte[] name = path;
            for (int scripts = 0; ; scripts++)
            {
                int current = descriptor;
                var script = ReadScript(current, out error);
                if (error < 0)
                {
                    return null;
                }

                if (script is null)
                {
                    return LoadElf(current, name, path, arguments, environment, openAbsolute, out error);
                }

                if (scripts == MostScripts)
                {
                    error = -Error.ELOOP;
                    return null;
                }

                // The interpreter, its argument if any, the script's path, and the arguments but the first.
                arguments = [.. script, name, .. arguments.Skip(1)];
                name = script[0];
                long next = openAbsolute(name);
                if (next < 0)
                {
                    error = next;
                    return null;
                }

                descriptor = (int)next;
                opened.Add(descriptor);
            }
        }
        finally
        {
            foreach (int one in opened)
            {
                Host.Close(one);
            }
        }
    }

    /// <summary>The words of a script's first line behind "#!" (fs/binfmt_script.c); null where the file is no script.</summary>
    private static List<byte[]>? ReadScript(int descriptor, out long error)
    {
        Span<byte> header = stackalloc byte[ScriptHeader];
        int count = ReadAt(descriptor, 0, header);
        error = Math.Min(count, 0);
        if (count < 2 || header[0] != '#' || header[1] != '!')
        {
            return null;
        }

        var line = header[2..count];
        int end = line.IndexOf((byte)'\n');
        if (end < 0 && count == ScriptHeader && line.TrimStart(" \t"u8).IndexOfAny((byte)' ', (byte)'\t') < 0)
        {
            // The interpreter's name is cut.
            error = -Error.ENOEXEC;
            return null;
        }

        line = (end < 0 ? line : line[..end]).Trim(" \t"u8);
        if (line.IsEmpty)
        {
            error = -Error.ENOEXEC;
            return null;
        }

        int space = line.IndexOfAny((byte)' ', (byte)'\t');
        return space < 0
            ? [[.. line, 0]]
            : [[.. line[..space], 0], [.. line[space..].Trim(" \t"u8), 0]];
    }

    private StartedProgram? LoadElf(
        int descriptor, byte[] name, byte[] path, IReadOnlyList<byte[]> arguments, IReadOnlyList<byte[]> environment, Func<byte[], long> openAbsolute, out long error)
    {
        var stack = new InitialStack();
        foreach (byte[] argument in arguments)
        {
            stack.AddArgument(argument);
        }

        foreach (byte[] variable in environment)
        {
            stack.AddVariable(variable);
        }

        if (stack.TextLength + ((arguments.Count + environment.Count) * 8L) > MostArgumentBytes)
        {
            error = -Error.E2BIG;
            return null;
        }

        AddressSpace space;
        try
        {
            space = machine.CreateSpace();
        }
        catch (InsufficientMemoryException)
        {
            error = -Error.ENOMEM;
            return null;
        }

        var context = new MemoryContext(space)
        {
            Path = Encoding.UTF8.GetString(Host.PathOf(descriptor) ?? name.AsSpan().TrimEnd((byte)0)),
        };
        var program = LoadInto(context, stack, descriptor, name, path, openAbsolute, out error);
        if (program is null)
        {
            context.Release();
        }

        return program;
    }

    private StartedProgram? LoadInto(
        MemoryContext context, InitialStack stack, int descriptor, byte[] name, byte[] path, Func<byte[], long> openAbsolute, out long error)
    {
        var space = context.Space;
        ulong end = space.UserEnd.Value;
        var image = ElfImage.Read((offset, bytes) => ReadAt(descriptor, offset, bytes), end, out error);
        if (image is null)
        {
            return null;
        }

        ulong stackEnd = end - (ulong)Page;
        var stackRights = Rights.ReadWrite | (image.HasExecutableStack ? Rights.Execute : 0);
        var mapped = space.Map(MapRequest.Anonymous(StackLength, stackRights) with
        {
            Address = new VirtualAddress(stackEnd - StackLength),
            Placement = MapPlacement.Fixed,
        });
        error = -(long)mapped.Error;
        if (!mapped.Succeeded || MapImage(space, image, descriptor, context.Path, isProgram: true, out error) is not { } bias)
        {
            return null;
        }

        ulong entry = image.Entry + bias;
        ulong interpreterBase = 0;
        if (image.InterpreterPath is { } interpreterPath)
        {
            if (MapInterpreter(space, interpreterPath, openAbsolute, out error) is not { } interpreter)
            {
                return null;
            }

            (interpreterBase, entry) = interpreter;
        }

        context.BreakStart = context.Break = (image.End + bias + (ulong)Page - 1) & ~(ulong)(Page - 1);
        context.StackEnd = stackEnd;
        AddVector(stack, image, bias, interpreterBase, path);
        byte[] bytes = stack.LayOut(stackEnd, out ulong pointer, out var argumentsAt, out byte[] vector);
        context.Arguments = argumentsAt;
        context.AuxiliaryVector = vector;
        if (!memory.TryWrite(space, pointer, bytes))
        {
            error = -Error.ENOMEM;
            return null;
        }

        error = 0;
        int slash = name.AsSpan().LastIndexOf((byte)'/');
        return new StartedProgram(context, entry, pointer, Encoding.UTF8.GetString(name.AsSpan(slash + 1).TrimEnd((byte)0)));
    }

    private (ulong Base, ulong Entry)? MapInterpreter(AddressSpace space, byte[] path, Func<byte[], long> openAbsolute, out long error)
    {
        long opened = openAbsolute([.. path, 0]);
        if (opened < 0)
        {
            error = opened;
            return null;
        }

        int descriptor = (int)opened;
        try
        {
            var image = ElfImage.Read((offset, bytes) => ReadAt(descriptor, offset, bytes), space.UserEnd.Value, out error);
            if (image is null)
            {
                error = -Error.ELIBBAD;
                return null;
            }

            return MapImage(space, image, descriptor, Encoding.UTF8.GetString(path), isProgram: false, out error) is { } bias
                ? (image.Start + bias, image.Entry + bias)
                : null;
        }
        finally
        {
            Host.Close(descriptor);
        }
    }

    /// <summary>Maps the parts of a file.</summary>
    /// <returns>What is to be added to the file's addresses; null where it failed.</returns>
    private ulong? MapImage(AddressSpace space, ElfImage image, int descriptor, string path, bool isProgram, out long error)
    {
        using var opened = files.Open(descriptor, path, out error);
        if (opened is null)
        {
            return null;
        }

        ulong bias = 0;
        if (image.IsMovable)
        {
            // Room for all parts in one piece, into which they are mapped.
            ulong length = image.End - image.Start;
            ulong extra = isProgram ? 0 : image.Alignment - (ulong)Page;
            var room = space.Map(MapRequest.Anonymous((long)(length + extra), Rights.None) with
            {
                Address = new VirtualAddress(isProgram ? (ProgramBase + image.Alignment - 1) & ~(image.Alignment - 1) : 0),
                Placement = isProgram ? MapPlacement.Fixed : MapPlacement.Anywhere,
            });
            if (!room.Succeeded)
            {
                error = -(long)room.Error;
                return null;
            }

            bias = ((room.Address.Value + image.Alignment - 1) & ~(image.Alignment - 1)) - image.Start;
        }

        foreach (var segment in image.Segments)
        {
            error = MapSegment(space, (HostFile)opened.File, segment, bias);
            if (error < 0)
            {
                return null;
            }
        }

        return bias;
    }

    private long MapSegment(AddressSpace space, HostFile file, in ElfSegment segment, ulong bias)
    {
        ulong start = (segment.Address + bias) & ~(ulong)(Page - 1);
        ulong fileEnd = segment.Address + bias + segment.FileLength;
        ulong memoryEnd = segment.Address + bias + segment.MemoryLength;
        ulong mappedEnd = segment.FileLength == 0 ? start : (fileEnd + (ulong)Page - 1) & ~(ulong)(Page - 1);
        if (mappedEnd > start)
        {
            long offset = segment.Offset & -Page;
            if (!file.TryPrepare(offset, (long)(mappedEnd - start)))
            {
                return -Error.ENOMEM;
            }

            var result = space.Map(new MapRequest((long)(mappedEnd - start), segment.Rights)
            {
                File = file,
                Offset = offset,
                Address = new VirtualAddress(start),
                Placement = MapPlacement.Fixed,
            });
            if (!result.Succeeded)
            {
                return -(long)result.Error;
            }

            // What the file has behind the part's own bytes is not the program's: zero, to the page's end (fs/binfmt_elf.c, padzero).
            if (memoryEnd > fileEnd && mappedEnd > fileEnd && (segment.Rights & Rights.Write) != 0)
            {
                var zeroes = new byte[mappedEnd - fileEnd];
                if (!memory.TryWrite(space, fileEnd, zeroes))
                {
                    return -Error.EFAULT;
                }
            }
        }

        ulong anonymousEnd = (memoryEnd + (ulong)Page - 1) & ~(ulong)(Page - 1);
        if (anonymousEnd > mappedEnd)
        {
            var result = space.Map(MapRequest.Anonymous((long)(anonymousEnd - mappedEnd), segment.Rights) with
            {
                Address = new VirtualAddress(mappedEnd),
                Placement = MapPlacement.Fixed,
            });
            return -(long)result.Error;
        }

        return 0;
    }

    private static void AddVector(InitialStack stack, ElfImage image, ulong bias, ulong interpreterBase, byte[] path)
    {
        stack.Add(InitialStack.Hardware, AuxiliaryValue(InitialStack.Hardware));
        stack.Add(InitialStack.PageSize, (ulong)Page);
        stack.Add(InitialStack.ClockTicks, AuxiliaryValue(InitialStack.ClockTicks));
        stack.Add(InitialStack.ProgramHeadersAt, image.HeadersAddress == 0 ? 0 : image.HeadersAddress + bias);
        stack.Add(InitialStack.ProgramHeaderLength, 56);
        stack.Add(InitialStack.ProgramHeaderCount, (ulong)image.HeaderCount);
        stack.Add(InitialStack.InterpreterBase, interpreterBase);
        stack.Add(InitialStack.Flags, 0);
        stack.Add(InitialStack.Entry, image.Entry + bias);
        stack.Add(InitialStack.UserId, (ulong)Host.Call(CallNumber.Getuid));
        stack.Add(InitialStack.EffectiveUserId, (ulong)Host.Call(CallNumber.Geteuid));
        stack.Add(InitialStack.GroupId, (ulong)Host.Call(CallNumber.Getgid));
        stack.Add(InitialStack.EffectiveGroupId, (ulong)Host.Call(CallNumber.Getegid));
        stack.Add(InitialStack.Secure, 0);
        stack.AddText(InitialStack.Random, InitialStack.SixteenRandomBytes());

        // Without the bit for RDFSBASE and its like (HWCAP2_FSGSBASE), which are off.
        stack.Add(InitialStack.Hardware2, AuxiliaryValue(InitialStack.Hardware2) & ~2UL);
        stack.AddText(InitialStack.ProgramPath, path);
        stack.AddText(InitialStack.Platform, [.. "x86_64\0"u8]);
        stack.Add(InitialStack.LeastSignalStack, AuxiliaryValue(InitialStack.LeastSignalStack));
    }

    private static unsafe int ReadAt(int descriptor, long offset, Span<byte> bytes)
    {
        int count = 0;
        while (count < bytes.Length)
        {
            long result;
            fixed (byte* target = bytes[count..])
            {
                result = Host.Call(CallNumber.Pread64, descriptor, (nint)target, bytes.Length - count, offset + count);
            }

            if (result <= 0)
            {
                return result < 0 ? (int)result : count;
            }

            count += (int)result;
        }

        return count;
    }

    [LibraryImport("libc", EntryPoint = "getauxval")]
    private static partial ulong AuxiliaryValue(ulong key);
}
