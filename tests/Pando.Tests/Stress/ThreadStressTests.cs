using System.Globalization;
using Pando.Files;
using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;
using Pando.Tests.Support;

namespace Pando.Tests.Stress;

/// <summary>
/// Several threads at once, a bounded number of operations, and rest points at which all stand still and the auditor
/// walks the machine. PANDO_STRESS multiplies the rounds.
/// </summary>
#pragma warning disable CA5394 // A test wants a sequence that it can have again.
public class ThreadStressTests
{
    private const long Mebi = 1L << 20;
    private const long Gibi = 1L << 30;
    private const int Threads = 4;
    private static readonly VirtualAddress At = new(0x4000_0000_0000);

    private static int Rounds(int rounds) =>
        rounds * (int.TryParse(Environment.GetEnvironmentVariable("PANDO_STRESS"), NumberStyles.Integer, CultureInfo.InvariantCulture, out int factor) ? factor : 1);

    [Theory]
    [InlineData(SharingLevels.All, true, 4)]
    [InlineData(SharingLevels.UpTo1GiB, false, 4)]
    [InlineData(SharingLevels.UpTo2MiB, false, 5)]
    [InlineData(SharingLevels.Pmd, true, 4)]
    [InlineData(SharingLevels.None, false, 4)]
    public void Spaces_of_many_threads_stay_sound_whatever_all_of_them_do(SharingLevels sharing, bool largePages, int levels)
    {
        using var machine = new Machine(new MachineOptions
        {
            Ram = 512 * Mebi,
            Sharing = sharing,
            LargePages = largePages,
            Format = levels == 4 ? X64Format.FourLevels : X64Format.FiveLevels,
        });
        var pmem = machine.AddPmem(4 * Gibi);
        MappedFile[] files =
        [
            pmem.CreateFile("large", 2 * Gibi),
            pmem.CreateFile("holes", 8 * Mebi, []),
            machine.CreateMemoryFile("memory", 4 * Mebi),
        ];
        var spaces = new AddressSpace?[3];
        var gate = new Lock();
        for (int round = 0; round < Rounds(12); round++)
        {
            int seed = round * 1000;
            Together(thread =>
            {
                var random = new Random(seed + thread);
                for (int i = 0; i < 250; i++)
                {
                    Anything(machine, files, spaces, gate, random);
                }
            });
            Sound(machine, $"round {round}");
        }

        foreach (var space in machine.Spaces)
        {
            space.Exit();
        }

        End(machine, files);
    }

    [Fact]
    public void Each_threads_own_pages_keep_what_it_stored_while_others_fault_unmap_fork_and_reclaim()
    {
        using var machine = new Machine(new MachineOptions { Ram = 256 * Mebi, LargePages = false });
        var file = machine.AddPmem(2 * Gibi).CreateFile("data", Gibi);
        var space = machine.CreateSpace();
        Map(space, MapRequest.SharedFile(file, Rights.ReadWrite), At);
        Map(space, MapRequest.PrivateFile(file, Rights.ReadWrite), At + Gibi);
        Map(space, MapRequest.Anonymous(Gibi, Rights.ReadWrite), At + (2 * Gibi));
        var reader = new TableReader(machine.Format, machine.Memory);
        for (int round = 0; round < Rounds(6); round++)
        {
            int seed = round;
            Together(thread =>
            {
                // A thread's pages lie beside those of the others, in the same tables: 300 times 5 pages in each of three 8 MiB.
                var random = new Random((seed * 100) + thread);
                for (int i = 0; i < 150; i++)
                {
                    // The three places are so far apart that no page of one is a page of another.
                    int page = (random.Next(300) * (Threads + 1)) + thread;
                    var offset = (random.Next(3) * 16 * Mebi) + (page * 4096L);
                    byte value = (byte)random.Next(1, 256);
                    foreach (var start in (VirtualAddress[])[At + (2 * Gibi), At + Gibi, At])
                    {
                        Store(machine, reader, space, start + offset, value);
                        byte found = Load(machine, reader, space, start + offset);
                        Assert.Equal(value, found);
                    }

                    switch (random.Next(12))
                    {
                        case 0:
                            // A page that only this thread uses goes and comes back.
                            var own = At + (512 * Mebi) + (thread * 4096);
                            Assert.Equal(Errno.None, space.Unmap(own, 4096));
                            Assert.Equal(FaultKind.NotMapped, space.Fault(own, AccessKind.Read).Kind);
                            Map(space, MapRequest.SharedFile(file, Rights.ReadWrite) with { Offset = own - At, Length = 4096 }, own);
                            break;
                        case 1:
                            machine.Reclaim();
                            break;
                        case 2:
                            // A child sees what was stored before it was made, and keeps it.
                            using (var child = new Ended(space.Fork()!))
                            {
                                Assert.Equal(value, Load(machine, reader, child.Space, At + (2 * Gibi) + offset));
                                Store(machine, reader, child.Space, At + (2 * Gibi) + offset, (byte)(value + 1));
                                Assert.Equal(value, Load(machine, reader, space, At + (2 * Gibi) + offset));
                            }

                            break;
                    }
                }
            });
            Sound(machine, $"round {round}");
            Assert.Single(space.Areas, area => area.File is not null && area.Shared);
        }

        space.Exit();
        End(machine, [file]);
    }

    [Fact]
    public void Hazard_04_concurrent_first_faults_on_one_span_make_one_table_of_each_level()
    {
        for (int round = 0; round < Rounds(150); round++)
        {
            using var machine = new Machine(new MachineOptions { Ram = 8 * Mebi, LargePages = false });
            var file = machine.AddPmem(2 * Gibi).CreateFile("data", Gibi);
            var spaces = Enumerable.Range(0, Threads).Select(_ => machine.CreateSpace()).ToArray();
            Together(thread =>
            {
                Map(spaces[thread], MapRequest.SharedFile(file, Rights.ReadWrite), At);
                Assert.True(spaces[thread].Fault(At + (thread * 4096), AccessKind.Write).IsResolved);
            });
            Assert.Equal([1, 1, 1], Enumerable.Range(Level.Pte, 3).Select(file.Tables.TablesAt));
            Sound(machine, $"round {round}");
            var reader = new TableReader(machine.Format, machine.Memory);
            for (int page = 0; page < Threads; page++)
            {
                Assert.Equal(file.Locate(page * 4096), reader.Translate(spaces[(page + 1) % Threads], At + (page * 4096), AccessKind.Write));
            }

            foreach (var space in spaces)
            {
                space.Exit();
            }

            End(machine, [file]);
        }
    }

    [Fact]
    public void Concurrent_stores_to_a_hole_give_it_storage_once()
    {
        for (int round = 0; round < Rounds(60); round++)
        {
            using var machine = new Machine(new MachineOptions { Ram = 16 * Mebi });
            var pmem = machine.AddPmem(8 * Mebi);
            var file = pmem.CreateFile("holes", 6 * Mebi, []);
            var spaces = Enumerable.Range(0, Threads).Select(_ => machine.CreateSpace()).ToArray();
            var reader = new TableReader(machine.Format, machine.Memory);
            foreach (var space in spaces)
            {
                Map(space, MapRequest.SharedFile(file, Rights.ReadWrite), At);
                Assert.True(space.Populate(AddressRange.FromLength(At, 6 * Mebi), AccessKind.Read).IsResolved);
            }

            Together(thread =>
            {
                for (int i = 0; i < 3; i++)
                {
                    Store(machine, reader, spaces[thread], At + (i * 2 * Mebi) + (thread * 4096), (byte)(thread + 1));
                }
            });
            Sound(machine, $"round {round}");
            Assert.Equal(2 * Mebi, pmem.FreeBytes);
            for (int i = 0; i < 3; i++)
            {
                for (int thread = 0; thread < Threads; thread++)
                {
                    Assert.Equal(thread + 1, Load(machine, reader, spaces[0], At + (i * 2 * Mebi) + (thread * 4096)));
                }
            }

            foreach (var space in spaces)
            {
                space.Exit();
            }

            End(machine, [file]);
            Assert.Equal(8 * Mebi, pmem.FreeBytes);
        }
    }

    [Fact]
    public void Memory_that_runs_out_under_many_threads_is_given_back_whole()
    {
        using var machine = new Machine(new MachineOptions { Ram = 4 * Mebi, Sharing = SharingLevels.UpTo1GiB, LargePages = false });
        var file = machine.AddPmem(2 * Gibi).CreateFile("data", Gibi);
        for (int round = 0; round < Rounds(10); round++)
        {
            Together(thread =>
            {
                for (int i = 0; i < 20; i++)
                {
                    AddressSpace space;
                    try
                    {
                        space = machine.CreateSpace();
                    }
                    catch (InsufficientMemoryException)
                    {
                        continue;
                    }

                    Map(space, MapRequest.PrivateFile(file, Rights.ReadWrite), At);
                    Map(space, MapRequest.Anonymous(4 * Mebi, Rights.ReadWrite), At + Gibi);
                    var kind = space.Populate(AddressRange.FromLength(At + Gibi, 4 * Mebi), AccessKind.Write).Kind;
                    Assert.True(kind is FaultKind.Populated or FaultKind.OutOfMemory);
                    kind = space.Populate(AddressRange.FromLength(At, Mebi), AccessKind.Write).Kind;
                    Assert.True(kind is FaultKind.Populated or FaultKind.OutOfMemory);
                    space.Fork()?.Exit();
                    space.Exit();
                }
            });
            Sound(machine, $"round {round}");
        }

        End(machine, [file]);
    }

    private static void Anything(Machine machine, MappedFile[] files, AddressSpace?[] spaces, Lock gate, Random random)
    {
        int slot = random.Next(spaces.Length);
        var space = Volatile.Read(ref spaces[slot]);
        if (space is null)
        {
            lock (gate)
            {
                spaces[slot] ??= machine.CreateSpace();
            }

            return;
        }

        // Another thread may end the space at any moment; that is said by an exception, or by "nothing is mapped".
        try
        {
            var address = At + (random.Next(3) * Gibi) + (random.Next(3) * 2 * Mebi) + (random.Next(20) * 4096);
            switch (random.Next(24))
            {
                case 0 or 1 or 2:
                    var file = random.Next(4) == 3 ? null : files[random.Next(files.Length)];
                    long length = random.Next(3) switch { 0 => 4096, 1 => 5 * Mebi, _ => Gibi + (4 * Mebi) };
                    space.Map(new MapRequest(file is null ? Math.Min(length, 5 * Mebi) : length, random.Next(3) == 0 ? Rights.Read : Rights.ReadWrite)
                    {
                        File = file,
                        Offset = file is null ? 0 : (address - At) & (Gibi - 1) & -4096,
                        Shared = random.Next(2) == 0,
                        Address = address,
                        Placement = random.Next(3) == 0 ? MapPlacement.Anywhere : MapPlacement.Fixed,
                        Populate = length == 4096 ? PopulateKind.Read : PopulateKind.None,
                    });
                    break;
                case 3 or 4:
                    Assert.Equal(Errno.None, space.Unmap(address, random.Next(2) == 0 ? 4096 : 3 * Mebi));
                    break;
                case 5:
                    if (space.Fork() is { } child)
                    {
                        child.Fault(address, AccessKind.Write);
                        int other = random.Next(spaces.Length);
                        if (Interlocked.CompareExchange(ref spaces[other], child, null) is not null)
                        {
                            child.Exit();
                        }
                    }

                    break;
                case 6:
                    if (random.Next(4) == 0 && Interlocked.CompareExchange(ref spaces[slot], null, space) == space)
                    {
                        space.Exit();
                    }

                    break;
                case 7:
                    machine.Reclaim();
                    break;
                case 8:
                    space.Populate(AddressRange.FromLength(address, 64 * 4096), random.Next(2) == 0 ? AccessKind.Read : AccessKind.Write);
                    break;
                default:
                    space.Fault(address, (AccessKind)random.Next(2));
                    break;
            }
        }
        catch (ObjectDisposedException)
        {
            Assert.True(space.HasExited);
        }
    }

    private static void Map(AddressSpace space, MapRequest request, VirtualAddress at) =>
        Assert.Equal(at, space.Map(request with { Address = at, Placement = MapPlacement.Fixed }).Value);

    /// <summary>Stores as a processor does: a fault, and again, until the tables allow it.</summary>
    private static void Store(Machine machine, TableReader reader, AddressSpace space, VirtualAddress at, byte value)
    {
        while (true)
        {
            // Inside an epoch no frame that the walk finds is given to anybody else.
            var epoch = machine.Store.Epochs.Enter();
            var place = reader.Translate(space, at, AccessKind.Write);
            if (place is { } found)
            {
                machine.Memory.Bytes(found, 1)[0] = value;
                bool still = reader.Translate(space, at, AccessKind.Write) == found;
                epoch.Dispose();
                if (still)
                {
                    return;
                }

                continue;
            }

            epoch.Dispose();
            Assert.True(space.Fault(at, AccessKind.Write).IsResolved);
        }
    }

    private static byte Load(Machine machine, TableReader reader, AddressSpace space, VirtualAddress at)
    {
        while (true)
        {
            var epoch = machine.Store.Epochs.Enter();
            var place = reader.Translate(space, at, AccessKind.Read);
            byte value = place is { } found ? machine.Memory.Bytes(found, 1)[0] : (byte)0;
            epoch.Dispose();
            if (place is not null)
            {
                return value;
            }

            Assert.True(space.Fault(at, AccessKind.Read).IsResolved);
        }
    }

    /// <summary>Runs a body on all threads from one moment on; the first failure is thrown here.</summary>
    private static void Together(Action<int> body)
    {
        using var start = new Barrier(Threads);
        var failures = new Exception?[Threads];
        var threads = Enumerable.Range(0, Threads).Select(number => new Thread(() =>
        {
            try
            {
                start.SignalAndWait();
                body(number);
            }
            catch (Exception exception)
            {
                failures[number] = exception;
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        if (failures.FirstOrDefault(failure => failure is not null) is { } first)
        {
            throw new AggregateException(first);
        }
    }

    private static void Sound(Machine machine, string when)
    {
        var report = machine.Audit();
        Assert.True(report.IsSound, $"{when}: {string.Join("; ", report.Violations.Take(6))}");
    }

    private static void End(Machine machine, MappedFile[] files)
    {
        foreach (var file in files)
        {
            file.Dispose();
            Assert.True(file.HasEnded);
        }

        machine.Reclaim();
        Sound(machine, "the end");
        Assert.Equal(1, machine.FramesInUse);
        Assert.Equal(machine.Count(TableEvent.Attached), machine.Count(TableEvent.Detached));
        Assert.Equal(machine.Count(TableEvent.TableCreated), machine.Count(TableEvent.TableFreed));
    }

    private readonly struct Ended(AddressSpace space) : IDisposable
    {
        public AddressSpace Space { get; } = space;

        public void Dispose() => Space.Exit();
    }
}
#pragma warning restore CA5394
