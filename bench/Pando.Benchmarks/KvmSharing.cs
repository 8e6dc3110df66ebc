using System.Globalization;
using Pando.Hardware;
using Pando.Kvm.Engine;
using Pando.Kvm.Guests;
using Pando.Kvm.Native;
using Pando.Kvm.Processor;
using Pando.Machines;
using Pando.Spaces;

namespace Pando.Benchmarks;

/// <summary>
/// What sharing does for the hardware: many spaces in turn touch random pages, with shared tables and with private
/// ones; and the same by real processes on a hugetlb memfd, where Linux shares its tables and where it does not.
/// </summary>
/// <remarks>
/// Run by <c>dotnet run -c Release --project bench/Pando.Benchmarks -- kvm-sharing</c>; about two minutes. A turn is
/// 64 reads of random ones of 512 pages that are spread evenly over the memory. Huge pages are reserved for the part
/// that uses them and given back. What stands behind the name chooses among
/// the sizes, the counts and who: <c>kvm-sharing 64GiB 4000 linux</c>.
/// </remarks>
internal static class KvmSharing
{
    internal const int Pages = 512;
    internal const int TouchesPerTurn = 64;

    private static readonly int[] _counts = [1, 64, 1000, 4000];
    private static readonly long[] _gibibytes = [1, 8, 64];

    internal static int Run(params string[] chosen)
    {
        var gibibytes = Choose(_gibibytes, "GiB", chosen);
        var counts = Choose(_counts, "", chosen);
        var availability = KvmAvailability.Check();
        if (!availability.IsUsable || !OperatingSystem.IsLinux())
        {
            Console.WriteLine($"nothing measured: {availability.Reason}");
            return 1;
        }

        using (var machine = new Machine(new MachineOptions()))
        using (var kvm = new KvmMachine(machine))
        {
            Console.WriteLine($"the CPU walks: {(kvm.Translation == TranslationKind.Shadow ? "a shadow of the tables" : "the tables themselves")}");
        }

        Console.WriteLine("| who | memory | tables | spaces | page tables | first turn: faults | ns per access | second turn: faults | ns per access |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|");
        foreach (long size in chosen.Contains("linux") ? [] : gibibytes)
        {
            foreach (int count in counts)
            {
                MeasurePando(size, count, SharingLevels.All, "shared");
                MeasurePando(size, count, SharingLevels.None, "private");
            }
        }

        if (chosen.Contains("pando"))
        {
            return 0;
        }

        using var huge = HugePagePool.TryAdd(Pages + 16, out string whyNot);
        if (huge is null)
        {
            Console.WriteLine($"no processes measured: {whyNot}");
            return 1;
        }

        foreach (long size in gibibytes)
        {
            foreach (int count in counts)
            {
                Report("Linux processes", size, "shared", count, LinuxSharing.Measure(size << 30, count, aligned: true));
                Report("Linux processes", size, "private", count, LinuxSharing.Measure(size << 30, count, aligned: false));
            }
        }

        return 0;
    }

    private static List<T> Choose<T>(T[] from, string unit, string[] chosen)
        where T : ISpanParsable<T>
    {
        var some = from.Where(value => chosen.Contains(string.Create(CultureInfo.InvariantCulture, $"{value}{unit}"))).ToList();
        return some.Count > 0 ? some : [.. from];
    }

    private static void MeasurePando(long size, int count, SharingLevels sharing, string tables)
    {
        using var machine = new Machine(new MachineOptions { Ram = 2L << 30, Sharing = sharing });
        using var kvm = new KvmMachine(machine);
        using var file = machine.AddPmem(size << 30).CreateFile("data", size << 30);
        var spaces = new AddressSpace[count];
        var at = new VirtualAddress(1UL << 40);
        for (int i = 0; i < count; i++)
        {
            spaces[i] = machine.CreateSpace();
            _ = spaces[i].Map(MapRequest.SharedFile(file, Rights.Read) with { Address = at, Placement = MapPlacement.Fixed }).Value;
        }

        var turns = new (long Faults, double Nanoseconds)[2];
        for (int turn = 0; turn < 2; turn++)
        {
            var report = new SpaceRounds(kvm, CommonCode.RandomReadRound, TimeSpan.FromSeconds(60)).Run(spaces, first => new KvmRegisters
            {
                R8 = at.Value,
                R9 = TouchesPerTurn,
                R12 = (ulong)first + 1, // the same pages in both turns
                R13 = (ulong)(size << 30) / Pages,
                Rsi = Pages,
            });
            if (report.Failures.Count > 0)
            {
                throw new InvalidOperationException(report.Failures[0]);
            }

            turns[turn] = (report.Faults, report.ProcessorTime.TotalNanoseconds / count / TouchesPerTurn);
        }

        Report("Pando on KVM", size, tables, count, new SharingResult(machine.Tables().Bytes, turns[0].Faults, turns[0].Nanoseconds, turns[1].Faults, turns[1].Nanoseconds));
    }

    private static void Report(string who, long size, string tables, int count, SharingResult result) =>
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {who} | {size} GiB | {tables} | {count:N0} | {result.TableBytes / 1024:N0} KiB | {result.FirstFaults:N0} | {result.FirstNanoseconds:N0} | {result.SecondFaults:N0} | {result.SecondNanoseconds:N0} |"));
}
