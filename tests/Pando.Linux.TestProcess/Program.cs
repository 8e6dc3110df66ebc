using System.Globalization;
using System.Runtime.CompilerServices;

namespace Pando.Linux.TestProcess;

/// <summary>
/// Maps memory as its arguments say, prints "ready" once for each process it is then, and
/// waits until standard input is closed. Steps run in order in every process; "fork,value=N" makes N children, which
/// carry on with the steps behind it. "3:verb,..." runs in process number 3 alone (0 is the first process).
/// </summary>
internal static unsafe class Program
{
    private static int _number;
    private static int _file = -1;

    private static int Main(string[] arguments)
    {
        var steps = arguments.Select(Step.Parse).ToArray();
        WarmUp();
        foreach (var step in steps)
        {
            if ((step.Only < 0 || step.Only == _number) && !Run(step))
            {
                Say("failed " + step.Verb + " " + System.Runtime.InteropServices.Marshal.GetLastPInvokeError().ToString(CultureInfo.InvariantCulture) + "\n");
                LibC.Exit(1);
            }
        }

        Ready();
        byte one;
        while (LibC.Read(0, &one, 1) > 0)
        {
            // Whatever is written is passed over: only the end of input counts.
        }

        LibC.Exit(0);
        return 0;
    }

    /// <summary>Compiles, before any fork, what a child will call.</summary>
    private static void WarmUp()
    {
        const ulong Address = 0x100000000000;
        const ulong Size = 4 << 20;
        _file = LibC.CreateMemfd("warm-up", 0);
        _ = LibC.Truncate(_file, (long)Size);
        foreach (var verb in new[] { "map", "touch", "write", "protect", "dontneed", "dontdump", "hugepage", "unmap", "none" })
        {
            Run(new Step(-1, verb, Address, 0, Size, 1 << 20, 3, false));
        }

        byte nothing = 0;
        _ = LibC.Write(1, &nothing, 0);
        _file = -1;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool Run(in Step step)
    {
        var address = (byte*)(step.Address + (step.Shift * (ulong)_number));
        switch (step.Verb)
        {
            case "memfd":
            case "hugetlb":
                _file = LibC.CreateMemfd("pando-test", step.Verb == "hugetlb" ? LibC.HugetlbMemfd : 0);
                return _file >= 0 && LibC.Truncate(_file, (long)step.Size) == 0;
            case "fork":
                for (var i = 1; i <= step.Value; i++)
                {
                    if (LibC.Fork() == 0)
                    {
                        _number = i;
                        break;
                    }
                }

                return true;
            case "map":
                return LibC.Map(address, (nuint)step.Size, step.Rights, (step.IsPrivate ? LibC.Private : LibC.Shared) | LibC.FixedNoReplace, _file, step.Value < 4096 ? step.Value : 0) == address;
            case "anonymous":
                return LibC.Map(address, (nuint)step.Size, 3, LibC.Private | 0x20 | LibC.FixedNoReplace, -1, 0) == address;
            case "touch":
                byte sum = 0;
                for (ulong i = 0; i < step.Size; i += (ulong)step.Value)
                {
                    sum ^= Volatile.Read(ref address[i]);
                }

                return sum == 0;
            case "write":
                for (ulong i = 0; i < step.Size; i += (ulong)step.Value)
                {
                    Volatile.Write(ref address[i], 0);
                }

                return true;
            case "protect":
                return LibC.Protect(address, (nuint)step.Size, step.Rights) == 0;
            case "dontneed":
                // In pieces of "value" bytes: below 2 MiB even kernels that free empty tables leave them.
                for (ulong i = 0; i < step.Size; i += (ulong)step.Value)
                {
                    if (LibC.Advise(address + i, (nuint)step.Value, LibC.DontNeed) != 0)
                    {
                        return false;
                    }
                }

                return true;
            case "dontdump":
                return LibC.Advise(address, (nuint)step.Size, LibC.DontDump) == 0;
            case "hugepage":
                return LibC.Advise(address, (nuint)step.Size, LibC.HugePage) == 0;
            case "unmap":
                return LibC.Unmap(address, (nuint)step.Size) == 0;
            default:
                return step.Verb == "none";
        }
    }

    private static void Ready()
    {
        var line = stackalloc byte[8] { (byte)'r', (byte)'e', (byte)'a', (byte)'d', (byte)'y', (byte)'\n', 0, 0 };
        _ = LibC.Write(1, line, 6);
    }

    private static void Say(string text)
    {
        var bytes = System.Text.Encoding.ASCII.GetBytes(text);
        fixed (byte* first = bytes)
        {
            _ = LibC.Write(1, first, (nuint)bytes.Length);
        }
    }
}
