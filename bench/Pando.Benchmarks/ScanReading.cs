using System.Diagnostics;
using System.Globalization;
using System.Text;
using Pando.Linux.Analysis;
using Pando.Linux.Proc;
using Pando.Linux.Report;

namespace Pando.Benchmarks;

/// <summary>
/// What <c>pando scan</c> takes to read a /proc with very many of one kind of thing, made of files in memory, over three doublings; and how well a
/// budget holds there. There is no pagemap in it: what is read to the page is measured on live processes (bench/scan-speed.sh).
/// </summary>
internal static class ScanReading
{
    private const int Doublings = 3;
    private const string InMemory = "/dev/shm";
    private const int MapsOfMost = 65_000; // vm.max_map_count is 65,530 by default

    private static readonly (string Name, Action<Tree, int> Make)[] Shapes =
    [
        ("processes, 30 maps each", static (tree, n) => tree.AddProcesses(n, 30, static _ => "/a")),
        ("processes, each in a cgroup of its own", static (tree, n) => tree.AddProcesses(n, 2, static i => $"/system.slice/unit{i}.service")),
        ("maps, 65,000 in a process", static (tree, n) => tree.AddProcesses(Math.Max(1, n / MapsOfMost), Math.Min(n, MapsOfMost), static _ => "/a")),
        ("files, 100 in each process", static (tree, n) => tree.AddProcesses(n / 100, 100, static _ => "/a", hasOwnFiles: true)),
    ];

    /// <summary>Arguments: <c>[MOST] [BUDGET]</c>: how many things at most (200,000), and seconds (1).</summary>
    public static int Run(string[] arguments)
    {
        var most = arguments.Length > 0 ? int.Parse(arguments[0], CultureInfo.InvariantCulture) : 200_000;
        var budget = arguments.Length > 1 ? double.Parse(arguments[1], CultureInfo.InvariantCulture) : 1;
        Console.WriteLine($"reading a /proc of {most:N0} things, analysing it and writing the report; seconds, and exponent over the last doubling; then with a budget of {budget} s");
        foreach (var (name, make) in Shapes)
        {
            double before = 0, last = 0, bounded = 0;
            for (var doubling = Doublings; doubling >= 0; doubling--)
            {
                using var tree = new Tree();
                make(tree, most >> doubling);
                (before, last) = (last, Measure(tree, null));
                bounded = Measure(tree, budget);
            }

            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-45} {last,8:0.00} ^{Math.Log2(last / before),5:0.00}   with budget {bounded,6:0.00}"));
        }

        return 0;
    }

    private static double Measure(Tree tree, double? budget)
    {
        var clock = Stopwatch.StartNew();
        TimeSpan? time = budget is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        var snapshot = MachineScanner.Scan(new ScanOptions { Proc = tree.Path, Budget = time });
        var report = ScanAnalysis.Analyse(snapshot, new ReportOptions { HasTime = time is { } t ? () => clock.Elapsed < t * 0.85 : null });
        _ = ReportJson.Write(report);
        return clock.Elapsed.TotalSeconds;
    }

    private sealed class Tree : IDisposable
    {
        public Tree()
        {
            Directory.CreateDirectory(System.IO.Path.Combine(Path, "sys/kernel"));
            File.WriteAllText(System.IO.Path.Combine(Path, "meminfo"), "MemTotal: 24000000 kB\nPageTables: 1000000 kB\n");
            File.WriteAllText(System.IO.Path.Combine(Path, "sys/kernel/osrelease"), "6.18.0\n");
        }

        public string Path { get; } = Directory.CreateDirectory(System.IO.Path.Combine(InMemory, "pando-" + System.IO.Path.GetRandomFileName())).FullName;

        public void AddProcesses(int count, int maps, Func<int, string> cgroup, bool hasOwnFiles = false)
        {
            var text = Maps(maps, 0);
            for (var i = 1; i <= count; i++)
            {
                var directory = Directory.CreateDirectory(System.IO.Path.Combine(Path, i.ToString(CultureInfo.InvariantCulture))).FullName;
                File.WriteAllText(System.IO.Path.Combine(directory, "status"), $"Name:\tserver{i % 50}\nState:\tS (sleeping)\nPPid:\t1\nUid:\t1\t1\t1\t1\nVmRSS:\t1000 kB\nVmPTE:\t{200 + (i % 100)} kB\nThreads:\t1\n");
                File.WriteAllText(System.IO.Path.Combine(directory, "maps"), hasOwnFiles ? Maps(maps, i * maps) : text);
                File.WriteAllText(System.IO.Path.Combine(directory, "cgroup"), $"0::{cgroup(i)}\n");
            }
        }

        public void Dispose() => Directory.Delete(Path, recursive: true);

        private static string Maps(int count, int firstInode)
        {
            var text = new StringBuilder();
            for (var i = 0; i < count; i++)
            {
                var start = 0x7f00_0000_0000 + (i * 0x2000L);
                text.Append(CultureInfo.InvariantCulture, $"{start:x}-{start + 0x1000:x} r--s 00000000 08:01 {firstInode + i + 1}       /data/{firstInode + i + 1}\n");
            }

            return text.ToString();
        }
    }
}
