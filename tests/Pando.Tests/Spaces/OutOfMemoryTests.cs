using Pando.Concurrency;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Support;

namespace Pando.Tests.Spaces;

/// <summary>
/// Every allocation of a scenario fails once. The machine must be sound after each operation; the operation says
/// that memory is out, or did without; made again without failures it succeeds, and everything comes back at the end.
/// </summary>
public class OutOfMemoryTests
{
    private const long Mebi = 1L << 20;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    [Theory]
    [InlineData(SharingLevels.All, true)]
    [InlineData(SharingLevels.UpTo1GiB, true)]
    [InlineData(SharingLevels.Pmd, false)]
    [InlineData(SharingLevels.UpTo2MiB, false)]
    [InlineData(SharingLevels.None, true)]
    [InlineData(SharingLevels.None, false)]
    public void Every_allocation_may_fail_once(SharingLevels sharing, bool largePages)
    {
        int allocations = Run(sharing, largePages, failFrom: int.MaxValue, failures: 0);
        Assert.InRange(allocations, 60, 1000);
        for (int n = 0; n < allocations; n++)
        {
            Run(sharing, largePages, failFrom: n, failures: 1);
        }
    }

    [Theory]
    [InlineData(SharingLevels.All)]
    [InlineData(SharingLevels.None)]
    public void From_every_allocation_on_several_may_fail_in_a_row(SharingLevels sharing)
    {
        int allocations = Run(sharing, largePages: true, failFrom: int.MaxValue, failures: 0);
        for (int n = 0; n < allocations; n++)
        {
            Run(sharing, largePages: true, failFrom: n, failures: 3);
            Run(sharing, largePages: true, failFrom: n, failures: 12);
        }
    }

    [Fact]
    public void A_machine_whose_memory_is_really_out_says_so_and_recovers()
    {
        using var machine = new Machine(new MachineOptions { Ram = 2 * Mebi });
        var space = machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(8 * Mebi, Rights.ReadWrite)).Value;
        var result = space.Populate(AddressRange.FromLength(at, 8 * Mebi), AccessKind.Write);
        Assert.Equal(FaultKind.OutOfMemory, result.Kind);
        machine.Audit().ThrowIfUnsound();
        Assert.Null(space.Fork());
        Assert.Throws<InsufficientMemoryException>(() => Enumerable.Range(0, 600).Select(_ => machine.CreateSpace()).ToList());
        machine.Audit().ThrowIfUnsound();
        Assert.Equal(Errno.None, space.Unmap(at, 8 * Mebi));
        Assert.True(space.Map(MapRequest.Anonymous(Mebi, Rights.ReadWrite) with { Populate = PopulateKind.Write }).Succeeded);
        foreach (var other in machine.Spaces)
        {
            other.Exit();
        }

        machine.Reclaim();
        machine.Audit().ThrowIfUnsound();
        Assert.Equal(1, machine.FramesInUse);
    }

    /// <summary>Makes the scenario; gives the number of allocations that were asked for.</summary>
    private static int Run(SharingLevels sharing, bool largePages, int failFrom, int failures)
    {
        using var machine = new Machine(new MachineOptions { Ram = 32 * Mebi, Sharing = sharing, LargePages = largePages });
        var scenario = new Scenario(machine, $"allocation {failFrom} and {failures - 1} more fail, sharing {sharing}");
        int asked = 0;
        machine.Store.Omissions[OmittedStep.Allocation] = () =>
        {
            int number = asked++;
            return number >= failFrom && number < failFrom + failures;
        };
        scenario.Run();
        machine.Store.Omissions[OmittedStep.Allocation] = null;
        scenario.End();
        return asked;
    }

    private sealed class Scenario
    {
        private readonly Machine _machine;
        private readonly string _what;
        private readonly TableReader _reader;
        private readonly DaxFile _file;
        private readonly DaxFile _holes;
        private readonly MemoryFile _memory;
        private readonly MemoryFile _huge;

        public Scenario(Machine machine, string what)
        {
            _machine = machine;
            _what = what;
            _reader = new TableReader(machine.Format, machine.Memory);
            var pmem = machine.AddPmem(2L << 30);
            _file = pmem.CreateFile("file", (1L << 30) + (4 * Mebi));
            _holes = pmem.CreateFile("holes", 4 * Mebi, []);
            _memory = machine.CreateMemoryFile("memory", 32 << 10);
            _huge = machine.CreateMemoryFile("huge", 4 * Mebi, 2 * Mebi);
        }

        public void Run()
        {
            var a = Space();
            var shared = Map(a, MapRequest.SharedFile(_file, Rights.ReadWrite), At);
            Write(a, shared + 4096, 1);
            Write(a, shared + (1L << 30) + 4096, 2);

            var holes = Map(a, MapRequest.SharedFile(_holes, Rights.ReadWrite), At + (1L << 40));
            Read(a, holes + 8192, 0);
            Write(a, holes + 8192, 3);

            var memory = Map(a, MapRequest.SharedFile(_memory, Rights.ReadWrite) with { Populate = PopulateKind.Write }, At + (2L << 40));
            Write(a, memory + 4096, 4);
            var huge = Map(a, MapRequest.SharedFile(_huge, Rights.ReadWrite), At + (3L << 40));
            Write(a, huge + (2 * Mebi) + 4096, 5);

            var anonymous = Map(a, MapRequest.Anonymous(Mebi, Rights.ReadWrite), At + (4L << 40));
            Read(a, anonymous, 0);
            Write(a, anonymous, 6);
            Write(a, anonymous + 4096, 7);
            var together = Map(a, MapRequest.Anonymous(Mebi, Rights.ReadWrite) with { Shared = true }, At + (5L << 40));
            Write(a, together, 8);

            // A private mapping: through the file's tables until it is written, at a large page and at a small one.
            var own = Map(a, MapRequest.PrivateFile(_file, Rights.ReadWrite), At + (6L << 40));
            Read(a, own + 4096, 1);
            Write(a, own + 4096, 9);
            Read(a, shared + 4096, 1);
            Write(a, own + (1L << 30) + 8192, 10);

            // Diverging, and coming back.
            Unmap(a, shared + (2 * Mebi) + 4096, 4096);
            Read(a, shared + 4096, 1);
            Read(a, shared + (1L << 30) + 4096, 2);
            Map(a, MapRequest.SharedFile(_file, Rights.ReadWrite) with { Length = 4096, Offset = (2 * Mebi) + 4096 }, shared + (2 * Mebi) + 4096);
            Write(a, shared + (2 * Mebi) + 4096, 11);

            var b = Fork(a);
            Write(b, anonymous, 12);
            Read(a, anonymous, 6);
            Write(a, anonymous, 13);
            Write(a, own + 4096, 14);
            Read(b, own + 4096, 9);
            Write(b, together, 15);
            Read(a, together, 15);
            Read(b, shared + (1L << 30) + 4096, 2);
            var populated = Map(b, MapRequest.PrivateFile(_memory, Rights.ReadWrite) with { Populate = PopulateKind.Write }, At + (7L << 40));
            Read(b, populated + 4096, 4);
            Unmap(b, own, 8 * Mebi);
            a.Exit();
            Sound("exit");
            Read(b, together, 15);
            Read(b, huge + (2 * Mebi) + 4096, 5);
        }

        public void End()
        {
            foreach (var space in _machine.Spaces)
            {
                space.Exit();
            }

            foreach (var file in (MappedFile[])[_file, _holes, _memory, _huge])
            {
                file.Dispose();
                Assert.True(file.HasEnded);
            }

            _machine.Reclaim();
            Sound("the end");
            Assert.True(_machine.FramesInUse == 1, $"{_what}: {_machine.FramesInUse} frames are in use at the end");
            Assert.Equal(_machine.Count(TableEvent.Attached), _machine.Count(TableEvent.Detached));
        }

        private AddressSpace Space()
        {
            while (true)
            {
                try
                {
                    return _machine.CreateSpace();
                }
                catch (InsufficientMemoryException)
                {
                    Sound("making a space");
                }
            }
        }

        private VirtualAddress Map(AddressSpace space, MapRequest request, VirtualAddress at)
        {
            while (true)
            {
                var result = space.Map(request with { Address = at, Placement = MapPlacement.Fixed });
                Sound("map");
                if (result.Succeeded)
                {
                    Assert.Equal(at, result.Address);
                    return at;
                }

                Assert.Equal(Errno.ENOMEM, result.Error);
            }
        }

        private void Unmap(AddressSpace space, VirtualAddress at, long length)
        {
            Assert.Equal(Errno.None, space.Unmap(at, length));
            Sound("unmap");
            Assert.Null(_reader.Walk(space, at));
        }

        private AddressSpace Fork(AddressSpace parent)
        {
            while (true)
            {
                var child = parent.Fork();
                Sound("fork");
                if (child is not null)
                {
                    return child;
                }
            }
        }

        private void Write(AddressSpace space, VirtualAddress at, byte value)
        {
            var place = Fault(space, at, AccessKind.Write);
            _machine.Memory.Bytes(place, 1)[0] = value;
            Read(space, at, value);
        }

        private void Read(AddressSpace space, VirtualAddress at, byte expected)
        {
            byte found = _machine.Memory.Bytes(Fault(space, at, AccessKind.Read), 1)[0];
            Assert.True(found == expected, $"{_what}: at {at} stands {found}, not {expected}");
        }

        private PhysicalAddress Fault(AddressSpace space, VirtualAddress at, AccessKind access)
        {
            for (int attempt = 0; attempt < 100; attempt++)
            {
                if (_reader.Translate(space, at, access) is { } place)
                {
                    return place;
                }

                var result = space.Fault(at, access);
                Sound("fault");
                Assert.True(result.IsResolved || result.Kind == FaultKind.OutOfMemory, $"{_what}: {access} at {at} ended as {result.Kind}");
            }

            throw new InvalidOperationException($"{_what}: {access} at {at} is never resolved.");
        }

        private void Sound(string after)
        {
            var report = _machine.Audit();
            Assert.True(report.IsSound, $"{_what}: after {after}: {string.Join("; ", report.Violations.Take(5))}");
        }
    }
}
