using System.Diagnostics;
using System.Globalization;
using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Report;
using Pando.Linux.Text;

namespace Pando.Linux.Tests;

/// <summary>
/// Advice that is followed: what it said would be saved, against what the kernel counts for the same processes after it.
/// (PostgreSQL has a class of its own.)
/// </summary>
[Collection(nameof(LiveLinux))]
public class LiveAdviceTests(ITestOutputHelper output)
{
    private const long Table = 4096;
    private const string At = "at=400000000000";
    private const string Dense = "value=4096";
    private const string Stride = "value=2097152"; // one page in each 2 MiB: all the tables for little memory

    private static ScanReport Scan() => LiveLinux.Scan().Report;

    private static Advice For(ScanReport report, string title) =>
        report.Advice.FirstOrDefault(a => a.Title.StartsWith(title, StringComparison.Ordinal))
        ?? throw new InvalidOperationException($"no advice '{title}' among: {string.Join("; ", report.Advice.Select(a => a.Title))}; notes: {string.Join("; ", report.Notes)}");

    private static Advice ForObject(ScanReport report, string title, string name)
    {
        var numbers = report.Objects.Where(o => o.Name.Contains(name, StringComparison.Ordinal)).Select(o => o.Number).ToHashSet();
        return report.Advice.FirstOrDefault(a => a.Title.StartsWith(title, StringComparison.Ordinal) && a.ObjectNumbers.Any(numbers.Contains))
            ?? throw new InvalidOperationException($"no advice '{title}' for {name} among: {string.Join("; ", report.Advice.Select(a => a.Title))}; notes: {string.Join("; ", report.Notes)}");
    }

    /// <summary>The kernel's own count of the tables of these processes: VmPTE of each, which counts a shared table for each
    /// sharer.</summary>
    private static long Tables(IEnumerable<int> pids) => pids.Sum(Tables);

    private static long Tables(int pid) => Status(pid, "VmPTE:");

    private static long Status(int pid, string name)
    {
        var line = File.ReadLines($"/proc/{pid}/status").FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>What VmPTE counts too much where tables of PMDs are shared: kpagecount says how many tables point at a huge page,
    /// pagemap which of the processes have it.</summary>
    private static long CountedTwice(IReadOnlyList<int> pids, params ulong[] addresses)
    {
        long twice = 0;
        foreach (var address in addresses)
        {
            var frames = pids.Select(pid =>
            {
                using var map = PageMap.Open($"/proc/{pid}/pagemap", new Heartbeat(), out _);
                return map!.EntryAt(address) & KernelAbi.PagemapFrameMask;
            }).Where(f => f != 0).ToList();
            twice += frames.Count - FrameCounters.Read("/proc", "kpagecount", frames[0])!.Value;
        }

        return twice * Table;
    }

    private void AssertPredicted(long? predicted, long before, long after)
    {
        var measured = before - after;
        output.WriteLine($"predicted {ByteText.Size(predicted ?? -1)}, measured {ByteText.Size(measured)} ({ByteText.Size(before)} to {ByteText.Size(after)})");
        Assert.NotNull(predicted);
        Assert.True(measured > 0 && Math.Abs(predicted.Value - measured) <= measured / 10, $"predicted {predicted}, measured {measured}: {before} to {after}");
    }

    private static void SkipUnlessRoot()
    {
        if (!LiveLinux.IsRoot)
        {
            Assert.Skip("Following this advice needs root.");
        }
    }

    /// <summary>Memory that is in pieces gives fewer huge pages than fit: nothing that advice could promise.</summary>
    private static void SkipUnlessHuge(int pid, long bytes)
    {
        var huge = File.ReadLines($"/proc/{pid}/smaps").Where(l => l.StartsWith("ShmemPmdMapped:", StringComparison.Ordinal)).Sum(l => long.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024);
        if (huge < bytes)
        {
            Assert.Skip($"The machine gave {huge >> 20} of {bytes >> 20} MiB in huge pages.");
        }
    }

    /// <summary>Pastes the commands of the advice into a shell.</summary>
    private static void Paste(Advice advice)
    {
        File.WriteAllText("/proc/sys/vm/compact_memory", "1"); // free memory in large pieces, as on a machine that has just started
        foreach (var line in advice.Lines.Where(l => l.StartsWith("mount ", StringComparison.Ordinal) || l.StartsWith("mkdir ", StringComparison.Ordinal) || l.StartsWith("echo within_size", StringComparison.Ordinal)))
        {
            var (code, error) = TestMount.Run("sh", ["-c", line]);
            Assert.True(code == 0, $"{line}: {error}");
        }
    }

    [Fact]
    public void Huge_pages_for_a_memfd()
    {
        const string Size = "size=536870912";
        SkipUnlessRoot();
        Advice advice;
        long before;
        using (var group = TestProcessGroup.Start(12, $"memfd,{Size}", "fork,value=11", $"map,{At},{Size},rights=rw", $"touch,{At},{Size},{Stride}"))
        {
            before = Tables(group.Pids);
            advice = ForObject(Scan(), "Huge pages for", LiveLinux.TestObject);
        }

        Assert.Contains("# memfd_create(name, MFD_HUGETLB | MFD_HUGE_2MB)", advice.Lines);
        Assert.Equal(256, advice.Pages);
        using var pages = LiveLinux.ReserveHugePages(advice.Pages);
        using var after = TestProcessGroup.Start(12, $"hugetlb,{Size}", "fork,value=11", $"map,{At},{Size},rights=rw", $"touch,{At},{Size},{Stride}");
        AssertPredicted(advice.SavedBytes, before, Tables(after.Pids));
    }

    [Fact]
    public void Huge_pages_whose_tables_are_shared()
    {
        const string Size = "size=2147483648";
        SkipUnlessRoot();
        Advice advice;
        long before;
        using (var group = TestProcessGroup.Start(20, $"memfd,{Size}", "fork,value=19", $"map,{At},{Size},rights=rw", $"touch,{At},{Size},{Stride}"))
        {
            before = Tables(group.Pids);
            advice = ForObject(Scan(), "Huge pages for", LiveLinux.TestObject);
        }

        using var pages = LiveLinux.ReserveHugePages(advice.Pages);
        using var after = TestProcessGroup.Start(20, $"hugetlb,{Size}", "fork,value=19", $"map,{At},{Size},rights=rw", $"touch,{At},{Size},{Stride}");
        var twice = CountedTwice(after.Pids, 0x400000000000, 0x400040000000);
        AssertPredicted(advice.SavedBytes, before, Tables(after.Pids) - twice);
    }

    [Fact]
    public void Huge_pages_for_small_objects_between_other_memory()
    {
        // Between other memory, which moves together where the object was, as the kernel lays mappings out: 4 tables show the object,
        // two of them other memory too, of which one stays.
        const string Size = "size=6291456";
        const string Place = "at=400000080000";
        const string Below = "at=400000000000,size=524288";
        static string[] Memory(string place) => [$"anonymous,{place}", $"write,{place},value=4096"];
        SkipUnlessRoot();
        Advice advice;
        long before;
        using (var group = TestProcessGroup.Start(302, [$"memfd,{Size}", "fork,value=301", .. Memory(Below), .. Memory("at=400000680000,size=524288"), $"!301:map,{Place},{Size},rights=rw", $"!301:touch,{Place},{Size},value=524288"]))
        {
            // The idle one has the two tables of what lies at both ends, and the others' lie in two of the four.
            before = TablesBeyondTheIdle(group) + (300 * 2 * Table);
            advice = ForObject(Scan(), "Huge pages for", LiveLinux.TestObject);
        }

        using var pages = LiveLinux.ReserveHugePages(advice.Pages);
        using var after = TestProcessGroup.Start(302, [$"hugetlb,{Size}", "fork,value=301", .. Memory(Below), .. Memory("at=400000080000,size=524288"), $"!301:map,at=400020000000,{Size},rights=rw", $"!301:touch,at=400020000000,{Size},value=2097152"]);
        AssertPredicted(advice.SavedBytes, before, TablesBeyondTheIdle(after) + (300 * Table));
    }

    /// <summary>Tables that the children have beyond the last one, which maps nothing: how many the program itself has differs from
    /// start to start.</summary>
    private static long TablesBeyondTheIdle(TestProcessGroup group) =>
        Tables(group.Pids.Skip(1)) - ((group.Pids.Count - 1) * Tables(group.Pids[^1]));

    [Fact]
    public void An_SGA_in_several_segments()
    {
        const string Large = "size=268435456";
        string[] places = ["at=410000000000", "at=420000000000", "at=430000000000"];
        string Hex(string name) => Convert.ToHexString(System.Text.Encoding.ASCII.GetBytes(name));
        string[] Steps(int huge) =>
        [
            $"segment,{At},size=134217728,value=1", .. places.Select(p => $"segment,{p},{Large},value={huge}"), "fork,value=20", $"name,hex={Hex("oracle_x_orcl")}", $"0:name,hex={Hex("ora_pmon_orcl")}",
            $"touch,{At},size=134217728,{Stride}", .. places.Select(p => $"touch,{p},{Large},{Stride}"),
        ];
        SkipUnlessRoot();
        using var first = LiveLinux.ReserveHugePages(64 + 384);
        Advice advice;
        long before;
        using (var group = TestProcessGroup.Start(21, Steps(0)))
        {
            before = Tables(group.Pids);
            advice = Assert.Single(Scan().Advice, a => a.Service == nameof(ServiceKind.Oracle));
        }

        Assert.Equal("Oracle orcl: SGA in huge pages", advice.Title);
        Assert.Contains(advice.Lines, l => l.StartsWith("echo 'oracle - memlock 917504'", StringComparison.Ordinal));
        Assert.Equal(384, advice.Pages);
        using var after = TestProcessGroup.Start(21, Steps(1));
        AssertPredicted(advice.SavedBytes, before, Tables(after.Pids));
    }

    [Theory]
    [InlineData(true, 2)] // grows while it is written, as cp does it
    [InlineData(false, 2)] // has its size first
    [InlineData(true, 40_000)] // on a tmpfs of many small files
    public void Transparent_huge_pages_for_a_file_on_a_tmpfs_somewhere(bool grows, int files)
    {
        const int Size = 268_435_456 + 12_288; // no whole number of 2 MiB
        SkipUnlessRoot();
        using var mount = TestMount.Make("tmpfs", "none", "size=8g,huge=never");
        for (var i = 0; i < files - 2; i++)
        {
            File.WriteAllBytes(Path.Combine(mount.Path, $"{i}"), []);
        }

        string[] Steps(string path) => [$"file,path={path}", "fork,value=11", $"map,{At},size={Size},rights=rw", $"touch,{At},size={Size},{Dense}"];
        Advice advice;
        long before;
        Write(Path.Combine(mount.Path, "index"), Size, grows);
        using (var group = TestProcessGroup.Start(12, Steps(Path.Combine(mount.Path, "index"))))
        {
            before = Tables(group.Pids);
            advice = ForObject(Scan(), "Transparent huge pages for", mount.Path + "/index");
        }

        var place = advice.Lines[0].StartsWith("mkdir", StringComparison.Ordinal) ? "/mnt/huge-tmpfs" : mount.Path;
        Assert.Equal(files > 1000, place != mount.Path);
        File.Delete(Path.Combine(mount.Path, "index"));
        try
        {
            Paste(advice);
            Write(Path.Combine(place, "index"), Size, grows);
            using var after = TestProcessGroup.Start(12, Steps(Path.Combine(place, "index")));
            SkipUnlessHuge(after.Pids[1], Size >> 21 << 21);
            AssertPredicted(advice.SavedBytes, before, Tables(after.Pids));
        }
        finally
        {
            if (place != mount.Path && Directory.Exists(place))
            {
                _ = TestMount.Run("umount", ["-l", place]);
                Directory.Delete(place);
            }
        }
    }

    private static void Write(string path, int size, bool grows)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite, 0);
        if (!grows)
        {
            file.SetLength(size);
            return; // written through the mappings
        }

        var some = new byte[128 << 10];
        for (var at = 0; at < size; at += some.Length)
        {
            file.Write(some, 0, Math.Min(some.Length, size - at));
        }
    }

    [Theory]
    [InlineData("memfd,size=134217728", $"map,{At},size=134217728,rights=rw")]
    [InlineData($"segment,{At},size=134217728", null)]
    [InlineData($"sharedanonymous,{At},size=134217728", null)]
    public void Transparent_huge_pages_for_shared_memory_without_a_place(string make, string? map)
    {
        const string Setting = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
        SkipUnlessRoot();
        if (!File.Exists(Setting) || !File.ReadAllText(Setting).Contains("[never]", StringComparison.Ordinal))
        {
            Assert.Skip($"{Setting} does not say never: there is nothing to advise.");
        }

        string[] steps = [make, "fork,value=19", .. map is null ? Array.Empty<string>() : [map], $"write,{At},size=134217728,{Dense}"];
        Advice advice;
        long before;
        using (var group = TestProcessGroup.Start(20, steps))
        {
            before = Tables(group.Pids);
            var report = Scan();
            advice = For(report, "Transparent huge pages for");
            var number = report.Objects.First(o => advice.ObjectNumbers.Contains(o.Number) && o.Processes == 20).Number;
            advice = advice with { SavedBytes = report.Objects.Single(o => o.Number == number).Cures.Single(c => c.Id == "shmem-thp").SavedBytes };
        }

        try
        {
            Paste(advice);
            using var after = TestProcessGroup.Start(20, steps);
            SkipUnlessHuge(after.Pids[1], 128 << 20);
            AssertPredicted(advice.SavedBytes, before, Tables(after.Pids));
        }
        finally
        {
            File.WriteAllText(Setting, "never");
        }
    }

    [Fact]
    public void Tables_that_can_be_shared_where_the_layout_is_kept()
    {
        const string Size = "size=2147483648";
        SkipUnlessRoot();
        using var pages = LiveLinux.ReserveHugePages(1024);
        Advice advice;
        long before;
        using (var group = TestProcessGroup.Start(32, $"hugetlb,{Size}", "fork,value=31", $"!31:map,{At},shift=2097152,{Size},rights=rw", $"!31:touch,{At},shift=2097152,{Size},{Stride}"))
        {
            advice = ForObject(Scan(), "Let ", LiveLinux.TestObject);
            before = TablesBeyondTheIdle(group);
        }

        using var after = TestProcessGroup.Start(32, $"hugetlb,{Size}", "fork,value=31", $"!31:map,{At},{Size},rights=rw", $"!31:touch,{At},{Size},{Stride}");
        AssertPredicted(advice.SavedBytes, before, TablesBeyondTheIdle(after) - CountedTwice(after.Pids, 0x400000000000, 0x400040000000));
    }

    [Fact]
    public void Empty_tables_that_are_given_back()
    {
        // 80 GiB touched every 2 MiB, then given back in pieces of 1 MiB, which leaves every table.
        const string Size = "size=85899345920";
        string[] steps = [$"memfd,{Size}", $"map,{At},{Size},rights=rw", $"touch,{At},{Size},{Stride}", $"dontneed,{At},{Size},value=1048576"];
        Advice advice;
        long before;
        using (var group = TestProcessGroup.Start(1, steps))
        {
            before = Tables(group.Pids);
            advice = ForObject(Scan(), "Free empty page tables", LiveLinux.TestObject);
        }

        using var after = TestProcessGroup.Start(1, [.. steps, $"unmap,{At},{Size}"]);
        AssertPredicted(advice.SavedBytes, before, Tables(after.Pids));
    }

    [Theory]
    [InlineData("-XX:+UseG1GC", 1024)]
    [InlineData("-XX:+UseParallelGC", 1024)]
    [InlineData("-XX:+UseZGC", 512)]
    public void A_Java_heap_and_its_code(string collector, int megabytes)
    {
        SkipUnlessRoot();
        Advice advice;
        long before;
        using (var java = Java.Start(megabytes, collector))
        {
            before = Tables(java.Pid);
            advice = Assert.Single(Scan().Advice, a => a.Service == nameof(ServiceKind.Jvm) && a.Title.Contains($"({java.Pid})", StringComparison.Ordinal));
        }

        Assert.Contains(advice.Lines, l => l.StartsWith("-XX:+UseLargePages", StringComparison.Ordinal));
        using var pages = LiveLinux.ReserveHugePages(advice.Pages);
        using var after = Java.Start(megabytes, collector, "-XX:+UseLargePages");
        Assert.DoesNotContain("Failed to", after.Said, StringComparison.Ordinal); // as many pages as it asks for
        Assert.True(Status(after.Pid, "HugetlbPages:") >= megabytes << 20);
        AssertPredicted(advice.SavedBytes, before, Tables(after.Pid));
    }

    [Fact]
    public void A_guests_memory_under_QEMU()
    {
        const string Program = "qemu-system-x86_64";
        SkipUnlessRoot();
        Advice advice;
        long before;
        using (var guest = Guest("-m", "1024", "-object", "memory-backend-ram,id=ram,size=1024M,prealloc=on", "-machine", "q35,memory-backend=ram"))
        {
            before = Tables(guest.Id);
            advice = Assert.Single(Scan().Advice, a => a.Service == nameof(ServiceKind.Qemu) && a.Title.Contains($"({guest.Id})", StringComparison.Ordinal));
            guest.Kill();
            guest.WaitForExit();
        }

        Assert.Equal(512, advice.Pages);
        var words = advice.Lines.Single(l => l.Contains("memory-backend-memfd", StringComparison.Ordinal)).Split("QEMU alone: ")[1].Split(' ');
        using var pages = LiveLinux.ReserveHugePages(advice.Pages);
        using var after = Guest("-m", "1024", words[0], words[1], words[2], "q35," + words[3]);
        AssertPredicted(advice.SavedBytes, before, Tables(after.Id));
        after.Kill();
        after.WaitForExit();

        static Process Guest(params string[] arguments)
        {
            var start = new ProcessStartInfo(Program, ["-S", "-display", "none", "-nodefaults", "-accel", "tcg", .. arguments]) { RedirectStandardError = true };
            Process process;
            try
            {
                using var layout = FixedLayout.Begin();
                process = Process.Start(start)!;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                Assert.Skip($"{Program} is not installed.");
                throw;
            }

            Java.WaitUntilStill(process, 1L << 30);
            return process;
        }
    }

    /// <summary>A Java program that does nothing, with its heap in memory from the start.</summary>
    private sealed class Java : IDisposable
    {
        private readonly Process _process;
        private readonly System.Text.StringBuilder _said = new();

        private Java(Process process) => _process = process;

        public int Pid => _process.Id;

        public string Said
        {
            get
            {
                lock (_said)
                {
                    return _said.ToString();
                }
            }
        }

        public static Java Start(int megabytes, params string[] arguments)
        {
            // The registry of java.rmi waits for calls; it comes with every Java, and needs no compiler.
            var start = new ProcessStartInfo("java", [.. arguments, $"-Xms{megabytes}m", $"-Xmx{megabytes}m", "-XX:+AlwaysPreTouch", "-m", "java.rmi/sun.rmi.registry.RegistryImpl", "0"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            Process process;
            try
            {
                using var layout = FixedLayout.Begin();
                process = Process.Start(start)!;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                Assert.Skip("java is not installed.");
                throw;
            }

            var java = new Java(process);
            process.OutputDataReceived += (_, e) => java.Add(e.Data);
            process.ErrorDataReceived += (_, e) => java.Add(e.Data);
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            if (!WaitUntilStill(process, (long)megabytes << 20))
            {
                process.WaitForExit();
                var said = java.Said;
                java.Dispose();
                if (said.Contains("Unrecognized VM option", StringComparison.Ordinal) || said.Contains("not supported", StringComparison.Ordinal) || said.Contains("Error occurred during initialization", StringComparison.Ordinal) || said.Contains("Unsupported", StringComparison.Ordinal))
                {
                    Assert.Skip($"This Java cannot be started so: {said.ReplaceLineEndings(" ")}");
                }

                throw new InvalidOperationException($"java ended: {said}");
            }

            return java;
        }

        /// <summary>Waits until the process has so much memory, and all its threads sleep and have changed no table for a second: a thread
        /// that only waits for a processor is not still. False if it ended.</summary>
        public static bool WaitUntilStill(Process process, long bytes)
        {
            long last = -1;
            for (var i = 0; i < 2400; i++)
            {
                if (process.WaitForExit(250))
                {
                    return false;
                }

                var tables = Tables(process.Id);
                var has = Status(process.Id, "VmRSS:") + Status(process.Id, "HugetlbPages:") >= bytes;
                if (has && i % 4 == 0 && Sleeps(process.Id))
                {
                    if (tables == last)
                    {
                        return true;
                    }

                    last = tables;
                }
            }

            throw new TimeoutException("The process has not come to rest in ten minutes.");
        }

        private static bool Sleeps(int pid)
        {
            try
            {
                return Directory.EnumerateDirectories($"/proc/{pid}/task").All(task => File.ReadAllText(task + "/stat") is var stat && stat[stat.LastIndexOf(')') + 2] == 'S');
            }
            catch (IOException)
            {
                return false; // a thread has just ended
            }
        }

        public void Dispose()
        {
            if (!_process.HasExited)
            {
                _process.Kill();
                _process.WaitForExit();
            }

            _process.Dispose();
        }

        private void Add(string? line)
        {
            lock (_said)
            {
                _said.AppendLine(line);
            }
        }
    }
}
