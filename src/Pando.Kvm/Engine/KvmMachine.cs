using System.Runtime.InteropServices;
using Pando.Hardware;
using Pando.Kvm.Guests;
using Pando.Kvm.Physical;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Machines;
using Pando.Platforms;
using Pando.Spaces;

namespace Pando.Kvm.Engine;

/// <summary>Real processors for a <see cref="Machine"/>: KVM vCPUs that run in its address spaces, on its tables.</summary>
/// <remarks>
/// <para>Made before the machine's first address space, because every root table gets the entry that leads to the
/// ring-0 stub; disposed of before the machine.</para>
/// <para>Flushes: the vCPUs have one seat among the machine's processors, all together. A space that was loaded once counts as
/// loaded until it ends.</para>
/// <para>Where the processors walk the tables themselves, each vCPU drops the spaces that a flush names, as the
/// software processor does: what it is in by a flush, the rest by giving them other PCIDs.</para>
/// <para>Where a hypervisor shadows the tables, the shadow outlives a space's time on a vCPU. Which tables have changed is
/// noted as it happens and flushed by whoever flushes next; so several threads' changes go in one flush, and who finds
/// nothing left to flush has waited for who took it.</para>
/// <para>All members but <see cref="Dispose"/> are safe for threads.</para>
/// </remarks>
public sealed class KvmMachine : IPlatformProcessor, IShadowTables, IDisposable
{
    /// <summary>The most vCPUs.</summary>
    public const int MostProcessors = KernelLayout.MostVcpus;

    // More tables than this are not noted one by one: forgetting everything is cheaper.
    private const int MostTables = 256;

    // What a hypervisor may spend on shadows; a shadow page is made only when its table is walked.
    private const int ShadowPages = 1 << 20;

    private readonly VirtualMachine _vm;
    private readonly DeviceSlots _devices;
    private readonly ChangedTables _changed = new(MostTables);
    private readonly Lock _flushLock = new();
    private readonly List<ulong> _flushing = [];
    private readonly UserMemory _userMemory;
    private readonly ProcessorSeat _seat;
    private readonly SpaceProcessor[] _processors;
    private bool _disposed;
    private long _flushes;
    private long _flushedTables;
    private long _fullFlushes;

    /// <summary>Makes the virtual machine and as many vCPUs as asked for.</summary>
    /// <param name="machine">The machine; it has no address space yet, never had vCPUs, and its tables are x86-64's.</param>
    /// <param name="processors">How many vCPUs, up to <see cref="MostProcessors"/>.</param>
    /// <exception cref="ArgumentException">The machine's tables are not x86-64's, or fewer than one vCPU is asked for.</exception>
    /// <exception cref="InvalidOperationException">The machine has address spaces, or vCPUs, or no room for a processor. It is as it was.</exception>
    /// <exception cref="KvmException">KVM cannot be used here; see <see cref="KvmAvailability"/>. The machine is as it was.</exception>
    public KvmMachine(Machine machine, int processors = 1)
        : this(machine, processors, parks: null)
    {
    }

    /// <summary>The same, for tests that decide whether vCPUs park between rounds.</summary>
    internal KvmMachine(Machine machine, int processors, bool? parks)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentOutOfRangeException.ThrowIfLessThan(processors, 1);
        if (machine.Format is not X64Format)
        {
            throw new ArgumentException($"KVM's processors here walk x86-64's tables; these are {machine.Format}.", nameof(machine));
        }

        if (machine.Options.ExecuteOnlyByKey)
        {
            throw new ArgumentException("vCPUs run without protection keys (CR4.PKE), so that none keeps loads from what may only be executed; make the machine without ExecuteOnlyByKey.", nameof(machine));
        }

        _userMemory = new UserMemory(machine);
        _processors = new SpaceProcessor[processors];
        _vm = new VirtualMachine(machine.Format.Geometry.Levels, parks);
        try
        {
            if (machine.Options is { LargePages: true, LargestPage: { } largest } && largest > machine.Format.Geometry.EntrySpan(Level.Pmd) && !_vm.HasGigabytePages)
            {
                throw new KvmException("this host offers its guests no pages of 1 GiB (CPUID 80000001 EDX bit 26); use pages of 2 MiB at most");
            }

            if (IsShadowed)
            {
                _vm.AllowShadowPages(ShadowPages);
            }

            _devices = new DeviceSlots(_vm, machine.Memory);
            _vm.Memory.AttachMissing = _devices.TryAttach;
            _vm.AddMemory(0, (ulong)machine.Memory.RamBytes, machine.Memory.HostAddressOf(new PhysicalAddress(0)));
            var cpus = new VirtualProcessor[processors];
            for (int i = 0; i < processors; i++)
            {
                cpus[i] = _vm.CreateProcessor();
            }

            // Complete but for its seat: when it has that, and the machine does not refuse, the machine knows of the vCPUs.
            _seat = ProcessorSeat.Take(
                machine,
                seat =>
                {
                    for (int i = 0; i < processors; i++)
                    {
                        _processors[i] = new SpaceProcessor(
                            cpus[i], seat, _vm.HasPcid ? new ProcessorContexts() : null, keepsByRoot: !IsShadowed && !_vm.HasPcid);
                    }

                    return this;
                },
                new KernelEntry(KernelLayout.RootIndex, new Entry(_vm.KernelEntry)),
                IsShadowed ? this : null);
        }
        catch
        {
            _disposed = true;
            _vm.Dispose();
            throw;
        }
    }

    /// <summary>What the CPU walks: the machine's tables or a hypervisor's shadow of them.</summary>
    public TranslationKind Translation => _vm.Translation;

    /// <summary>How many vCPUs there are.</summary>
    public int ProcessorCount => _processors.Length;

    /// <summary>Flushes so far, those of everything included.</summary>
    public long Flushes => Interlocked.Read(ref _flushes);

    /// <summary>Tables that were flushed one by one.</summary>
    public long FlushedTables => Interlocked.Read(ref _flushedTables);

    /// <summary>Flushes that dropped everything, because too many tables had changed.</summary>
    public long FullFlushes => Interlocked.Read(ref _fullFlushes);

    /// <summary>Pieces of devices that are memory slots.</summary>
    public int AttachedPieces => _devices.Pieces;

    internal VirtualMachine Virtual => _vm;

    internal ProcessorSeat Seat => _seat;

    private bool IsShadowed => _vm.Translation == TranslationKind.Shadow;

    internal ReadOnlySpan<SpaceProcessor> Processors => _processors;

    /// <summary>
    /// Reads a word every <paramref name="stride"/> bytes in each space and adds 1, locked, to the word behind each;
    /// the spaces take turns on all vCPUs, from one to the next without an exit.
    /// </summary>
    /// <param name="spaces">The spaces; each maps the words readable and writable at the same addresses.</param>
    /// <param name="start">The first word's address; a multiple of 8.</param>
    /// <param name="stride">Bytes from one to the next, at least 16.</param>
    /// <param name="count">How many words.</param>
    /// <param name="limit">The most time for one space.</param>
    /// <param name="ended">Told how many spaces more a vCPU is through with, on its thread.</param>
    /// <param name="cancellation">Calls it off.</param>
    /// <exception cref="ArgumentException">A space is one of another machine, or count or stride are too small.</exception>
    /// <exception cref="OperationCanceledException">It was called off.</exception>
    public RoundReport ReadAndCount(
        IReadOnlyList<AddressSpace> spaces,
        VirtualAddress start,
        long stride,
        int count,
        TimeSpan limit,
        Action<int>? ended = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(spaces);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 16);
        if (spaces.FirstOrDefault(space => !_seat.Serves(space)) is { } stranger)
        {
            throw new ArgumentException($"{stranger} is one of another machine; its tables are not in the memory of these vCPUs.", nameof(spaces));
        }

        return new SpaceRounds(this, CommonCode.ReadAndCountRound, limit, ended, cancellation).Run(
            spaces, _ => new KvmRegisters { R8 = start.Value, R9 = (ulong)count, Rsi = (ulong)stride });
    }

    /// <summary>
    /// Lets vCPUs reach a part of a device before one does: instructions that move more than 8 bytes cannot be carried out where memory
    /// is attached by their own access.
    /// </summary>
    /// <param name="start">The first physical address, in a region that has bytes.</param>
    /// <param name="length">Bytes, more than none.</param>
    /// <exception cref="ArgumentException">No region with bytes is there, or not that much of it.</exception>
    public void Attach(PhysicalAddress start, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        if (!_devices.TryAttachAll(start.Value, length))
        {
            throw new ArgumentException($"There are no {length:N0} bytes at {start} that vCPUs could reach.", nameof(start));
        }
    }

    FlushAnswer IPlatformProcessor.Flush(in FlushRequest request)
    {
        bool kept = false;
        if (request.Kind == FlushKind.End)
        {
            foreach (var processor in _processors)
            {
                kept |= processor.Evict(request.Space!);

                // A shadow goes when the tables do, as changed tables.
                kept |= !IsShadowed && processor.Drop(request);
            }
        }
        else if (IsShadowed)
        {
            Flush();
            kept = true;
        }
        else
        {
            foreach (var processor in _processors)
            {
                kept |= processor.Drop(request);
            }

            Count(kept);
        }

        return request.Answer(kept);
    }

    void IShadowTables.Changed(PhysicalAddress table) => _changed.Note(table);

    void IShadowTables.BeforeReuse() => Flush();

    /// <summary>Copies bytes from a space, as its own loads would see them; faults are resolved.</summary>
    /// <returns>Whether all of them could be read: they are the user's, and readable.</returns>
    internal bool TryCopyFrom(AddressSpace space, VirtualAddress address, Span<byte> bytes) => _userMemory.Read(space, address, bytes).IsCompleted;

    private void Count(bool flushed)
    {
        if (flushed)
        {
            Interlocked.Increment(ref _flushes);
        }
    }

    /// <summary>When it returns, no vCPU uses what stood in a table before a change that was made before the call.</summary>
    private void Flush()
    {
        // Held while the hypervisor is at work: who finds the list empty must not return before those who emptied it.
        lock (_flushLock)
        {
            if (_disposed || !_changed.TryTake(_flushing, out bool many))
            {
                return;
            }

            Interlocked.Increment(ref _flushes);
            if (many)
            {
                Interlocked.Increment(ref _fullFlushes);
                _vm.FlushEverything();
            }
            else
            {
                Interlocked.Add(ref _flushedTables, _flushing.Count);
                _vm.Flush(CollectionsMarshal.AsSpan(_flushing));
            }
        }
    }

    /// <summary>Ends the virtual machine; no vCPU may be running. The machine goes on without it, and is never given another.</summary>
    public void Dispose()
    {
        // Nobody asks it to flush any more; who is about to asks what finds that it has ended.
        _seat.Dispose();
        lock (_flushLock)
        {
            if (!_disposed)
            {
                _disposed = true;
                _vm.Dispose();
            }
        }
    }
}
