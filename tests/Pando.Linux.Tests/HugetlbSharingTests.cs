using Pando.Linux.Analysis;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>Sharing of hugetlb tables on machines made at random, against a count span by span.</summary>
public class HugetlbSharingTests
{
    private const ulong GiB = 1UL << 30;
    private const ulong Huge = 2UL << 20;
    private const MappingRights ReadWrite = MappingRights.Read | MappingRights.Write;
    private static readonly string[] Flags = ["rd wr sh mr mw me ms ht", "rd wr sh mr mw me ms ht lo", "rd wr sh mr me ms ht", "rd wr sh mr mw me ms ht dd"];

    [Fact]
    public void Tables_and_sharers_are_those_of_a_count_span_by_span()
    {
        var random = new Random(17);
        for (var round = 0; round < 150; round++)
        {
            var processes = Enumerable.Range(1, random.Next(1, 12)).Select(pid => Process(random, pid)).ToList();
            var segment = new ObjectFacts(1, ObjectKind.Hugetlb, "/anon_hugepage (deleted)", "00:10", 9, Huge, "hugetlbfs");
            var snapshot = new MachineSnapshot(DateTimeOffset.UnixEpoch, 1, true,
                new MachineFacts("6.12.0", 4, 2, 24L << 30, 1L << 30, 0, false, [], new Dictionary<string, string> { ["CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING"] = "y" }, "never", "never", new Dictionary<string, string>()),
                [new(0, ObjectKind.Anonymous, "[anonymous]", "", 0), segment], processes, [], [], []);

            var sharing = ScanAnalysis.Analyse(snapshot, new ReportOptions()).Objects.SingleOrDefault(o => o.Number == 1)?.Sharing;

            var (tables, ifPrivate, own, sharers) = Naive(processes);
            Assert.Equal((ifPrivate, tables, sharers), (sharing!.TablesIfPrivate, sharing.Tables, sharing.SharingProcesses));
            var refusedAlone = own.Where(o => o.Value > 0).OrderBy(o => o.Key).Select(o => (o.Key, o.Value));
            Assert.Equal(refusedAlone, sharing.Outsiders.Where(o => o.OwnTables > 0).OrderBy(o => o.Pid).Select(o => (o.Pid, o.OwnTables)));
            Assert.All(sharing.Outsiders, o => Assert.NotEmpty(o.Reasons));
            foreach (var process in processes)
            {
                foreach (var place in Places(process).Where(p => !p.Refused && p.Sharers(processes) > 1))
                {
                    Assert.True(sharing.IsShared(process.Pid, place.From >> 30));
                }
            }
        }
    }

    /// <summary>One span of 1 GiB of one process in which it has an entry.</summary>
    private sealed record Place(int Pid, long OffsetAtSpan, long From, string Flags, bool Refused)
    {
        public int Sharers(List<ProcessFacts> processes) => processes.SelectMany(Places).Count(p => !p.Refused && (p.OffsetAtSpan, p.Flags) == (OffsetAtSpan, Flags));
    }

    private static (long Tables, long IfPrivate, Dictionary<int, int> Own, int Sharers) Naive(List<ProcessFacts> processes)
    {
        var places = processes.SelectMany(Places).ToList();
        var shareable = places.Where(p => !p.Refused).GroupBy(p => (p.OffsetAtSpan, p.Flags)).ToList();
        var own = places.GroupBy(p => p.Pid).ToDictionary(g => g.Key, g => g.Count(p => p.Refused || p.Sharers(processes) == 1));
        return (shareable.Count + places.Count(p => p.Refused), places.Count, own, shareable.Where(g => g.Count() > 1).SelectMany(g => g).Select(p => p.Pid).Distinct().Count());
    }

    private static List<Place> Places(ProcessFacts process)
    {
        var places = new Dictionary<ulong, Place>();
        for (var i = 0; i < process.Mappings!.Count; i++)
        {
            var mapping = process.Mappings[i];
            var flags = string.Join(' ', process.VmFlags![i].Split(' ').Where(f => f != "lo"));
            for (var span = mapping.Start / GiB * GiB; span < mapping.End; span += GiB)
            {
                var (from, to) = (Math.Max(span, mapping.Start), Math.Min(span + GiB, mapping.End));
                if (process.Populated!.Any(r => r.Mapping == i && r.Start < to && r.End > from))
                {
                    places.TryAdd(span, new Place(process.Pid, mapping.Offset + (long)(span - mapping.Start), mapping.Offset + (long)(from - mapping.Start), flags,
                        !mapping.IsShared || mapping.Start > span || mapping.End < span + GiB));
                }
            }
        }

        return [.. places.Values];
    }

    private static ProcessFacts Process(Random random, int pid)
    {
        var mappings = new List<MappingFacts>();
        var runs = new List<PopulatedRun>();
        var flags = new Dictionary<int, string>();
        var address = 64 * GiB;
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            // Aligned as a rule, sometimes off by 2 MiB, sometimes right behind the last mapping.
            address += random.Next(4) == 0 ? 0 : (ulong)random.Next(0, 3) * GiB;
            address = random.Next(3) == 0 ? address + ((ulong)random.Next(0, 3) * Huge) : address / GiB * GiB;
            address = mappings.Count > 0 ? Math.Max(address, mappings[^1].End) : address;
            var length = random.Next(3) == 0 ? (ulong)random.Next(1, 2000) * Huge : (ulong)random.Next(1, 5) * GiB;
            var mapping = new MappingFacts(address, address + length, random.Next(3) == 0 ? random.Next(0, 3) * (long)Huge : random.Next(0, 3) * (long)GiB,
                random.Next(5) == 0 ? ReadWrite : ReadWrite | MappingRights.Shared, 1);
            flags[mappings.Count] = Flags[random.Next(Flags.Length)];
            for (var at = address; at < mapping.End;)
            {
                at += (ulong)random.Next(0, 600) * Huge;
                var end = Math.Min(mapping.End, at + ((ulong)random.Next(1, 900) * Huge));
                if (at < end)
                {
                    runs.Add(new PopulatedRun(mappings.Count, at, end, 1));
                }

                at = end + Huge;
            }

            mappings.Add(mapping);
            address = mapping.End;
        }

        return new ProcessFacts(pid, "db", 0, "/", 1 << 20, 0, 0, mappings, runs, VmFlags: flags);
    }
}
