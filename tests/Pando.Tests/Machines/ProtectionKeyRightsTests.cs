using Pando.Hardware;
using Pando.Machines;
using static Pando.Tests.Machines.ProcessorBench;

namespace Pando.Tests.Machines;

/// <summary>The protection-key rights register of the software processor (SDM vol. 3A, 4.6.2).</summary>
public sealed class ProtectionKeyRightsTests
{
    private const int Key = 5;
    private const PageFaultCode Denied = PageFaultCode.User | PageFaultCode.Present | PageFaultCode.ProtectionKey;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Access_disable_denies_loads_and_stores_but_not_fetches(bool warm)
    {
        using var bench = WithKeyedPage(warm);
        bench.Processor.ProtectionKeys = new ProtectionKeyRights(1u << (2 * Key));
        Assert.Equal(Denied, bench.Probe(Here, AccessKind.Read));
        Assert.Equal(Denied | PageFaultCode.Write, bench.Probe(Here, AccessKind.Write));
        Assert.Null(bench.Probe(Here, AccessKind.Execute));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Write_disable_denies_stores_alone(bool warm)
    {
        using var bench = WithKeyedPage(warm);
        bench.Processor.ProtectionKeys = default(ProtectionKeyRights).With(Key, Rights.Read);
        Assert.Null(bench.Probe(Here, AccessKind.Read));
        Assert.Equal(Denied | PageFaultCode.Write, bench.Probe(Here, AccessKind.Write));
    }

    [Fact]
    public void A_denied_store_leaves_the_leaf_clean()
    {
        using var bench = WithKeyedPage(warm: false);
        bench.Processor.ProtectionKeys = default(ProtectionKeyRights).With(Key, Rights.Read);
        Assert.NotNull(bench.Probe(Here, AccessKind.Write));
        Assert.False(bench.Store.Format.IsDirty(bench.Space[Here, Level.Pte], Level.Pte));
    }

    [Fact]
    public void Other_keys_are_not_concerned_and_nothing_must_be_flushed_when_the_register_changes()
    {
        using var bench = WithKeyedPage(warm: true);
        bench.Processor.ProtectionKeys = new ProtectionKeyRights(uint.MaxValue).With(Key, Rights.ReadWrite);
        Assert.Equal(77UL, bench.Read(Here));
        bench.Processor.ProtectionKeys = default(ProtectionKeyRights).With(Key, Rights.None);
        Assert.Equal(Denied, bench.Probe(Here, AccessKind.Read));
        bench.Processor.ProtectionKeys = default;
        Assert.Equal(77UL, bench.Read(Here));
    }

    [Fact]
    public void A_page_without_any_right_is_no_user_page_so_that_its_key_is_not_asked()
    {
        using var bench = new ProcessorBench();
        bench.Space.Map(Here, bench.Page(77), Rights.None);
        bench.Processor.ProtectionKeys = new ProtectionKeyRights(uint.MaxValue);
        Assert.Equal(PageFaultCode.User | PageFaultCode.Present, bench.Probe(Here, AccessKind.Read));
    }

    [Fact]
    public void A_page_that_is_absent_faults_without_the_key_bit()
    {
        using var bench = new ProcessorBench();
        bench.Processor.ProtectionKeys = new ProtectionKeyRights(uint.MaxValue);
        Assert.Equal(PageFaultCode.User, bench.Probe(Here, AccessKind.Read));
    }

    [Fact]
    public void The_handler_is_not_asked_about_a_denied_access()
    {
        using var bench = new ProcessorBench(handler: (_, _, _, _) => throw new InvalidOperationException("asked"));
        Place(bench);
        bench.Processor.ProtectionKeys = default(ProtectionKeyRights).With(Key, Rights.None);
        var result = bench.Processor.TryRead(Here, out ulong value);
        Assert.Equal((new AccessResult(AccessOutcome.DeniedByKey, Here, Denied), 0UL), (result, value));
    }

    [Fact]
    public void Rights_of_a_key_are_two_bits_of_the_register()
    {
        Assert.Equal(new ProtectionKeyRights(0b11u << 30), default(ProtectionKeyRights).With(15, Rights.None));
        Assert.Equal(new ProtectionKeyRights(0b10u), default(ProtectionKeyRights).With(0, Rights.Read));
        Assert.Equal(default, new ProtectionKeyRights(0b11u).With(0, Rights.ReadWrite));
        Assert.Throws<ArgumentOutOfRangeException>(() => default(ProtectionKeyRights).With(16, Rights.Read));
    }

    private static ProcessorBench WithKeyedPage(bool warm)
    {
        var bench = new ProcessorBench();
        Place(bench);
        if (warm)
        {
            Assert.Equal(77UL, bench.Read(Here));
        }

        return bench;
    }

    private static void Place(ProcessorBench bench)
    {
        bench.Space.Map(Here, bench.Page(77), Rights.All);
        bench.Space.Set(Here, Level.Pte, bench.Store.Format.WithProtectionKey(bench.Space[Here, Level.Pte], Level.Pte, Key));
    }
}
