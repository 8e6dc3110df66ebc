using Pando.Kvm.Physical;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;

namespace Pando.Kvm.Guests;

/// <summary>A KVM machine: physical memory made of host memory, vCPUs, and the flush that reaches them all.</summary>
/// <remarks>
/// <para>Every address space that a vCPU is to run in holds <see cref="KernelEntry"/> in entry
/// <see cref="KernelLayout.RootIndex"/> of its root table; no other preparation.</para>
/// <para>Thread-safe but for <see cref="Dispose"/>.</para>
/// </remarks>
internal sealed class VirtualMachine : IDisposable
{
    // More tables than this cost more to touch (3.4 us each) than to forget everything and serve some of the faults
    // again; where the line is best drawn depends on how much is in use (docs/kvm-findings.md).
    private const int TouchLimit = 256;

    private readonly Lock _lock = new();
    private readonly int _device;
    private readonly int _vm = -1;
    private readonly PrivateMemory? _private;
    private readonly KernelImage _image;
    private readonly MemorySlots _slots;
    private readonly TableToucher _toucher;
    private readonly ProcessorAbilities _abilities;
    private VirtualProcessor[] _processors = []; // number 0 is the machine's own; replaced as a whole under the lock

    /// <summary>Creates the machine without memory and without vCPUs of its user's.</summary>
    /// <param name="levels">4, or 5 where the host has LA57.</param>
    /// <param name="parks">
    /// Whether a vCPU is in the machine's own space between rounds (<see cref="ParkingSpace"/>); by default where PCIDs
    /// are on, where it saves what the processor keeps from round to round.
    /// </param>
    /// <exception cref="KvmException">KVM is missing or refused; see <see cref="KvmAvailability"/>.</exception>
    internal VirtualMachine(int levels = 4, bool? parks = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(levels, 4);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(levels, 5);
        var availability = KvmAvailability.Check();
        if (!availability.IsUsable)
        {
            throw new KvmException(availability.Reason);
        }

        _device = LibC.Open(KvmAvailability.Device, LibC.OpenReadWrite | LibC.OpenCloseOnExec, 0);
        if (_device < 0)
        {
            throw KvmException.FromErrno($"open of {KvmAvailability.Device}");
        }

        try
        {
            _abilities = new ProcessorAbilities(_device);
            if (levels == 5 && !KvmAvailability.OffersFiveLevels(_device))
            {
                throw new KvmException("this host offers its guests no 5-level paging (CPUID 7.0 ECX bit 16, LA57); use 4 levels");
            }

            _vm = Require(LibC.Ioctl(_device, KvmRequest.CreateVm, 0), "KVM_CREATE_VM");
            _slots = new MemorySlots(_vm);
            Memory = new GuestMemory(_slots, levels);

            // Below 2^46 even where more could be addressed: the last bits are the first that hypervisors use themselves.
            _private = new PrivateMemory((1UL << Math.Min(PhysicalAddressBits, 46)) - (2 * PrivateMemory.Length));
            _slots.Add(_private.PhysicalBase, PrivateMemory.Length, _private.Memory.Address, readOnly: false);
            var own = new OwnTables(_private, levels);
            var parking = !(parks ?? HasPcid) ? 0 : own.Root | (HasPcid ? ProcessorState.NoFlush : 0);
            _image = new KernelImage(_private.Memory, _private.PhysicalBase, levels == 5, parking);
            own.KernelEntry = KernelEntry;
            var service = CreateProcessor();
            Translation = Probe(service, own);
            _toucher = new TableToucher(service, _image, own);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Physical memory as vCPUs see it.</summary>
    internal GuestMemory Memory { get; }

    /// <summary>Levels of page tables: 4 or 5.</summary>
    internal int Levels => Memory.Levels;

    /// <summary>True where vCPUs know leaves of 1 GiB.</summary>
    internal bool HasGigabytePages => _abilities.HasGigabytePages;

    /// <summary>What the CPU walks.</summary>
    internal TranslationKind Translation { get; }

    /// <summary>True where vCPUs run with CR4.PCIDE, so that <see cref="VirtualProcessor.Space"/> may carry a PCID.</summary>
    internal bool HasPcid => _abilities.HasPcid;

    /// <summary>See <see cref="KernelImage.ParkingSpace"/>.</summary>
    internal ulong ParkingSpace => _image.ParkingSpace;

    /// <summary>MAXPHYADDR of the vCPUs; guest-physical memory ends at <see cref="MemoryEnd"/>.</summary>
    internal int PhysicalAddressBits => _abilities.PhysicalAddressBits;

    /// <summary>The first guest-physical address that is not for the user's memory.</summary>
    internal ulong MemoryEnd => _private!.PhysicalBase;

    /// <summary>The root-table entry that maps the stub: the same value in every root.</summary>
    internal ulong KernelEntry => _image.RootEntry;

    /// <summary>The user's vCPUs.</summary>
    internal ReadOnlySpan<VirtualProcessor> Processors => Volatile.Read(ref _processors).AsSpan(1);

    /// <summary>Attaches host memory; see <see cref="MemorySlots.Add"/>.</summary>
    internal void AddMemory(ulong guestPhysical, ulong length, nint host, bool readOnly = false) =>
        _slots.Add(guestPhysical, length, host, readOnly);

    /// <summary>Takes memory away, with every vCPU out of guest mode meanwhile.</summary>
    internal void RemoveMemory(ulong guestPhysical, ulong length) =>
        WithProcessorsOut(() => _slots.Remove(guestPhysical, length));

    /// <summary>
    /// How many pages the hypervisor may spend on shadows of tables; by default it has 2 % of the memory that is
    /// attached, and drops shadows beyond that (Documentation/virt/kvm/api.rst 4.44).
    /// </summary>
    internal void AllowShadowPages(int pages) =>
        Require(LibC.Ioctl(_vm, KvmRequest.SetMmuPages, (nuint)pages), $"KVM_SET_NR_MMU_PAGES {pages}");

    /// <summary>A new vCPU; the machine disposes of it.</summary>
    internal VirtualProcessor CreateProcessor()
    {
        lock (_lock)
        {
            if (_processors.Length == KernelLayout.MaximumProcessors)
            {
                throw new KvmException($"a machine has at most {KernelLayout.MostVcpus} vCPUs");
            }

            var processor = new VirtualProcessor(Memory, _abilities, _image, _device, _vm, _processors.Length);
            _processors = [.. _processors, processor];
            return processor;
        }
    }

    /// <summary>
    /// Call after entries of these tables were changed or cleared (not needed where an entry went from none to
    /// present, or gained rights). When it returns, no vCPU uses or can come to use a translation that depended on
    /// what stood there before, and no instruction that began with one is still under way.
    /// </summary>
    /// <param name="changedTables">
    /// Guest-physical addresses of every table with a changed entry, and of every page that was a table and is no
    /// more (before it becomes another): under shadow paging what was derived from it outlives its use.
    /// </param>
    internal void Flush(ReadOnlySpan<ulong> changedTables)
    {
        if (Translation == TranslationKind.Shadow)
        {
            if (changedTables.Length > TouchLimit)
            {
                ForgetShadow();
            }
            else
            {
                _toucher.Touch(changedTables);
            }
        }
        else
        {
            foreach (var processor in Processors)
            {
                processor.RequestFlush();
            }
        }

        KickAll();
    }

    /// <summary>
    /// As <see cref="Flush"/> where it is not known which tables changed, or where they are many. Under shadow paging
    /// every translation of every space is built anew after it, a fault each.
    /// </summary>
    internal void FlushEverything()
    {
        if (Translation == TranslationKind.Shadow)
        {
            ForgetShadow();
            KickAll();
        }
        else
        {
            Flush([]);
        }
    }

    /// <summary>Returns when each vCPU has been out of guest mode since the call.</summary>
    internal void KickAll()
    {
        foreach (var processor in Processors)
        {
            processor.Gate.Kick();
        }
    }

    public void Dispose()
    {
        foreach (var processor in _processors)
        {
            processor.Dispose();
        }

        _processors = [];
        if (_vm >= 0)
        {
            _ = LibC.Close(_vm);
        }

        _ = LibC.Close(_device);
        _private?.Dispose();
    }

    private static int Require(int result, string call) => result >= 0 ? result : throw KvmException.FromErrno(call);

    private void ForgetShadow() =>
        _slots.MoveMarker(_private!.PhysicalBase + PrivateMemory.Length, _private.Memory.Address);

    private void WithProcessorsOut(Action action)
    {
        // The machine's own vCPU too: a touch may be under way on another thread.
        var processors = Volatile.Read(ref _processors);
        foreach (var processor in processors)
        {
            processor.Gate.Hold();
        }

        try
        {
            action();
        }
        finally
        {
            foreach (var processor in processors)
            {
                processor.Gate.Release();
            }
        }
    }

    private TranslationKind Probe(VirtualProcessor service, OwnTables own)
    {
        try
        {
            return TranslationProbe.Probe(service, _private!, own);
        }
        catch (KvmException exception) when (Levels == 5)
        {
            throw new KvmException(
                $"this host says that its guests may have 5-level paging (CPUID 7.0 ECX bit 16, LA57), but no vCPU runs with it: {exception.Message} Use 4 levels");
        }
    }
}
