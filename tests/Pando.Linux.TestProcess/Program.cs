using System.Runtime.CompilerServices;

namespace Pando.Linux.TestProcess;

/// <summary>
/// Maps memory as its arguments say, prints a line ("ready", or "failed" and the step's number) for each process that
/// it is by then, and waits until standard input is closed. After a fork nothing may be allocated, compiled or
/// waited for: steps are parsed before, every path is taken once before, and calls into the C library are plain.
/// </summary>
internal static unsafe class Program
{
    // The number of this process, in memory of the C library: the runtime keeps static fields in memory that it maps
    // shared (to write code that it may not write through the mapping that runs it), and a child would change them
    // in its parent too.
    private static int* _number;
    private static int _file = -1;
    private static byte* _text;
    private static byte* _stack;
    private static nint _sleep;
    private static int _child;

    private const int StackSize = 64 << 10;

    private static int Main(string[] arguments)
    {
        if (arguments is ["ask-files"])
        {
            Proc.FileAsker.Serve(Console.In, Console.Out);
            return 0;
        }

        var steps = arguments.Select(Step.Parse).ToArray();
        _text = (byte*)System.Runtime.InteropServices.NativeMemory.Alloc(64);
        _stack = (byte*)System.Runtime.InteropServices.NativeMemory.AlignedAlloc(StackSize, 4096);
        _sleep = System.Runtime.InteropServices.NativeLibrary.GetExport(System.Runtime.InteropServices.NativeLibrary.GetMainProgramHandle(), "sleep");
        _number = (int*)System.Runtime.InteropServices.NativeMemory.AllocZeroed(sizeof(int));
        WarmUp();
        return RunAll(steps, isRehearsal: false);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int RunAll(Step[] steps, bool isRehearsal)
    {
        for (var i = 0; i < steps.Length; i++)
        {
            ref readonly var step = ref steps[i];
            if (step.IsFor(*_number) && !Run(step) && !isRehearsal)
            {
                Say("failed "u8, i);
                LibC.Exit(1);
            }
        }

        Say("ready"u8, isRehearsal ? -2 : -1);
        if (!isRehearsal)
        {
            WaitAndExit();
        }

        return 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WaitAndExit()
    {
        while (LibC.Read(0, _text, 1) > 0)
        {
            // Whatever is written is passed over: only the end of input counts.
        }

        if (_child > 0)
        {
            _ = LibC.SendSignal(_child, LibC.Kill);
        }

        LibC.Exit(0);
    }

    /// <summary>Takes every path once, so that nothing is left to compile or to bind in a child.</summary>
    private static void WarmUp()
    {
        const ulong Address = 0x100000000000;
        const ulong Size = 4 << 20;
        _ = RunAll(
        [
            new Step(-1, Verb.File, 0, 0, 0, 0, 0, "/dev/null\0"u8.ToArray()),
            new Step(-1, Verb.Name, 0, 0, 0, 0, 0, "pando-test\0"u8.ToArray()),
            new Step(-1, Verb.ReadFile, 0, 0, 0, 0, 0, "/dev/null\0"u8.ToArray()),
            new Step(-1, Verb.Directory, 0, 0, 0, 0, 0, ".\0"u8.ToArray()),
            new Step(-1, Verb.Unshare, 0, 0, 0, 0, 0),
            new Step(-1, Verb.Secret, 0, 0, Size, 0, 0),
            new Step(-1, Verb.Segment, Address, 0, Size, 0, 3),
            new Step(-1, Verb.Unmap, Address, 0, Size, 0, 3),
            new Step(-1, Verb.Memfd, 0, 0, 2 * Size, 0, 3),
            .. new[] { Verb.Private, Verb.Unmap, Verb.SharedAnonymous, Verb.Unmap, Verb.Map, Verb.Touch, Verb.Write, Verb.Protect, Verb.DontNeed, Verb.DontDump, Verb.HugePage, Verb.Unmap, Verb.Anonymous, Verb.Guard, Verb.Unmap, Verb.None }
                .Select(verb => new Step(-1, verb, Address, 1, Size, 1 << 20, 3)),
            new Step(7, Verb.None, 0, 0, 0, 0, 0),
            new Step(-1, Verb.Fork, 0, 0, 0, 0, 0),
        ], isRehearsal: true);
        _file = -1;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static bool Run(in Step step)
    {
        var address = (byte*)(step.Address + (step.Shift * (ulong)*_number));
        var size = (nuint)step.Size;
        switch (step.Verb)
        {
            case Verb.Memfd:
            case Verb.Hugetlb:
                fixed (byte* name = step.Path ?? "pando-test"u8)
                {
                    _file = LibC.CreateMemfd(name, step.Verb == Verb.Hugetlb ? LibC.HugetlbMemfd : 0);
                }

                return _file >= 0 && LibC.Truncate(_file, (long)step.Size) == 0;
            case Verb.File:
            case Verb.ReadFile:
                fixed (byte* path = step.Path)
                {
                    _file = LibC.Open(path, step.Verb == Verb.File ? LibC.ReadWrite : 0);
                }

                return _file >= 0;
            case Verb.Name:
                fixed (byte* name = step.Path)
                {
                    return LibC.SetName(LibC.Name, name, 0, 0, 0) == 0;
                }

            case Verb.Segment:
                var segment = LibC.GetSegment(0, size, 0x180 | LibC.CreateSegment | (step.Value != 0 ? LibC.HugeSegment : 0));
                var attached = segment >= 0 && LibC.AttachSegment(segment, address, 0) == address;
                return LibC.ControlSegment(segment, LibC.RemoveSegment, null) == 0 && attached;
            case Verb.SharedAnonymous:
                return LibC.Map(address, size, 3, LibC.Shared | LibC.WithoutFile | LibC.FixedNoReplace, -1, 0) == address;
            case Verb.Secret:
                _file = (int)LibC.SystemCall(LibC.MakeSecret, 0);
                return _file >= 0 && LibC.Truncate(_file, (long)step.Size) == 0;
            case Verb.Directory:
                fixed (byte* path = step.Path)
                {
                    return LibC.ChangeDirectory(path) == 0;
                }

            case Verb.Unshare:
                return LibC.Unshare((int)step.Value) == 0;
            case Verb.SharedSpace:
                // The child runs a function of the C library on a stack of its own, and nothing of the runtime's.
                _child = LibC.Clone((void*)_sleep, _stack + StackSize, LibC.SameSpace | LibC.ChildSignal, (void*)3600);
                return _child > 0;
            case Verb.LeaderEnds:
                new Thread(WaitAndExit).Start();
                Say("ready"u8, -1);
                _ = LibC.SystemCall(LibC.ExitThread, 0);
                return false;
            case Verb.Fork:
                for (var i = 1; i <= (int)step.Value; i++)
                {
                    if (LibC.Fork() == 0)
                    {
                        *_number = i;
                        break;
                    }
                }

                return true;
            case Verb.Map:
            case Verb.Private:
                var kind = step.Verb == Verb.Map ? LibC.Shared : LibC.Private;
                return LibC.Map(address, size, step.Rights, kind | LibC.FixedNoReplace, _file, (long)step.Value) == address;
            case Verb.Anonymous:
                return LibC.Map(address, size, 3, LibC.Private | LibC.WithoutFile | LibC.FixedNoReplace, -1, 0) == address;
            case Verb.Touch:
                byte sum = 0;
                for (ulong i = 0; i < step.Size; i += step.Value)
                {
                    sum |= Volatile.Read(ref address[i]);
                }

                return sum == 0;
            case Verb.Write:
                for (ulong i = 0; i < step.Size; i += step.Value)
                {
                    Volatile.Write(ref address[i], 0);
                }

                return true;
            case Verb.Protect:
                return LibC.Protect(address, size, step.Rights) == 0;
            case Verb.DontNeed:
                // In pieces: below 2 MiB even kernels that free empty tables leave them.
                for (ulong i = 0; i < step.Size; i += step.Value)
                {
                    if (LibC.Advise(address + i, (nuint)step.Value, LibC.DontNeed) != 0)
                    {
                        return false;
                    }
                }

                return true;
            case Verb.Guard:
                return LibC.Advise(address, size, LibC.InstallGuards) == 0;
            case Verb.DontDump:
                return LibC.Advise(address, size, LibC.DontDump) == 0;
            case Verb.HugePage:
                return LibC.Advise(address, size, LibC.HugePage) == 0;
            case Verb.Unmap:
                return LibC.Unmap(address, size) == 0;
            default:
                return true;
        }
    }

    /// <summary>Writes a line in one piece; a step's number has at most two digits. -1: no number, -2: no output.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Say(ReadOnlySpan<byte> word, int number)
    {
        var length = 0;
        for (; length < word.Length; length++)
        {
            _text[length] = word[length];
        }

        if (number >= 0)
        {
            _text[length++] = (byte)('0' + (number / 10 % 10));
            _text[length++] = (byte)('0' + (number % 10));
        }

        _text[length++] = (byte)'\n';
        _ = LibC.Write(1, _text, number == -2 ? 0 : (nuint)length);
    }
}
