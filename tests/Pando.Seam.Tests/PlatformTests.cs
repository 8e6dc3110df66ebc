using Pando.Hardware;
using Pando.Machines;
using Pando.Platforms;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Seam.Tests;

/// <summary>A machine of another kind, on what the library shows everybody.</summary>
public sealed class PlatformTests : IDisposable
{
    private const long Kibi = 1L << 10;
    private const long Mebi = 1L << 20;

    private readonly Machine _machine = new(new MachineOptions { Ram = 64 * Mebi });
    private readonly TinyProcessor _first;
    private readonly TinyProcessor _second;

    public PlatformTests()
    {
        _first = new TinyProcessor(_machine);
        _second = new TinyProcessor(_machine);
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
        _machine.Dispose();
    }

    [Fact]
    public void Spaces_run_on_it_and_share_tables()
    {
        using var file = _machine.CreateMemoryFile("file", 4 * Mebi);
        var writer = _machine.CreateSpace();
        var reader = _machine.CreateSpace();
        var here = writer.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        var there = reader.Map(MapRequest.SharedFile(file, Rights.Read)).Value;

        Assert.Equal(FaultKind.Spurious, _first.Store(writer, here + 4096, 42));
        Assert.Equal(FaultKind.Spurious, _second.Load(reader, there + 4096, out ulong value));
        Assert.Equal((42UL, 1, 0), (value, _first.Faults, _second.Faults));
        Assert.Equal(FaultKind.NotAllowed, _second.Store(reader, there + 4096, 1));

        // What one has put into the file's table the other finds without a fault.
        Assert.Equal(FaultKind.Spurious, _first.Store(writer, here + 8192, 43));
        Assert.Equal(FaultKind.Spurious, _second.Load(reader, there + 8192, out value));
        Assert.Equal((43UL, 1), (value, _second.Faults));
        _machine.Audit().ThrowIfUnsound();
    }

    [Theory]
    [InlineData("unmap", FaultKind.NotMapped)]
    [InlineData("protect", FaultKind.NotAllowed)]
    [InlineData("truncate", FaultKind.BusError)]
    [InlineData("exit", FaultKind.NotMapped)]
    public void What_is_taken_away_is_reached_by_no_processor(string change, FaultKind afterwards)
    {
        using var file = _machine.CreateMemoryFile("file", Mebi);
        var space = _machine.CreateSpace();
        var other = _machine.CreateSpace();
        var at = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        var own = other.Map(MapRequest.Anonymous(Mebi, Rights.ReadWrite)).Value;
        foreach (var processor in (TinyProcessor[])[_first, _second])
        {
            Assert.Equal(FaultKind.Spurious, processor.Store(space, at, 1));
            Assert.Equal(FaultKind.Spurious, processor.Store(other, own, 2));
        }

        Change(change, space, at, file);

        Assert.Equal((afterwards, afterwards), (_first.Load(space, at, out _), _second.Load(space, at, out _)));

        // A space that does not show the file, or was not changed, has lost nothing.
        var (walks, faults) = (_first.Walks, _first.Faults);
        Assert.Equal(FaultKind.Spurious, _first.Load(other, own, out ulong value));
        Assert.Equal((2UL, walks, faults), (value, _first.Walks, _first.Faults));
        _machine.Audit().ThrowIfUnsound();
    }

    [Theory]
    [InlineData("unmap", FlushKind.Range)]
    [InlineData("protect", FlushKind.Range)]
    [InlineData("truncate", FlushKind.File)]
    [InlineData("exit", FlushKind.End)]
    public void A_processor_is_asked_for_what_it_has_loaded(string change, FlushKind kind)
    {
        using var file = _machine.CreateMemoryFile("file", Mebi);
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        Assert.Equal(FaultKind.Spurious, _first.Store(space, at, 1));
        long reached = _machine.Count(TableEvent.ProcessorReached);

        Change(change, space, at, file);

        Assert.True(_first.Asked[(int)kind] > 0);
        Assert.Equal(1, _machine.Count(TableEvent.ProcessorReached) - reached);
        Assert.Equal(0, _second.Asked[(int)FlushKind.Range]);
    }

    [Theory]
    [InlineData("unmap")]
    [InlineData("protect")]
    [InlineData("truncate")]
    [InlineData("exit")]
    public void A_processor_that_says_it_has_forgotten_and_has_not_is_found_by_the_auditor(string change)
    {
        using var file = _machine.CreateMemoryFile("file", Mebi);
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.SharedFile(file, Rights.ReadWrite)).Value;
        Assert.Equal(FaultKind.Spurious, _second.Store(space, at, 1));
        _second.Mistake = Mistake.Keeps;

        Change(change, space, at, file);

        string violation = Assert.Single(_machine.Audit().Violations);
        Assert.Contains($"processor {_second.Number} remembers", violation, StringComparison.Ordinal);
    }

    [Fact]
    public void A_processor_that_keeps_something_of_a_space_that_it_has_unloaded_is_found_by_the_auditor()
    {
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(Mebi, Rights.ReadWrite)).Value;
        Assert.Equal(FaultKind.Spurious, _first.Store(space, at, 1));
        _first.Unload(space);
        _machine.Audit().ThrowIfUnsound();

        Assert.Equal(FaultKind.Spurious, _first.Store(space, at, 1));
        _first.Mistake = Mistake.UnloadsEarly;
        _first.Unload(space);
        Assert.Contains("it says it has forgotten", Assert.Single(_machine.Audit().Violations), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Mistake.LeavesOutAnswer)]
    [InlineData(Mistake.AnswersNobody)]
    public void A_flush_without_an_answer_is_an_error_of_who_asked_and_what_was_taken_away_is_not_used_again(Mistake mistake)
    {
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(64 * Kibi, Rights.ReadWrite)).Value;
        Assert.True(space.Populate(AddressRange.FromLength(at, 64 * Kibi), AccessKind.Write).IsResolved);
        Assert.Equal(FaultKind.Spurious, _first.Store(space, at, 1));
        _first.Mistake = mistake;
        int before = _machine.FramesInUse;

        var error = Assert.Throws<InvalidOperationException>(() => space.Unmap(at, 64 * Kibi));

        Assert.Contains($"Processor {_first.Number}", error.Message, StringComparison.Ordinal);
        Assert.Contains("without an answer", error.Message, StringComparison.Ordinal);
        _machine.Reclaim();
        Assert.Equal(before, _machine.FramesInUse);
        Assert.Contains(_machine.Audit().Violations, violation => violation.Contains("flush gathers were begun and not finished", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_seen_in_a_view_is_not_used_again_before_the_view_ends()
    {
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(64 * Kibi, Rights.ReadWrite)).Value;
        Assert.True(space.Populate(AddressRange.FromLength(at, 64 * Kibi), AccessKind.Write).IsResolved);
        using var seat = ProcessorSeat.Take(_machine, static _ => new Nobody());
        Assert.True(seat.TryLoad(space));
        int before = _machine.FramesInUse;
        using (var view = seat.View())
        {
            Assert.True(view.TryWalk(space, at, out var leaf));
            Assert.Equal((Level.Pte, Rights.ReadWrite), (leaf.Level, leaf.Rights & Rights.ReadWrite));
            Assert.Equal(leaf.Entry, view.Read(leaf.Table, leaf.Index));

            // Another thread's: who is in an epoch waits for nobody who would have to wait for it.
            var unmap = new Thread(() =>
            {
                Assert.Equal(Errno.None, space.Unmap(at, 64 * Kibi));
                _machine.Reclaim();
            });
            unmap.Start();
            unmap.Join();
            Assert.Equal(before, _machine.FramesInUse);
            Assert.False(view.TryWalk(space, at, out _));
        }

        Assert.True(_machine.Reclaim());
        Assert.True(_machine.FramesInUse <= before - 16);
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void Accesses_beside_changes_reach_what_is_theirs_alone()
    {
        const int Rounds = 300;
        var victim = _machine.CreateSpace();
        var at = new VirtualAddress(0x1000_0000);
        int done = 0;
        long wrong = 0;
        void Access(TinyProcessor processor)
        {
            ulong last = 0;
            while (Volatile.Read(ref done) == 0)
            {
                // The page is zero or holds what this loop has stored; never what another space keeps in the same frame.
                if (processor.Load(victim, at, out ulong value) == FaultKind.Spurious && value != 0 && value >> 32 != 0xabcd)
                {
                    Interlocked.Increment(ref wrong);
                }

                processor.Store(victim, at, (0xabcdUL << 32) | ++last);
            }
        }

        var threads = new[] { new Thread(() => Access(_first)), new Thread(() => Access(_second)) };
        Array.ForEach(threads, thread => thread.Start());
        using var third = new TinyProcessor(_machine);
        for (int round = 0; round < Rounds; round++)
        {
            Assert.True(victim.Map(MapRequest.Anonymous(4096, Rights.ReadWrite) with { Address = at, Placement = MapPlacement.Fixed }).Succeeded);
            var other = _machine.CreateSpace();
            var own = other.Map(MapRequest.Anonymous(64 * Kibi, Rights.ReadWrite)).Value;
            Assert.Equal(Errno.None, victim.Unmap(at, 4096));
            _machine.Reclaim();
            for (int page = 0; page < 16; page++)
            {
                Assert.Equal(FaultKind.Spurious, third.Store(other, own + (page * 4096), ulong.MaxValue));
            }

            for (int page = 0; page < 16; page++)
            {
                Assert.Equal(FaultKind.Spurious, third.Load(other, own + (page * 4096), out ulong value));
                Assert.Equal(ulong.MaxValue, value);
            }

            other.Exit();
        }

        Volatile.Write(ref done, 1);
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(0, Interlocked.Read(ref wrong));
        _machine.Audit().ThrowIfUnsound();
    }

    [Fact]
    public void A_place_that_was_given_up_is_given_again_and_nobody_is_asked_for_it()
    {
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(Mebi, Rights.ReadWrite)).Value;
        int number = -1;
        for (int i = 0; i < Machine.MostProcessors + 1; i++)
        {
            using var passing = new TinyProcessor(_machine);
            Assert.Equal(FaultKind.Spurious, passing.Store(space, at, 1));
            Assert.True(number < 0 || number == passing.Number);
            number = passing.Number;
        }

        var gone = new TinyProcessor(_machine);
        gone.Store(space, at, 1);
        gone.Dispose();
        Assert.Equal(Errno.None, space.Unmap(at, Mebi));
        Assert.Equal(0, gone.Asked.Sum());
        Assert.Throws<ObjectDisposedException>(() => gone.Store(space, at, 1));
    }

    [Fact]
    public void Spaces_of_another_machine_and_tables_that_are_none_are_refused()
    {
        using var others = new Machine(new MachineOptions { Ram = 16 * Mebi });
        var stranger = others.CreateSpace();
        using var seat = ProcessorSeat.Take(_machine, static _ => new Nobody());
        Assert.False(seat.Serves(stranger));
        Assert.Throws<ArgumentException>(() => seat.TryLoad(stranger));
        Assert.Throws<ArgumentException>(() => seat.Unload(stranger));
        Assert.Throws<ArgumentException>(() => { using var view = seat.View(); view.TryWalk(stranger, default, out _); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { using var view = seat.View(); view.Read(new PhysicalAddress(4), 0); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { using var view = seat.View(); view.Read(new PhysicalAddress(1UL << 40), 0); });
        var root = _machine.CreateSpace().RootAddress;
        Assert.Throws<ArgumentOutOfRangeException>(() => { using var view = seat.View(); view.Read(root, 512); });
        var ended = _machine.CreateSpace();
        ended.Exit();
        Assert.False(seat.TryLoad(ended));
        var othersSeat = ProcessorSeat.Take(others, static _ => new Nobody());
        others.Dispose();
        Assert.Throws<ObjectDisposedException>(() => ProcessorSeat.Take(others, static _ => new Nobody()));
        Assert.Throws<ObjectDisposedException>(() => othersSeat.View().Dispose());
        Assert.Throws<InvalidOperationException>(() => default(TableView).Read(root, 0));
        default(TableView).Dispose();
        Assert.False(default(FlushRequest).Concerns(ended));
        Assert.Throws<ArgumentNullException>(() => default(FlushRequest).Concerns(null!));
    }

    [Fact]
    public void A_machine_is_as_it_was_where_no_processor_can_be_made_or_a_root_cannot_be_as_asked()
    {
        var entry = new Entry(0x3fff_0000_0063);
        Assert.Throws<NotSupportedException>(() => ProcessorSeat.Take(_machine, static _ => throw new NotSupportedException(), new KernelEntry(511, entry)));
        Assert.Throws<ArgumentOutOfRangeException>(() => ProcessorSeat.Take(_machine, static _ => new Nobody(), new KernelEntry(0, entry)));
        Assert.Throws<ArgumentOutOfRangeException>(() => ProcessorSeat.Take(_machine, static _ => new Nobody(), new KernelEntry(512, entry)));
        Assert.Throws<ArgumentOutOfRangeException>(() => ProcessorSeat.Take(_machine, static _ => new Nobody(), new KernelEntry(511, Entry.None)));

        var shadow = new Shadow();
        using var seat = ProcessorSeat.Take(_machine, static _ => new Nobody(), new KernelEntry(511, entry), shadow);
        Assert.Equal(_second.Number + 1, seat.Number);
        using (var view = seat.View())
        {
            Assert.Equal(entry, view.Read(_machine.CreateSpace().RootAddress, 511));
        }

        Assert.Throws<InvalidOperationException>(() => ProcessorSeat.Take(_machine, static _ => new Nobody(), new KernelEntry(511, entry)));
    }

    [Fact]
    public void Who_shadows_tables_is_told_of_those_that_it_may_have_seen()
    {
        var shadow = new Shadow();
        var seat = ProcessorSeat.Take(_machine, static _ => new Nobody(), shadow: shadow);
        var seen = _machine.CreateSpace();
        var unseen = _machine.CreateSpace();
        Assert.True(seat.TryLoad(seen));
        PhysicalAddress TableOf(AddressSpace space)
        {
            var at = space.Map(MapRequest.Anonymous(8192, Rights.ReadWrite) with { Populate = PopulateKind.Write }).Value;
            using var view = seat.View();
            Assert.True(view.TryWalk(space, at, out var leaf));
            space.Unmap(at, 4096);
            return leaf.Table;
        }

        var (of, notOf) = (TableOf(seen), TableOf(unseen));
        Assert.Contains(of, shadow.Tables);
        Assert.DoesNotContain(notOf, shadow.Tables);
        _machine.Reclaim();
        Assert.True(shadow.Reuses > 0);

        seat.Dispose();
        shadow.Tables.Clear();
        TableOf(seen);
        Assert.Empty(shadow.Tables);
    }

    [Fact]
    public void A_system_call_reads_and_writes_as_the_space_itself_does()
    {
        var memory = new UserMemory(_machine);
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(12 * Kibi, Rights.ReadWrite)).Value;
        byte[] bytes = [.. Enumerable.Range(0, 6000).Select(i => (byte)i)];
        Assert.True(memory.Write(space, at + 100, bytes).IsCompleted);
        var read = new byte[6000];
        Assert.True(memory.Read(space, at + 100, read).IsCompleted);
        Assert.Equal(bytes, read);

        Assert.Equal(Errno.None, space.Protect(at + 8192, 4096, Rights.None));
        var result = memory.Read(space, at + 4096, new byte[8192]);
        Assert.Equal((AccessOutcome.NotAllowed, at + 8192), (result.Outcome, result.Address));
        Assert.Equal(AccessOutcome.NotMapped, memory.Read(space, space.UserEnd - 1, new byte[2]).Outcome);
        Assert.Equal(AccessOutcome.NotMapped, memory.Write(space, new VirtualAddress(ulong.MaxValue), [1]).Outcome);
        space.Exit();
        Assert.Equal(AccessOutcome.NoSpace, memory.Read(space, at, new byte[1]).Outcome);
    }

#if PANDO_CHECKED
    [Fact]
    public void A_processor_that_calls_the_library_from_a_flush_is_stopped_in_the_checked_build()
    {
        var space = _machine.CreateSpace();
        var at = space.Map(MapRequest.Anonymous(Mebi, Rights.ReadWrite)).Value;
        using var seat = ProcessorSeat.Take(_machine, _ => new Caller(() => space.Fault(at, AccessKind.Read)));
        Assert.True(seat.TryLoad(space));
        Assert.True(space.Fault(at, AccessKind.Write).IsResolved);

        var error = Assert.ThrowsAny<InvalidOperationException>(() => space.Unmap(at, 4096));

        Assert.Contains("asked for a lock of rank Space", error.Message, StringComparison.Ordinal);
    }
#endif

    private static void Change(string change, AddressSpace space, VirtualAddress at, Files.MappedFile file)
    {
        switch (change)
        {
            case "unmap":
                Assert.Equal(Errno.None, space.Unmap(at, Mebi));
                break;
            case "protect":
                Assert.Equal(Errno.None, space.Protect(at, Mebi, Rights.None));
                break;
            case "truncate":
                Assert.Equal(Errno.None, file.SetSize(0));
                break;
            default:
                space.Exit();
                break;
        }
    }

    /// <summary>Keeps nothing.</summary>
    private sealed class Nobody : IPlatformProcessor
    {
        public FlushAnswer Flush(in FlushRequest request) => request.Answer(kept: false);
    }

    private sealed class Caller(Action call) : IPlatformProcessor
    {
        public FlushAnswer Flush(in FlushRequest request)
        {
            call();
            return request.Answer(kept: true);
        }
    }

    private sealed class Shadow : IShadowTables
    {
        public HashSet<PhysicalAddress> Tables { get; } = [];

        public int Reuses { get; private set; }

        public void Changed(PhysicalAddress table) => Tables.Add(table);

        public void BeforeReuse() => Reuses++;
    }
}
