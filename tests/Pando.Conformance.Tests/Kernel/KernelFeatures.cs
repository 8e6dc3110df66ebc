using Pando.Conformance.Tests.Lockstep;
using Pando.Hardware;

namespace Pando.Conformance.Tests.Kernel;

/// <summary>
/// What not every kernel has, or allows, and why it is not there; null where it is. The kernel is asked for each thing itself, never for
/// its version.
/// </summary>
/// <param name="WhyNoAgents">Why no agents can be started: without them nothing can be compared.</param>
/// <param name="WhyNoPageEntries">Why the entries of agents' page tables cannot be told: without them their page tables cannot be compared.</param>
/// <param name="WhyNoSeals">Why there is no mseal (it is of Linux 6.10).</param>
/// <param name="WhyNoWideMoves">Why mremap moves one area at a time (several since Linux 6.17).</param>
internal sealed record KernelFeatures(string? WhyNoAgents, string? WhyNoPageEntries, string? WhyNoSeals, string? WhyNoWideMoves)
{
    private const ulong PrivateAnonymousFixed = 0x100032; // MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_FIXED_NOREPLACE
    private const ulong Somewhere = 0x100000000000;
    private const ulong Page = 4096;
    private const long BadAddress = -(long)Errno.EFAULT;
    private const long NoSuchCall = -38; // ENOSYS

    private static readonly Lazy<KernelFeatures> Asked = new(() => Without(Ask(), Settings.Without()));

    /// <summary>Why memory that may only be executed (PROT_EXEC alone) can be loaded all the same; null where it cannot.</summary>
    public string? WhyNoExecuteOnly { get; init; }

    /// <summary>Why pkey_alloc gives out no protection keys; null where it does.</summary>
    public string? WhyNoKeys { get; init; }

    /// <summary>Why no user faults can be handled (userfaultfd is not there, not allowed, or not to be had from the agents); null where they can.</summary>
    public string? WhyNoUserFaults { get; init; }

    /// <summary>Why handlers of user faults are told of a process's own accesses alone, and not of what the kernel touches for it; null where they are.</summary>
    public string? WhyNoKernelFaults { get; init; }

    /// <summary>The page tables that processes have: what decides where user addresses end.</summary>
    public X64Format Format { get; init; } = X64Format.FourLevels;

    /// <summary>Those of the running kernel, but for those that PANDO_CONFORMANCE_WITHOUT names.</summary>
    public static KernelFeatures Running => Asked.Value;

    /// <summary>Why nothing can be compared in lockstep; null if it can.</summary>
    public string? WhyNoLockstep => WhyNoAgents ?? WhyNoPageEntries;

    /// <summary>What is missing, in words for a report: nothing where all is there.</summary>
    public override string ToString() =>
        string.Concat(((string?[])[WhyNoAgents, WhyNoPageEntries, WhyNoSeals, WhyNoWideMoves, WhyNoExecuteOnly, WhyNoKeys, WhyNoUserFaults, WhyNoKernelFaults]).Where(why => why is not null).Select(why => $", {why}"));

    /// <summary>Asks the kernel that an agent runs on. The agent has mapped nothing before, and has nothing after.</summary>
    public static KernelFeatures Of(AgentProcess agent) => new(null, agent.WhyNoPageEntries(), AskForSeals(agent), AskForWideMoves(agent))
    {
        WhyNoExecuteOnly = AskForExecuteOnly(agent),
        WhyNoKeys = AskForKeys(agent),
        WhyNoUserFaults = agent.TryAddUserFaults(out string? whyNot) ? null : whyNot,
        WhyNoKernelFaults = agent.UserFaults is { IsUserModeOnly: true } ? "userfaultfd tells this user of user mode alone (vm.unprivileged_userfaultfd)" : null,
        Format = AskForFiveLevels(agent) ? X64Format.FiveLevels : X64Format.FourLevels,
    };

    /// <summary>Takes things away, so that what depends on them can be seen to be skipped.</summary>
    /// <param name="features">What is there.</param>
    /// <param name="names">Of agents, pagemap, mseal, mremap, keys and userfaultfd.</param>
    public static KernelFeatures Without(KernelFeatures features, params IEnumerable<string> names)
    {
        foreach (string name in names)
        {
            string why = $"{name} was to be done without";
            features = name switch
            {
                "agents" => features with { WhyNoAgents = why },
                "pagemap" => features with { WhyNoPageEntries = why },
                "mseal" => features with { WhyNoSeals = why },
                "mremap" => features with { WhyNoWideMoves = why },
                "keys" => features with { WhyNoKeys = why },
                "userfaultfd" => features with { WhyNoUserFaults = why },
                _ => throw new ArgumentException($"There is nothing called {name} to do without; there are agents, pagemap, mseal, mremap, keys and userfaultfd.", nameof(names)),
            };
        }

        return features;
    }

    private static KernelFeatures Ask()
    {
        if (AgentProcess.WhyNot() is { } reason)
        {
            return new KernelFeatures(reason, null, null, null);
        }

        using var agent = AgentProcess.Start();
        return Of(agent);
    }

    /// <summary>A seal of nothing seals nothing.</summary>
    private static string? AskForSeals(AgentProcess agent) => agent.Call(SystemCall.Mseal, 0, 0, 0) switch
    {
        0 => null,
        NoSuchCall => "the kernel has no mseal",
        var result => throw new InvalidOperationException($"mseal of nothing ended in {result}."),
    };

    /// <summary>Moves two areas, which differ in their rights, at once.</summary>
    private static string? AskForWideMoves(AgentProcess agent)
    {
        const ulong MayMoveFixed = 3; // MREMAP_MAYMOVE, MREMAP_FIXED
        const ulong Elsewhere = Somewhere + (16 * Page);
        Require(agent.Call(SystemCall.Mmap, Somewhere, 2 * Page, 3, PrivateAnonymousFixed, ulong.MaxValue, 0) == (long)Somewhere, "mmap");
        Require(agent.Call(SystemCall.Mprotect, Somewhere + Page, Page, 1) == 0, "mprotect");
        long result = agent.Call(SystemCall.Mremap, Somewhere, 2 * Page, 2 * Page, MayMoveFixed, Elsewhere);
        Require(agent.Call(SystemCall.Munmap, Somewhere, 32 * Page) == 0, "munmap");
        Require(result is (long)Elsewhere or BadAddress, "mremap");
        return result == BadAddress ? "the kernel's mremap moves one area at a time" : null;
    }

    /// <summary>Loads from a page that may only be executed. On x86-64 a protection key keeps loads away, where the processor has any.</summary>
    private static string? AskForExecuteOnly(AgentProcess agent)
    {
        Require(agent.Call(SystemCall.Mmap, Somewhere, Page, 4, PrivateAnonymousFixed, ulong.MaxValue, 0) == (long)Somewhere, "mmap");
        var answer = agent.Load(Somewhere);
        Require(agent.Call(SystemCall.Munmap, Somewhere, Page) == 0, "munmap");
        Require((answer.Signal, answer.Code) is (0, _) or (11, 4), "a load of what may only be executed");
        return answer.Signal == 0 ? "what may only be executed can be loaded" : null;
    }

    private static string? AskForKeys(AgentProcess agent)
    {
        long key = agent.Call(SystemCall.PkeyAlloc, 0, 0);
        if (key < 0)
        {
            return $"pkey_alloc gives out no key ({(Errno)(-key)})";
        }

        Require(agent.Call(SystemCall.PkeyFree, (ulong)key) == 0, "pkey_free");
        return null;
    }

    /// <summary>Maps a page where four levels of page tables do not reach.</summary>
    private static bool AskForFiveLevels(AgentProcess agent)
    {
        ulong at = X64Format.FourLevels.Geometry.UserEnd.Value + (16 * Page);
        long result = agent.Call(SystemCall.Mmap, at, Page, 3, PrivateAnonymousFixed, ulong.MaxValue, 0);
        Require(result == (long)at || result == -(long)Errno.ENOMEM, "mmap");
        return result == (long)at && agent.Call(SystemCall.Munmap, at, Page) == 0;
    }

    private static void Require(bool good, string what)
    {
        if (!good)
        {
            throw new InvalidOperationException($"{what}, made to learn what the kernel has, ended as it never should.");
        }
    }
}
