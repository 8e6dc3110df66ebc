using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Pando.Exec.Programs;

/// <summary>What a program finds on its stack: argc, argv, envp, the auxiliary vector, and their text (System V ABI, AMD64, 3.4.1).</summary>
internal sealed class InitialStack
{
    // linux/auxvec.h.
    internal const ulong ProgramHeadersAt = 3;
    internal const ulong ProgramHeaderLength = 4;
    internal const ulong ProgramHeaderCount = 5;
    internal const ulong PageSize = 6;
    internal const ulong InterpreterBase = 7;
    internal const ulong Flags = 8;
    internal const ulong Entry = 9;
    internal const ulong UserId = 11;
    internal const ulong EffectiveUserId = 12;
    internal const ulong GroupId = 13;
    internal const ulong EffectiveGroupId = 14;
    internal const ulong Platform = 15;
    internal const ulong Hardware = 16;
    internal const ulong ClockTicks = 17;
    internal const ulong Secure = 23;
    internal const ulong Random = 25;
    internal const ulong Hardware2 = 26;
    internal const ulong ProgramPath = 31;
    internal const ulong Vdso = 33;
    internal const ulong LeastSignalStack = 51;

    private readonly List<byte> _text = [];
    private readonly List<(ulong Key, ulong Value, int TextAt)> _vector = [];
    private readonly List<int> _arguments = [];
    private readonly List<int> _environment = [];
    private int _argumentsEnd;

    /// <summary>Adds an argument, with its zero byte.</summary>
    internal void AddArgument(byte[] text)
    {
        _arguments.Add(AddText(text));
        _argumentsEnd = _text.Count;
    }

    /// <summary>Adds a variable of the environment, with its zero byte; after all arguments.</summary>
    internal void AddVariable(byte[] text) => _environment.Add(AddText(text));

    /// <summary>Adds a number to the auxiliary vector.</summary>
    internal void Add(ulong key, ulong value) => _vector.Add((key, value, -1));

    /// <summary>Adds the address of some bytes to the auxiliary vector.</summary>
    internal void AddText(ulong key, byte[] text) => _vector.Add((key, 0, AddText(text)));

    /// <summary>Bytes that the text takes.</summary>
    internal int TextLength => _text.Count;

    /// <summary>Lays it out below an address.</summary>
    /// <param name="end">Where the stack ends, above.</param>
    /// <param name="stack">The stack pointer.</param>
    /// <param name="arguments">Where the arguments' text lies.</param>
    /// <param name="auxiliary">The auxiliary vector's bytes.</param>
    /// <returns>The bytes from the stack pointer on.</returns>
    internal byte[] LayOut(ulong end, out ulong stack, out (ulong Start, ulong End) arguments, out byte[] auxiliary)
    {
        // 8 zero bytes stand last, as on Linux.
        ulong text = end - 8 - (ulong)_text.Count;
        int words = 1 + _arguments.Count + 1 + _environment.Count + 1 + (2 * (_vector.Count + 1));
        stack = (text - ((ulong)words * 8)) & ~15UL;
        var bytes = new byte[end - stack];
        _text.CopyTo(bytes, (int)(text - stack));
        int at = 0;
        Put((ulong)_arguments.Count);
        foreach (int argument in _arguments)
        {
            Put(text + (ulong)argument);
        }

        Put(0);
        foreach (int variable in _environment)
        {
            Put(text + (ulong)variable);
        }

        Put(0);
        int vector = at;
        foreach (var (key, value, textAt) in _vector)
        {
            Put(key);
            Put(textAt < 0 ? value : text + (ulong)textAt);
        }

        Put(0);
        Put(0);
        auxiliary = bytes[vector..at];
        arguments = (text, text + (ulong)_argumentsEnd);
        return bytes;

        void Put(ulong word)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), word);
            at += 8;
        }
    }

    /// <summary>16 bytes of chance, as AT_RANDOM has them.</summary>
    internal static byte[] SixteenRandomBytes() => RandomNumberGenerator.GetBytes(16);

    private int AddText(byte[] text)
    {
        int at = _text.Count;
        _text.AddRange(text);
        return at;
    }
}
