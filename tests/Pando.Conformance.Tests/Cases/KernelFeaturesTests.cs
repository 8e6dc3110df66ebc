using System.Buffers.Binary;
using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;
using Pando.Conformance.Tests.Random;
using Xunit.Sdk;

namespace Pando.Conformance.Tests.Cases;

/// <summary>On a kernel that has not all of it, what needs the rest is skipped and says why, and nothing else is.</summary>
public class KernelFeaturesTests
{
    private static readonly KernelFeatures All = new(null, null, null, null);

    [Theory]
    [InlineData("mseal", "map 0-2 rw-p; mseal 0-1; has 0-1 rw-p sealed, 1-2 rw-p")]
    [InlineData("mremap", "map 0-2 rw-p; map 2-4 r--p; mremap 0-4 to 10-14; has 10-12 rw-p, 12-14 r--p")]
    [InlineData("mremap", "map 0-2 rw-p; map 3-4 rw-p; mremap 0-4 to 10-14; has 10-12 rw-p, 13-14 rw-p")]
    [InlineData("userfaultfd", "map 0-2 rw-p; register 0-2 missing; has 0-2 rw-p usermissing")]
    [InlineData("pagemap", "map 0-2 rw-p; has 0-2 rw-p")]
    [InlineData("agents", "map 0-2 rw-p; has 0-2 rw-p")]
    public void A_case_that_needs_what_is_not_there_is_skipped(string missing, string script)
    {
        Replay.RequireLockstep();
        var features = KernelFeatures.Without(All, missing);
        Assert.Contains($"{missing} was to be done without", WhySkipped(() => CaseScript.Runs(missing, script, features: features)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("map 0-2 rw-p; mprotect 0-1 r--; has 0-1 r--p, 1-2 rw-p")]
    [InlineData("map 0-4 rw-p; map 4-6 r--p; mremap 1-4 to 10-13; has 0-1 rw-p, 4-6 r--p, 10-13 rw-p")]
    [InlineData("map 0-2 rw-p; map 2-4 r--p; mremap 0-4 to 10-12; has 10-12 rw-p")]
    [InlineData("map 0-2 rw-p; map 2-4 r--p; mremap 0-4 for 3; has 0-2 rw-p, 2-3 r--p")]
    [InlineData("map 1-2 rw-p; mremap 0-2 to 10-12 -> EFAULT; has 1-2 rw-p")]
    public void A_case_that_does_not_need_it_is_made(string script) =>
        CaseScript.Runs("with neither", script, features: KernelFeatures.Without(KernelFeatures.Running, "mseal", "mremap"));

    [Fact]
    public void Random_runs_pass_over_what_is_not_there()
    {
        const int operations = 150;
        const int seeds = 6;
        Replay.RequireLockstep();
        var counts = new LockstepCounts();
        long seals = 0;
        for (int seed = 1; seed <= seeds; seed++)
        {
            var run = new RandomRun(seed);
            Assert.Null(run.FailureWithin(operations, counts, world => world.Features = KernelFeatures.Without(world.Features, "mseal", "mremap")));
            seals += run.Done.Count(operation => operation is SealAt);
        }

        Assert.InRange(seals, 1, long.MaxValue);
        Assert.InRange(counts.Operations, seeds * operations / 2, (seeds * operations) - seals);
    }

    /// <summary>The agent is put under a filter that answers as older kernels do (seccomp(2)).</summary>
    [Fact]
    public void An_older_kernel_is_recognized_by_its_answers()
    {
        Replay.SkipFor(KernelFeatures.Running.WhyNoAgents);
        const int ErrnoOfNoSuchCall = 38;
        using var agent = AgentProcess.Start();
        Answer(agent, (SystemCall.Mseal, ErrnoOfNoSuchCall), (SystemCall.Mremap, (int)Errno.EFAULT));
        var features = KernelFeatures.Of(agent);
        Assert.Equal(
            (null, "the kernel has no mseal", "the kernel's mremap moves one area at a time"),
            (features.WhyNoAgents, features.WhyNoSeals, features.WhyNoWideMoves));
    }

    /// <summary>A process that may not be dumped tells its page tables to root alone (prctl(2), PR_SET_DUMPABLE).</summary>
    [Fact]
    public void A_pagemap_that_may_not_be_opened_is_recognized()
    {
        Assert.SkipWhen(Environment.IsPrivilegedProcess, "Root may read every pagemap; this wants another user.");
        Replay.SkipFor(KernelFeatures.Running.WhyNoAgents);
        using var agent = AgentProcess.Start();
        Assert.Equal(0, agent.Call(SystemCall.Prctl, 4, 0));
        Assert.Equal("/proc/PID/pagemap cannot be opened (error 13)", KernelFeatures.Of(agent).WhyNoPageEntries);
    }

    [Fact]
    public void Nothing_of_another_name_can_be_done_without() =>
        Assert.Throws<ArgumentException>(() => KernelFeatures.Without(All, "mmap"));

    // Not with Assert.Throws, which lets what skips a test through.
    private static string? WhySkipped(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (SkipException exception)
        {
            return exception.Message;
        }
    }

    /// <summary>From now on these system calls of an agent end in these errors.</summary>
    private static void Answer(AgentProcess agent, params ReadOnlySpan<(SystemCall Call, int Error)> answers)
    {
        const int NoNewPrivileges = 38; // PR_SET_NO_NEW_PRIVS
        const int SetSeccomp = 22; // PR_SET_SECCOMP
        const int Filter = 2; // SECCOMP_MODE_FILTER
        const int FilterOffset = 16;

        // BPF (linux/filter.h): load the number; for each, if it is that, return the error; else allow.
        var program = new List<(ushort Code, byte True, byte False, uint Value)> { (0x20, 0, 0, 0) };
        foreach (var (call, error) in answers)
        {
            program.Add((0x15, 0, 1, (uint)call));
            program.Add((0x06, 0, 0, 0x50000 | (uint)error)); // SECCOMP_RET_ERRNO
        }

        program.Add((0x06, 0, 0, 0x7fff0000)); // SECCOMP_RET_ALLOW
        byte[] bytes = new byte[FilterOffset + (program.Count * 8)];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)program.Count);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), agent.Scratch + FilterOffset);
        for (int i = 0; i < program.Count; i++)
        {
            var instruction = bytes.AsSpan(FilterOffset + (i * 8));
            BinaryPrimitives.WriteUInt16LittleEndian(instruction, program[i].Code);
            (instruction[2], instruction[3]) = (program[i].True, program[i].False);
            BinaryPrimitives.WriteUInt32LittleEndian(instruction[4..], program[i].Value);
        }

        Assert.Equal(0, agent.Call(SystemCall.Prctl, NoNewPrivileges, 1));
        Assert.Equal(0, agent.Call(SystemCall.Prctl, SetSeccomp, Filter, agent.Put(bytes)));
    }
}
