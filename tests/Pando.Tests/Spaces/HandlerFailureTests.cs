using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Tests.Spaces;

/// <summary>A user-fault handler that throws: the exception reaches whoever made the access, and nothing stays held.</summary>
public sealed class HandlerFailureTests : IDisposable
{
    private const long Page = 4096;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private readonly Machine _machine = new(new MachineOptions { Ram = 16L << 20 });
    private readonly AddressSpace _space;
    private readonly ThrowingHandler _handler = new();

    public HandlerFailureTests()
    {
        _space = _machine.CreateSpace();
        Assert.Equal(At, _space.Map(MapRequest.Anonymous(8 * Page, Rights.ReadWrite) with { Address = At, Placement = MapPlacement.Fixed }).Value);
        Assert.Equal(Errno.None, _space.RegisterUserFaults(At, 8 * Page, UserFaultModes.Missing, _handler));
    }

    public static TheoryData<string> Ways => [.. Accesses.Keys];

    private static readonly Dictionary<string, Action<HandlerFailureTests>> Accesses = new()
    {
        ["a fault"] = test => test._space.Fault(At, AccessKind.Write),
        ["a populated range"] = test => test._space.Populate(AddressRange.FromLength(At, 2 * Page), AccessKind.Write),
        ["MADV_POPULATE_WRITE"] = test => test._space.Advise(At, 2 * Page, Advice.PopulateWrite),
        ["mlock"] = test => test._space.LockMemory(At, Page),
        ["a store of a processor"] = test =>
        {
            var processor = test._machine.AddProcessor();
            processor.Switch(test._space);
            processor.TryWrite(At, 1UL);
        },
        ["a store across two pages"] = test =>
        {
            var processor = test._machine.AddProcessor();
            processor.Switch(test._space);
            processor.TryWrite(At + Page - 4, 1UL);
        },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public void An_exception_of_the_handler_reaches_the_caller_and_leaves_nothing_held(string way)
    {
        _handler.Throws = true;
        Assert.Throws<TimeoutException>(() => Accesses[way](this));
        _machine.Audit().ThrowIfUnsound();

        // Every lock is free, also for a writer, and no epoch is stuck: the same access succeeds, and all comes back.
        _handler.Throws = false;
        Accesses[way](this);
        Assert.True(_handler.Asked >= 2);
        Assert.Equal(Errno.None, _space.Unmap(At, 8 * Page));
        _space.Exit();
        _machine.Reclaim();
        Assert.Equal(1, _machine.FramesInUse);
        _machine.Audit().ThrowIfUnsound();
    }

    public void Dispose() => _machine.Dispose();

    private sealed class ThrowingHandler : IUserFaultHandler
    {
        public bool Throws { get; set; }

        public int Asked { get; private set; }

        public bool Handle(AddressSpace space, VirtualAddress address, UserFaultKind kind, AccessKind access)
        {
            Asked++;
            if (Throws)
            {
                throw new TimeoutException("The handler's own storage did not answer.");
            }

            return space.UserZero(address, Page) == Errno.None;
        }
    }
}
