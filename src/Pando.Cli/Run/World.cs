using System.Diagnostics;
using Pando.Files;
using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Kvm.Native;
using Pando.Linux.Text;
using Pando.Machines;
using Pando.Spaces;
using Pando.Tables;

namespace Pando.Cli.Run;

/// <summary>
/// One world: a machine with a memory device, one file over all of it, and processes that each map the whole file.
/// The first process faults every page in; the others only map, unless nothing of the leaves is shared.
/// </summary>
internal sealed class World : IDisposable
{
    // Where a mapping goes that is too large for the addresses that the engine would choose.
    private static readonly VirtualAddress LowestFixed = new(1UL << 39);

    // One step of populating: large enough to cost nothing, small enough that Ctrl-C is heard at once.
    private const long PopulateStep = 64L << 30;

    // How many processes a thread takes at a time where each costs microseconds.
    private const int ProcessesPerStep = 32;

    private readonly MapRequest _request;

    private World(WorldPlan plan, Machine machine, PmemDevice device, DaxFile file, ProcessorChoice processor)
    {
        Plan = plan;
        Processor = processor;
        Machine = machine;
        Device = device;
        File = file;
        _request = MapRequest.SharedFile(file, Rights.ReadWrite);
        if (plan.Options.Memory > (long)(plan.Options.Format.Geometry.UserEnd.Value / 2))
        {
            _request = _request with { Address = LowestFixed, Placement = MapPlacement.FixedNoReplace };
        }

        Spaces = new AddressSpace[plan.ProcessesToBuild];
    }

    public WorldPlan Plan { get; }

    public Machine Machine { get; }

    public PmemDevice Device { get; }

    public DaxFile File { get; }

    /// <summary>The processes, in the order in which they were asked for.</summary>
    public AddressSpace[] Spaces { get; }

    /// <summary>What runs the program: what was chosen, or what was left when that could not be started.</summary>
    public ProcessorChoice Processor { get; }

    /// <summary>The machine's real processors; null where software runs the program.</summary>
    public KvmMachine? Kvm { get; private set; }

    /// <summary>Where every process has mapped the file.</summary>
    public VirtualAddress Start { get; private set; }

    /// <summary>What was measured while the world was built.</summary>
    public WorldTimes Times { get; private set; }

    /// <summary>The most that a world of that format can map.</summary>
    public static long MostMemory(EntryFormat format)
    {
        long tebibyte = 1L << 40;
        long user = (format.Geometry.UserEnd - LowestFixed) & -tebibyte;

        // Below the device lies the machine's RAM, of which there may be as much as the budget says.
        long physical = (1L << format.PhysicalAddressBits) - tebibyte;
        return Math.Min(user, physical);
    }

    /// <summary>Makes the machine and the file. No process yet.</summary>
    /// <param name="plan">What to build.</param>
    /// <param name="pmemPath">The file that keeps the memory's bytes; null for sparse memory of the host.</param>
    public static World Create(WorldPlan plan, string? pmemPath)
    {
        var options = plan.Options;
        var machine = new Machine(new MachineOptions
        {
            Ram = plan.MachineRam,
            Format = options.Format,
            Sharing = plan.Share.Levels,
            LargestPage = options.PageSize,
        });
        KvmMachine? kvm = null;
        try
        {
            // Before the first space: each root table has the entry that the vCPUs' stub needs.
            var processor = options.Processor;
            kvm = processor.UsesKvm ? TryStartProcessors(machine, ref processor, options.Threads) : null;
            var device = AddDevice(machine, options.Memory, pmemPath);
            if (processor.IsRequired && device.Backing == PmemBacking.None)
            {
                throw new InputException("--processor kvm: the host has no addresses for the bytes of so much memory, so no program can run; use less --memory, or --processor auto");
            }

            // A file that is given stays as it is but for what is stored.
            var file = device.OpenFile("database", options.Memory, [new FileExtent(0, 0, options.Memory)]);
            return new World(plan, machine, device, file, processor) { Kvm = kvm };
        }
        catch
        {
            kvm?.Dispose();
            machine.Dispose();
            throw;
        }
    }

    /// <summary>Builds the processes.</summary>
    /// <exception cref="OperationCanceledException">It was called off; the world can only be disposed of.</exception>
    public void Build(IRunProgress progress, CancellationToken cancellation)
    {
        string share = Plan.Share.Describe;
        progress.Begin($"{share}: the first process faults in {ByteText.Precise(Plan.Options.Memory)}", Plan.Options.Memory);
        var watch = Stopwatch.StartNew();
        Spaces[0] = Machine.CreateSpace();
        Start = Spaces[0].Map(_request).Value;
        FaultIn(Spaces[0], progress, cancellation);
        var first = watch.Elapsed;

        int others = Spaces.Length - 1;
        string extra = Plan.LeavesAreShared ? "" : ", each faulting in all of it";
        progress.Begin(FormattableString.Invariant($"{share}: {others:N0} more processes map it{extra}"), Plan.LeavesAreShared ? others : others * Plan.Options.Memory);
        long attachedBefore = Machine.Count(TableEvent.Attached);
        watch.Restart();
        Parallel(1, Spaces.Length, i => MapInto(i, progress, cancellation), Plan.LeavesAreShared ? progress : null, cancellation);
        Times = new WorldTimes(first, watch.Elapsed, Machine.Count(TableEvent.Attached) - attachedBefore);
    }

    /// <summary>Ends the real processors, where there are any; the world goes on without.</summary>
    public void StopProcessors() => Kvm?.Dispose();

    public void Dispose()
    {
        Kvm?.Dispose();
        File.Dispose();
        Machine.Dispose();
    }

    private static KvmMachine? TryStartProcessors(Machine machine, ref ProcessorChoice processor, int threads)
    {
        try
        {
            return new KvmMachine(machine, Math.Min(threads, KvmMachine.MostProcessors));
        }
        catch (KvmException e) when (processor.IsRequired)
        {
            throw new InputException($"--processor kvm: {e.Message}");
        }
        catch (KvmException e)
        {
            processor = ProcessorChoice.Software(e.Message.TrimEnd('.'));
            return null;
        }
    }

    private static PmemDevice AddDevice(Machine machine, long size, string? path)
    {
        if (path is not null)
        {
            try
            {
                return machine.AddPmem(size, PmemBacking.File, path);
            }
            catch (Exception e) when (e is InsufficientMemoryException or IOException)
            {
                throw new InputException($"--pmem: '{path}' cannot be mapped ({e.Message.TrimEnd('.')}); use less --memory, or an ordinary file");
            }
        }

        try
        {
            return machine.AddPmem(size);
        }
        catch (InsufficientMemoryException)
        {
            // The host has fewer addresses for a program than the world's memory has. The tables do not mind.
            return machine.AddPmem(size, PmemBacking.None);
        }
    }

    private void MapInto(int index, IRunProgress progress, CancellationToken cancellation)
    {
        var space = Machine.CreateSpace();
        Spaces[index] = space;
        var mapped = space.Map(_request);
        if (mapped.Value != Start)
        {
            throw new InvalidOperationException($"Process {index} has mapped the file at {mapped.Value}, the first one at {Start}.");
        }

        if (!Plan.LeavesAreShared)
        {
            FaultIn(space, progress, cancellation);
        }
    }

    /// <summary>
    /// As if every page were stored to, so that no later load or store of any process finds anything left to do.
    /// </summary>
    private void FaultIn(AddressSpace space, IRunProgress progress, CancellationToken cancellation)
    {
        long memory = Plan.Options.Memory;
        for (long done = 0; done < memory; done += PopulateStep)
        {
            cancellation.ThrowIfCancellationRequested();
            long step = Math.Min(PopulateStep, memory - done);
            var result = space.Populate(AddressRange.FromLength(Start + done, step), AccessKind.Write);
            if (!result.IsResolved)
            {
                throw new InvalidOperationException($"The page at {result.Address} could not be faulted in: {result.Kind}.");
            }

            progress.Advance(step);
        }
    }

    private void Parallel(int from, int to, Action<int> work, IRunProgress? progress, CancellationToken cancellation)
    {
        int next = from;
        int share = Plan.LeavesAreShared ? ProcessesPerStep : 1;
        var failures = new List<Exception>();
        void Loop()
        {
            try
            {
                int begin;
                while ((begin = Interlocked.Add(ref next, share) - share) < to)
                {
                    int end = Math.Min(begin + share, to);
                    for (int i = begin; i < end; i++)
                    {
                        cancellation.ThrowIfCancellationRequested();
                        work(i);
                    }

                    progress?.Advance(end - begin);
                }
            }
#pragma warning disable CA1031 // Whatever went wrong on a thread is thrown again on the caller's.
            catch (Exception e)
#pragma warning restore CA1031
            {
                lock (failures)
                {
                    failures.Add(e);
                }
            }
        }

        var threads = new Thread[Math.Min(Plan.Options.Threads, Math.Max(1, to - from)) - 1];
        for (int i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(Loop) { IsBackground = true };
            threads[i].Start();
        }

        Loop();
        foreach (var thread in threads)
        {
            thread.Join();
        }

        if (failures.Count > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            throw new InvalidOperationException($"A world could not be built: {failures[0].Message}", failures[0]);
        }
    }
}
