using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>The agents themselves: that they do what they are told, and that nothing else is mapped in them.</summary>
public class AgentTests
{
    [Fact]
    public void An_agent_maps_stores_loads_faults_and_forks()
    {
        Replay.SkipFor(KernelFeatures.Running.WhyNoAgents);
        using var agent = AgentProcess.Start();
        const ulong At = 0x100000000000;
        var report = TestContext.Current.TestOutputHelper!;
        foreach (var area in agent.Areas())
        {
            report.WriteLine($"{area.Start:x}-{area.End:x} {area.RightsText()} {area.ObjectNumber}");
        }

        report.WriteLine($"tables {agent.Tables()}");
        Assert.Equal((long)At, agent.Call(SystemCall.Mmap, At, 8192, 3, 0x100022, ulong.MaxValue, 0));
        Assert.Equal(0, agent.Store(At, 42).Signal);
        Assert.Equal(42, agent.Load(At).Value);
        Assert.Equal((11L, 1L, At + 8192), (agent.Load(At + 8192).Signal, agent.Load(At + 8192).Code, agent.Load(At + 8192).Address));
        using var child = agent.Fork(out _)!;
        Assert.Equal(child.Pid, child.Call(SystemCall.Getpid));
        Assert.Equal(42, child.Load(At).Value);
        child.Store(At, 43);
        Assert.Equal((42L, 43L), (agent.Load(At).Value, child.Load(At).Value));
        report.WriteLine($"tables {agent.Tables()} {child.Tables()}");
        child.Exit();
        Assert.Equal(agent.Pid, agent.Call(SystemCall.Getpid));
    }
}
