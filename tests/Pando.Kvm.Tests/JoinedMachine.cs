using Pando.Files;
using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Kvm.Processor;
using Pando.Kvm.Programs;
using Pando.Machines;
using Pando.Spaces;
using static Iced.Intel.AssemblerRegisters;

namespace Pando.Kvm.Tests;

/// <summary>An engine with a device and vCPUs, for tests. When it ends, the auditor looks at it.</summary>
internal sealed class JoinedMachine : IDisposable
{
    internal const long Mebi = 1L << 20;
    internal const long Gibi = 1L << 30;

    /// <summary>The time limit of a process that is to end by itself, however little time the host has for it: what takes so long hangs.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>Where programs are mapped.</summary>
    internal static readonly VirtualAddress Code = new(0x40_0000);

    /// <summary>Where tests map what the programs use.</summary>
    internal static readonly VirtualAddress Data = new(0x4000_0000_0000);

    internal JoinedMachine(int processors = 1, SharingLevels sharing = SharingLevels.All, long device = 4 * Gibi, long ram = 128 * Mebi, bool largePages = true, bool? parks = null, EntryFormat? format = null)
    {
        Machine = new Machine(new MachineOptions { Ram = ram, Sharing = sharing, LargePages = largePages, Format = format ?? X64Format.FourLevels });
        Kvm = new KvmMachine(Machine, processors, parks);
        Device = Machine.AddPmem(device);
    }

    internal Machine Machine { get; }

    internal KvmMachine Kvm { get; }

    internal PmemDevice Device { get; }

    /// <summary>A program that counts in the word at RDI, and has no end.</summary>
    internal static UserProgram CountForEver(ulong address) => UserProgram.Assembled("count for ever", address, static a =>
    {
        var again = a.CreateLabel();
        a.Label(ref again);
        a.inc(__qword_ptr[rdi]);
        a.jmp(again);
    });

    /// <summary>A process that runs code of its own.</summary>
    internal GuestProcess Process(Func<ulong, UserProgram> assemble, params MappedFile[] files) => Process(Machine.CreateSpace(), assemble(Code.Value), files);

    /// <summary>Maps a program into a space, and makes a process that begins there.</summary>
    internal GuestProcess Process(AddressSpace space, UserProgram program, params MappedFile[] files)
    {
        var file = Machine.CreateMemoryFile(program.Name, 4096);
        Assert.True(space.Map(MapRequest.SharedFile(file, Rights.Read | Rights.Execute) with { Address = new(program.Address), Placement = MapPlacement.Fixed }).Succeeded);
        Assert.True(space.Fault(new(program.Address), AccessKind.Execute).IsResolved);
        program.Code.CopyTo(Machine.Memory.Bytes(file.Locate(0)!.Value, 4096));
        file.Dispose();
        return new GuestProcess(space, program.Address, files) { TimeLimit = Patience };
    }

    /// <summary>Maps a file as a whole, shared, at <see cref="Data"/> or elsewhere.</summary>
    internal static void Map(AddressSpace space, MappedFile file, Rights rights = Rights.ReadWrite, VirtualAddress? at = null) =>
        Assert.True(space.Map(MapRequest.SharedFile(file, rights) with { Address = at ?? Data, Placement = MapPlacement.Fixed }).Succeeded);

    /// <summary>The word of a file, from memory.</summary>
    internal ref ulong Word(MappedFile file, long offset) =>
        ref System.Runtime.InteropServices.MemoryMarshal.AsRef<ulong>(Machine.Memory.Bytes(file.Locate(offset)!.Value, sizeof(ulong)));

    /// <summary>Runs one process and expects an exit; gives what it exited with.</summary>
    internal ulong Run(GuestProcess process)
    {
        ProcessRunner.Run(Kvm, process);
        Assert.True(process.End!.Signal == ProcessSignal.None, $"{process.End}");
        return process.End.Result;
    }

    public void Dispose()
    {
        Machine.Audit().ThrowIfUnsound();
        Kvm.Dispose();
        Machine.Dispose();
    }
}
