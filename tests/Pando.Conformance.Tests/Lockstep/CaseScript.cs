using System.Globalization;
using Pando.Conformance.Tests.Kernel;
using Pando.Hardware;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>
/// Cases as text: a step on each line, or between semicolons. A step is an operation, an access, or the areas that a process
/// must have now; "-> EINVAL" after it says how it ends if not well, "1:" before it that process 1 makes it. "-?> ENOMEM" at the very end
/// says how it ends, or what it finds, where a protection key makes memory execute-only.
/// </summary>
/// <remarks>
/// Places are pages of the arena and of files: "3", "2M" (page 512), "1G+1", "3+1b" (one byte more), "end" (the end of user
/// addresses), "elsewhere" (what the kernel chose a place for). Ranges end before their second place: "0-4".
/// <code>
/// map 0-4 rw-p                    private anonymous memory (MAP_FIXED); options: noreplace, hint, populate
/// map 4-6 r--s memory+2           pages 2 and 3 of a file: memory, readonly and writeonly (the same opened so), small, huge
/// munmap 1-2
/// mprotect 0-4 r--
/// mremap 0-4 for 6                options: maymove
/// mremap 0-4 to 8-14              MREMAP_FIXED and MREMAP_MAYMOVE; options: dontunmap
/// mremap 0-4 dontunmap near 8     MREMAP_DONTUNMAP without MREMAP_FIXED
/// madvise 0-4 DontNeed
/// mlock 0-4                       options: onfault
/// munlock 0-4
/// mlockall current future onfault
/// munlockall
/// msync 0-4                       options: invalidate
/// mseal 0-4
/// pkey_alloc rw-                  what the thread may do with the key, which is the next that is free
/// pkey_free 1
/// mprotect 0-4 r-- key 1          pkey_mprotect
/// mincore 0-4 = 1100
/// ftruncate memory 4
/// punch memory 1-2
/// register 0-4 missing minor wp   userfaultfd; its handler answers as "answer" says
/// unregister 0-4
/// copy 0-2 7                      bytes of one value; option: protected
/// zero 0-2
/// continue 0-2                    option: protected
/// wp 0-4                          UFFDIO_WRITEPROTECT
/// unwp 0-4                        the same without the protection
/// answer missing Zero             what the handler does from now on: for missing Copy, CopyProtected, Zero; for minor Continue,
///                                 ContinueProtected; for wp Unprotect, UnprotectArea; for all Unregister
/// asked 0 missing load, 2M wp store   what it was asked since the last "asked"; a case states all of it
/// asked nothing
/// needs kernel faults             handlers that are told of what the kernel touches for the process, too
/// fork 1
/// exit
/// store 0 42
/// load 0 = 42
/// load 9 -> NotMapped
/// has 0-4 rw-p, 4-6 r--s memory+2 locked
/// has nothing
/// </code>
/// </remarks>
internal sealed class CaseScript(CaseBench bench)
{
    private static readonly string[] Files = ["memory", "small", "readonly", "writeonly", "huge"];

    // Whose areas have been stated since the last operation: at the end, those of every process must have been.
    private readonly HashSet<int> _stated = [];

    /// <summary>
    /// Makes a case twice, with private page tables and with shared ones, which must not be seen. It must end with the areas
    /// of every process.
    /// </summary>
    /// <param name="name">For messages.</param>
    /// <param name="text">The steps.</param>
    /// <param name="hugePages">Whether there is the file "huge", whose pages are of 2 MiB.</param>
    /// <param name="features">What the kernel has; by default what the running one has.</param>
    public static void Runs(string name, string text, bool hugePages = false, KernelFeatures? features = null)
    {
        foreach (var sharing in (ReadOnlySpan<SharingLevels>)[SharingLevels.None, SharingLevels.All])
        {
            using var bench = new CaseBench(sharing, hugePages, features);
            var script = new CaseScript(bench);
            foreach (string step in text.Split([';', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                try
                {
                    script.Make(step);
                }
                catch (MismatchException exception)
                {
                    throw new MismatchException($"{name}, at \"{step}\" (sharing: {sharing}): {exception.Message}");
                }
            }

            Assert.Empty(bench.World.LastQuestions);
            Assert.All(Enumerable.Range(0, LockstepWorld.Processes).Where(bench.World.Has), process => Assert.Contains(process, script._stated));
            bench.End();
        }
    }

    private void Make(string step)
    {
        string[] byKey = step.Split(" -?> ");
        string? found = null;
        if (byKey.Length > 1)
        {
            bool isExecuteOnly = KernelFeatures.Running.WhyNoExecuteOnly is null;
            found = isExecuteOnly && byKey[0].StartsWith("mincore", StringComparison.Ordinal) ? byKey[1] : null;
            step = isExecuteOnly && found is null ? $"{byKey[0].Split(" -> ")[0]} -> {byKey[1]}" : byKey[0];
        }

        string[] ends = step.Split(" -> ");
        string[] words = ends[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        int process = 0;
        if (words[0].EndsWith(':'))
        {
            process = (int)Number(words[0][..^1]);
            words = words[1..];
        }

        string[] rest = words[1..];
        switch (words[0])
        {
            case "has":
                _stated.Add(process);
                bench.Has(process, ends[0][(ends[0].IndexOf("has", StringComparison.Ordinal) + 3)..].Split(',').Select(Canonical).Where(area => area.Length > 0));
                break;
            case "asked":
                bench.Asked([.. ends[0][(ends[0].IndexOf("asked", StringComparison.Ordinal) + 5)..].Split(',', StringSplitOptions.TrimEntries)
                    .Where(question => question != "nothing").Select(question => (process, Question(question.Split(' '))))]);
                break;
            case "needs":
                Replay.SkipFor(bench.World.Features.WhyNoKernelFaults);
                break;
            case "answer":
                Answer(rest);
                break;
            case "load":
                Touch(new TouchAt(process, Address(process, rest[0]), AccessKind.Read, ends.Length > 1 ? (byte)0 : (byte)Number(After(rest, "="))), ends);
                break;
            case "store":
                Touch(new TouchAt(process, Address(process, rest[0]), AccessKind.Write, rest.Length > 1 ? (byte)Number(rest[1]) : (byte)1), ends);
                break;
            default:
                _stated.Clear();
                bench.Refuses(ends.Length > 1 ? Enum.Parse<Errno>(ends[1]) : Errno.None, Parse(process, words[0], rest));
                if (words[0] == "mincore" && ends.Length == 1)
                {
                    Assert.Equal(found ?? After(rest, "="), bench.World.LastResident);
                }

                break;
        }
    }

    private static UserFaultQuestion Question(string[] words) =>
        new(LockstepWorld.Arena + (ulong)Bytes(words[0]), KindOf(words[1]), words[2] == "store");

    private static UserFaultKind KindOf(string word) => word switch
    {
        "missing" => UserFaultKind.Missing,
        "minor" => UserFaultKind.Minor,
        "wp" => UserFaultKind.WriteProtect,
        _ => throw new NotSupportedException($"No question is called {word}."),
    };

    private void Answer(string[] words)
    {
        var (before, kind, answer) = (bench.World.Answers, KindOf(words[0]), Enum.Parse<UserFaultAnswer>(words[1]));
        bench.World.Answers = (question, area) => question.Kind == kind ? answer : before(question, area);
    }

    private void Touch(TouchAt touch, string[] ends) =>
        bench.Touches(touch, ends.Length > 1 ? Enum.Parse<Touch>(ends[1]) : Pando.Tests.Model.Touch.Allowed);

    private Operation Parse(int process, string verb, string[] words)
    {
        switch (verb)
        {
            case "fork":
                return new ForkTo(process, (int)Number(words[0]));
            case "exit":
                return new ExitFrom(process);
            case "pkey_alloc":
                return new TakeKey(process, RightsOf(words[0]));
            case "pkey_free":
                return new GiveKey(process, (int)Number(words[0]));
            case "mlockall":
                return new LockAllOf(process, words.Contains("current"), words.Contains("future"), words.Contains("onfault"));
            case "munlockall":
                return new LockAllOf(process, false, false, false);
            case "ftruncate":
                return new Resize(Array.IndexOf(Files, words[0]), Bytes(words[1]));
            case "punch":
                var (hole, bytes) = Range(words[1], Bytes);
                return new Punch(Array.IndexOf(Files, words[0]), hole, bytes);
        }

        var (start, length) = Range(words[0], place => (long)Address(process, place));
        ulong at = (ulong)start;
        return verb switch
        {
            "map" => Map(process, at, length, words),
            "munmap" => new UnmapAt(process, at, length),
            "mprotect" when words.Contains("key") => new ProtectKeyAt(process, at, length, RightsOf(words[1]), (int)Number(After(words, "key"))),
            "mprotect" => new ProtectAt(process, at, length, RightsOf(words[1])),
            "mremap" => Remap(process, at, length, words),
            "madvise" => new AdviseAt(process, at, length, Enum.Parse<Advice>(words[1])),
            "mlock" => new LockAt(process, at, length, true, words.Contains("onfault")),
            "munlock" => new LockAt(process, at, length, false, false),
            "msync" => new SyncAt(process, at, length, words.Contains("invalidate")),
            "mseal" => new SealAt(process, at, length),
            "mincore" => new ResidentAt(process, at, length),
            "register" => new RegisterAt(process, at, length, ModesOf(words[1..])),
            "unregister" => new UnregisterAt(process, at, length),
            "copy" => new ProvideAt(process, at, length, (byte)Number(words[1]), words.Contains("protected")),
            "zero" => new ProvideAt(process, at, length, 0, false),
            "continue" => new ContinueAt(process, at, length, words.Contains("protected")),
            "wp" or "unwp" => new WriteProtectAt(process, at, length, verb == "wp"),
            _ => throw new NotSupportedException($"No step is called {verb}."),
        };
    }

    private static MapAt Map(int process, ulong at, long length, string[] words)
    {
        string[] from = Array.Find(words, word => Array.Exists(Files, file => word.StartsWith($"{file}+", StringComparison.Ordinal)))?.Split('+', 2) ?? [];
        return new MapAt(
            process,
            from.Length == 0 ? -1 : Array.IndexOf(Files, from[0]),
            from.Length == 0 ? 0 : Bytes(from[1]),
            length,
            RightsOf(words[1]),
            words[1][3] == 's',
            words.Contains("noreplace") ? MapPlacement.FixedNoReplace : words.Contains("hint") ? MapPlacement.Anywhere : MapPlacement.Fixed,
            at,
            words.Contains("populate") ? PopulateKind.Read : PopulateKind.None);
    }

    private RemapAt Remap(int process, ulong at, long length, string[] words)
    {
        var flags = words.Contains("dontunmap") ? RemapFlags.DontUnmap | RemapFlags.MayMove
            : words.Contains("maymove") ? RemapFlags.MayMove
            : RemapFlags.None;
        if (words.Contains("to"))
        {
            var (target, newLength) = Range(After(words, "to"), place => (long)Address(process, place));
            return new RemapAt(process, at, length, newLength, flags | RemapFlags.Fixed | RemapFlags.MayMove, (ulong)target);
        }

        return new RemapAt(
            process, at, length, words.Contains("for") ? Bytes(After(words, "for")) : length, flags, words.Contains("near") ? Address(process, After(words, "near")) : 0);
    }

    private ulong Address(int process, string place) =>
        place == "elsewhere" || place.StartsWith("elsewhere+", StringComparison.Ordinal)
            ? LockstepWorld.Arena + (ulong)(bench.Elsewhere(process) + (place == "elsewhere" ? 0 : Bytes(place["elsewhere+".Length..])))
            : LockstepWorld.Arena + (ulong)Bytes(place);

    /// <summary>An area as <see cref="CaseBench.Has"/> wants it: places as plain numbers of pages.</summary>
    private static string Canonical(string area)
    {
        string[] words = area.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return string.Join(' ', words.Where(word => word != "nothing").Select(word =>
        {
            string[] ends = word.Split('-', 2);
            return ends.Length == 2 && char.IsAsciiDigit(ends[0].FirstOrDefault()) && char.IsAsciiDigit(ends[1].FirstOrDefault())
                    ? string.Create(CultureInfo.InvariantCulture, $"{Bytes(ends[0]) / CaseBench.Page}-{Bytes(ends[1]) / CaseBench.Page}")
                : word.Split('+', 2) is [var file, var offset] ? string.Create(CultureInfo.InvariantCulture, $"{file}+{Bytes(offset) / CaseBench.Page}")
                : word;
        }));
    }

    private static (long Start, long Length) Range(string text, Func<string, long> place)
    {
        string[] ends = text.Split('-', 2);
        long start = place(ends[0]);
        return (start, place(ends[1]) - start);
    }

    private static long Bytes(string place) => place.Split('+').Sum(term => term switch
    {
        "end" => (long)(KernelFeatures.Running.Format.Geometry.UserEnd.Value - LockstepWorld.Arena),
        [.. var number, 'b'] => Number(number),
        [.. var number, 'M'] => Number(number) << 20,
        [.. var number, 'G'] => Number(number) << 30,
        _ => Number(term) * CaseBench.Page,
    });

    private static Rights RightsOf(string text) =>
        (text[0] == 'r' ? Rights.Read : 0) | (text[1] == 'w' ? Rights.Write : 0) | (text[2] == 'x' ? Rights.Execute : 0);

    private static UserFaultModes ModesOf(string[] words) =>
        (words.Contains("missing") ? UserFaultModes.Missing : 0)
        | (words.Contains("minor") ? UserFaultModes.Minor : 0)
        | (words.Contains("wp") ? UserFaultModes.WriteProtect : 0);

    private static string After(string[] words, string word) => words[Array.IndexOf(words, word) + 1];

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
