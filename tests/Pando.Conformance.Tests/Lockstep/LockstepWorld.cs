using System.Globalization;
using Pando.Conformance.Tests.Kernel;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tests.Model;

namespace Pando.Conformance.Tests.Lockstep;

/// <summary>
/// The running kernel and the engine side by side: every operation is made on both, in real processes there and in
/// address spaces here, and all that can be seen of the two is compared after each.
/// </summary>
internal sealed partial class LockstepWorld : IDisposable
{
    /// <summary>Places for processes. The first is there from the beginning; others are forked.</summary>
    public const int Processes = 4;

    /// <summary>Where mappings lie that say where they lie: an address aligned to every span, far from what agents have of their own.</summary>
    public const ulong Arena = 0x100000000000;

    private const long Mebi = 1L << 20;
    private const long Page = 4096;

    private readonly LockstepOptions _options;
    private readonly TestProcess?[] _processes = new TestProcess?[Processes];
    private readonly SoftwareProcessor[] _processors;
    private readonly List<TestFile> _files = [];
    private readonly Dictionary<int, MappedFile?> _objects = [];

    // Pages of files to which MADV_PAGEOUT was done, and that were not seen in memory since.
    private readonly HashSet<(MappedFile File, long Page)> _pagedOut = [];

    /// <param name="options">What the run is made with.</param>
    /// <param name="counts">Where to count.</param>
    public LockstepWorld(LockstepOptions options, LockstepCounts counts)
    {
        _options = options;
        Answers = options.UserFaults ? MixedAnswer : Answers;
        Counts = counts;
        Machine = new Machine(new MachineOptions
        {
            Ram = 1024 * Mebi,
            Sharing = options.Sharing,
            Format = KernelFeatures.Running.Format,
            ExecuteOnlyByKey = KernelFeatures.Running.WhyNoExecuteOnly is null,
        });
        _processors = [.. Enumerable.Range(0, Processes).Select(_ => Machine.AddProcessor())];
        var agent = AgentProcess.Start();
        _processes[0] = Adopt(agent, Machine.CreateSpace(), 0);
        MakeFiles(agent);
        Check("the beginning");
    }

    public Machine Machine { get; }

    public LockstepCounts Counts { get; }

    public IReadOnlyList<TestFile> Files => _files;

    /// <summary>What the kernel has. Operations that need what it has not are not possible.</summary>
    public KernelFeatures Features { get; set; } = KernelFeatures.Running;

    /// <summary>Whether the auditor looks at the engine after each operation. Without it the kernel alone is the judge.</summary>
    public bool Audits { get; set; } = true;

    /// <summary>Whether a space of the engine's is ending: what goes wrong then no process is left to show.</summary>
    public bool IsEnding { get; private set; }

    /// <summary>How the last operation ended, on both sides; an access ends in <see cref="LastTouch"/>.</summary>
    public Errno LastOutcome { get; private set; }

    /// <summary>How the last access ended, on both sides.</summary>
    public Touch LastTouch { get; private set; }

    /// <summary>What the last load found.</summary>
    public byte LastByte { get; private set; }

    /// <summary>What the last mincore found: 1 for each page that is in memory, 0 for others.</summary>
    public string LastResident { get; private set; } = "";

    public bool Has(int process) => process is >= 0 and < Processes && _processes[process] is not null;

    public TestProcess At(int process) => _processes[process]!;

    /// <summary>Makes one operation on both sides, and compares everything.</summary>
    /// <exception cref="MismatchException">The two differ, or the engine's machine is unsound.</exception>
    public void Step(Operation operation)
    {
        if (!IsPossible(operation))
        {
            return;
        }

        try
        {
            LastOutcome = Errno.None;
            SetRefusals(operation);
            Perform(operation);
            CheckQuestions();
            Check(operation.ToString());
            Counts.Operations += operation is TouchAt ? 0 : 1;
        }
        catch (MismatchException exception)
        {
            throw new MismatchException($"{operation}: {exception.Message}");
        }
    }

    /// <summary>Ends all processes; where the auditor looks, the engine must have everything back.</summary>
    public void End()
    {
        CheckFlags();
        for (int i = 0; i < Processes; i++)
        {
            if (Has(i))
            {
                Exit(i);
            }
        }

        foreach (var file in _files.Select(file => file.Engine).Distinct())
        {
            file.Dispose();
        }

        if (!Audits)
        {
            return;
        }

        Machine.Reclaim();
        var report = Machine.Audit();
        if (!report.IsSound)
        {
            throw new MismatchException($"at the end the audit found: {string.Join("; ", report.Violations.Take(5))}");
        }

        Same(1, Machine.FramesInUse, "frames in use at the end (the page of zeroes)");
    }

    public void Dispose()
    {
        foreach (var process in _processes)
        {
            process?.Dispose();
        }

        Machine.Dispose();
    }

    private TestProcess Adopt(AgentProcess agent, AddressSpace space, int place)
    {
        _processors[place].Switch(space);
        var process = new TestProcess(agent, space, _processors[place]);
        process.MirrorOwn();
        return process;
    }

    private void Exit(int place)
    {
        var process = At(place);
        process.Agent.Exit();
        process.Dispose();
        _processors[place].Switch(null);
        IsEnding = true;
        process.Space.Exit();
        IsEnding = false;
        _processes[place] = null;
    }

    private void MakeFiles(AgentProcess agent)
    {
        var first = Make("memory", (6 * Mebi) + 100, huge: false);
        var small = Make("small", 40960, huge: false);
        _files.AddRange([first, small, Reopened(first, Rights.Read), Reopened(first, Rights.Write)]);
        if (_options.HugePages)
        {
            _files.Add(Make("huge", _options.HugeBytes, huge: true));
        }

        TestFile Make(string name, long size, bool huge)
        {
            long file = agent.Call(SystemCall.MemfdCreate, agent.Put([.. System.Text.Encoding.ASCII.GetBytes(name), 0]), huge ? KernelArguments.CreateHugetlb : 0);
            Require(file, "memfd_create");
            Require(agent.Call(SystemCall.Ftruncate, (ulong)file, (ulong)size), "ftruncate");
            MappedFile engine = huge ? Machine.CreateHugeFile(name, size) : Machine.CreateMemoryFile(name, size);
            return new TestFile(name, (int)file, engine, Rights.All);
        }

        TestFile Reopened(TestFile file, Rights rights)
        {
            string path = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{file.Descriptor}\0");
            long opened = agent.Call(
                SystemCall.Openat, unchecked((ulong)-100), agent.Put(System.Text.Encoding.ASCII.GetBytes(path)), rights == Rights.Read ? 0UL : 1UL);
            Require(opened, "openat");

            // What a file was opened for says nothing of execution.
            return file with { Name = $"{file.Name} opened for {rights}", Descriptor = (int)opened, OpenedFor = rights | Rights.Execute };
        }
    }

    private static void Require(long result, string what)
    {
        if (result < 0)
        {
            throw new InvalidOperationException($"{what} failed with error {-result}.");
        }
    }

    private static void Same<T>(T kernel, T engine, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(kernel, engine))
        {
            throw new MismatchException($"{what}: the kernel has {kernel}, the engine {engine}");
        }
    }
}
