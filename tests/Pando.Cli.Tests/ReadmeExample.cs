using Pando.Hardware;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Cli.Tests;

/// <summary>The library example of the README, word for word; <see cref="ReadmeTests"/> runs it and compares.</summary>
internal static class ReadmeExample
{
    public static void Run(TextWriter output)
    {
        // <example>
        using var machine = new Machine(new MachineOptions { Sharing = SharingLevels.UpTo1GiB });
        using var file = machine.AddPmem(64L << 30).CreateFile("database", 64L << 30);

        // One process maps the file and faults it in; a second one only maps it, for reading.
        var writer = machine.CreateSpace();
        var reader = machine.CreateSpace();
        var at = writer.Map(MapRequest.SharedFile(file, Rights.ReadWrite) with { Populate = PopulateKind.Write }).Value;
        var there = reader.Map(MapRequest.SharedFile(file, Rights.Read)).Value;
        output.WriteLine($"{machine.Tables().Count} page tables; without sharing {2 * (64 + 1 + 1)}");

        // A processor stores through the one, and loads through the other, without a fault.
        var processor = machine.AddProcessor();
        processor.Switch(writer);
        processor.TryWrite(at + 0x123456788, 42UL);
        processor.Switch(reader);
        processor.TryRead(there + 0x123456788, out ulong value);
        output.WriteLine($"{value}, with {processor.Counters.Faults} faults");

        // The reader's rights stand in its slots: it may not store, though the tables are the same.
        output.WriteLine(processor.TryWrite(there, 1UL).Outcome);

        // Unmapping a part leaves the file's table for a copy of one's own; everything else stays shared.
        reader.Unmap(there + (5L << 20), 4096);
        output.WriteLine($"{machine.Tables().Count} page tables; sound: {machine.Audit().IsSound}");
        // </example>
    }
}
