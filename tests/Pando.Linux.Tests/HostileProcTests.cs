using System.Globalization;
using System.Text;
using Pando.Linux.Analysis;
using Pando.Linux.Native;
using Pando.Linux.Proc;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;
using Pando.Tests.Shared;

namespace Pando.Linux.Tests;

/// <summary>Files of /proc and of containers, with whatever strangers can put into them.</summary>
public sealed class HostileProcTests : IDisposable
{
    private const string Maps =
        "00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/a b\n7f0000000000-7f0040000000 rw-s 00200000 00:01 1057 /dev/zero (deleted)\n7f0080000000-7f0080001000 r--s 00000000 00:01 1057 /dev/zero (deleted)\n" +
        "7f0090000000-7f0090001000 rw-p 00000000 00:00 0 \n7f0091000000-7f0091200000 rw-s 00000000 00:10 0 /SYSV00000000 (deleted)\n7f00a0000000-7f00a0200000 rw-s 00000000 00:1b 9 /dev/shm/\\012x\n" +
        "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";

    private const string Smaps =
        "7f0000000000-7f0040000000 rw-s 00000000 00:0f 7 /anon_hugepage (deleted)\nSize: 1 kB\nKernelPageSize: 2048 kB\nShmemPmdMapped: 4096 kB\nVmFlags: rd wr sh mr mw me ms ht \n7f0090000000-7f0090001000 rw-p 00000000 00:00 0 \nKernelPageSize: 4 kB\nVmFlags: rd wr\n";

    private const string Status =
        "Name:\tpostgres\nState:\tD (disk sleep)\nTgid:\t7\nPid:\t7\nPPid:\t1\nUid:\t1\t105\t105\t105\nThreads:\t2\nVmRSS:\t 20 kB\nRssAnon:\t 8 kB\nVmPTE:\t 8208 kB\nHugetlbPages:\t 2048 kB\nTHP_enabled:\t1\nCapEff:\t000001ffffffffff\n";

    private const string Mounts =
        "22 1 8:2 / / rw - ext4 /dev/sda1 rw\n30 22 0:27 /a\\040b /dev/shm rw,nosuid shared:1 - tmpfs tmpfs rw,size=1024k\n31 22 0:21 / /huge rw - hugetlbfs none rw,pagesize=2M\n32 22 0:48 / /f rw - fuse.sshfs x rw\n";

    private const string Cgroup = "4:memory:/box\n1:name=systemd:/system.slice/postgresql.service\n0::/a b:c\n";

    private readonly string _root = Directory.CreateTempSubdirectory("pando-hostile-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private static byte[] Mutated(string text, Random random) => Mutation.Of(Encoding.UTF8.GetBytes(text), random);

    private void Write(string path, ReadOnlySpan<byte> text)
    {
        path = Path.Combine(_root, path);
        if (!File.Exists(path))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        }

        using var file = File.Create(path);
        file.Write(text);
    }

    [Fact]
    public void Ten_thousand_mutated_maps_give_mappings_that_can_be()
    {
        Fuzz.ForEach(random =>
        {
            var text = Mutated(Maps, random);
            var objects = new ObjectTable();

            var mappings = MapsParser.Parse(text, objects);

            var end = 0UL;
            foreach (var mapping in mappings)
            {
                Assert.True(mapping.IsPossibleAbove(end), $"{mapping} above 0x{end:x}");
                end = mapping.End;
            }

            Assert.True(mappings.Length <= text.Count(b => b == '\n') + 1);
            Assert.All(objects.ToFacts(), o => Assert.True(PrintableTests.IsVisible(Printable.Text(o.Name))));
        });
    }

    [Fact]
    public void Ten_thousand_mutated_smaps_are_read_without_an_error() =>
        Fuzz.ForEach(random => Assert.All(SmapsParser.Parse(Mutated(Smaps, random)), e => Assert.True(e.HugeMappedBytes >= 0 && e.VmFlags is not null)));

    [Fact]
    public void Ten_thousand_mutated_status_files_give_amounts_that_can_be()
    {
        Fuzz.ForEach(random =>
        {
            var status = StatusParser.Parse(Mutated(Status, random));
            Assert.True(status is { HugetlbBytes: >= 0, ResidentBytes: >= 0, AnonymousBytes: >= 0 } && status.TableBytes is null or >= 0);
            Assert.True(PrintableTests.IsVisible(Printable.Text(status.Name)));
        });
    }

    [Fact]
    public void Ten_thousand_mutated_mount_tables_are_read_without_an_error()
    {
        Fuzz.ForEach(random =>
        {
            var text = Mutated(Mounts, random);
            foreach (var (_, type) in MountTable.Parse(text))
            {
                Assert.True(type.PageSize == 0 || System.Numerics.BitOperations.IsPow2(type.PageSize), $"{type.PageSize}");
            }

            Assert.All(MountPoint.Parse(text), m => Assert.NotEmpty(m.Point));
        });
    }

    [Fact]
    public void Ten_thousand_mutated_counters_and_options_are_read_without_an_error()
    {
        Fuzz.ForEach(random =>
        {
            Assert.All(ProcText.Numbers(Mutated("anon 123\npagetables 4096\nMemTotal:  24 kB\nPageTables:\t 5004 kB\n", random)).Values, v => Assert.True(v >= 0));
            Assert.All(KernelConfig.Parse(Mutated("CONFIG_HUGETLB_PAGE=y\n# CONFIG_DEV_DAX is not set\nCONFIG_MSHARE=m\n", random)).Values, Assert.NotNull);
            _ = KernelCounters.Of(Mutation.Of("6.18.44-amd64+x", random));
            _ = PostgresVersion.Of(Mutation.Of("15", random), Mutation.Of("/usr/lib/postgresql/15/bin/postgres", random));
        });
    }

    [Fact]
    public void Ten_thousand_mutated_command_lines_keep_short_arguments_about_memory_alone()
    {
        const string Line = "java\0-Xmx1g\0-XX:+UseZGC\0-Dpassword=secret\0-m\0size=4G,slots=2\0-name\0guest=a\0-object\0memory-backend-file,size=1G\0--innodb-buffer-pool-size=1G\0--socket-mem\01024\0";
        var kinds = Enum.GetValues<ServiceKind>();
        Fuzz.ForEach(random =>
        {
            var arguments = Printable.Decode(Mutated(Line, random)).Split('\0');
            var kind = kinds[random.Next(kinds.Length)];
            _ = ServiceFinder.KindOf(Mutation.Of("ora_pmon_x", random), Mutation.Of("/usr/bin/java (deleted)", random));

            var kept = ServiceReader.Telling(kind, arguments);

            Assert.True(kept.Count <= 65 && kept.All(a => a.Length <= 1024));
            _ = VirtualMachines.FromArguments(kept);
        });
    }

    [Fact]
    public void Ten_thousand_mutated_files_of_container_runtimes_give_short_names_or_none()
    {
        var id = new string('a', 64);
        var podman = $"[{{\"id\":\"{id}\",\"names\":[\"web\"]}}]";
        var docker = $"{{\"ID\":\"{id}\",\"Name\":\"/web\"}}";
        Fuzz.ForEach(random =>
        {
            if (random.Next(2) == 0)
            {
                Write("var/lib/containers/storage/overlay-containers/containers.json", Mutated(podman, random));
            }
            else
            {
                Write("var/lib/containers/storage/overlay-containers/containers.json", "[]"u8);
                Write($"var/lib/docker/containers/{id}/config.v2.json", Mutated(docker, random));
            }

            Assert.True(new ContainerNames(new ScanOptions { Root = _root }, new FileContents(), [new MountPoint("8:1", "/", "/", "rw", "ext4", "rw")]).OfContainer(id) is null or { Length: > 0 and <= 255 });
        });
    }

    [Fact]
    public void Machines_of_mutated_files_are_scanned_into_snapshots_that_can_be()
    {
        // The whole scan takes a hundred times as long as one file.
        Fuzz.ForEach(random =>
        {
            for (var pid = 42; pid <= 43; pid++)
            {
                Write($"{pid}/status", Mutated(Status, random));
                Write($"{pid}/maps", Mutated(Maps, random));
                Write($"{pid}/smaps", Mutated(Smaps, random));
                Write($"{pid}/cgroup", Mutated(Cgroup, random));
                Write($"{pid}/mountinfo", Mutated(Mounts, random));
                Write($"{pid}/cmdline", Mutated("postgres\0-D\0/x\0", random));
                Write($"{pid}/limits", Mutated("Limit Soft\nMax locked memory  8388608  8388608  bytes\n", random));
            }

            Write("self/mountinfo", Mutated(Mounts, random));
            Write("meminfo", Mutated("MemTotal: 24000000 kB\nPageTables: 5004 kB\nHugepagesize: 2048 kB\n", random));

            var snapshot = MachineScanner.Scan(new ScanOptions { Proc = _root, Root = _root, Sys = _root });

            Assert.Null(SnapshotCheck.FaultOf(snapshot));
            Assert.NotEmpty(ReportJson.Write(ScanAnalysis.Analyse(snapshot, new ReportOptions())));
        }, part: 100);
    }

    [Fact]
    public void A_mapping_that_grew_while_maps_was_written_counts_once()
    {
        var objects = new ObjectTable();
        var mappings = MapsParser.Parse("7f0000000000-7f0000001000 rw-s 00000000 00:01 7 /a\n7f0000000000-7f0000003000 rw-s 00000000 00:01 7 /a\n7f0000003000-7f0000004000 rw-p 00000000 00:00 0 \n7f0000003000-7f0000004000 rw-p 00000000 00:00 0 \n"u8, objects);

        Assert.Equal([(0x7f0000000000UL, 0x7f0000001000UL, 0L), (0x7f0000001000UL, 0x7f0000003000UL, 4096L), (0x7f0000003000UL, 0x7f0000004000UL, 0L)], mappings.Select(m => (m.Start, m.End, m.Offset)));
        Write("smaps", "7f0000000000-7f0000001000 rw-s 00000000 00:01 7 /a\nVmFlags: rd\n7f0000000000-7f0000003000 rw-s 00000000 00:01 7 /a\nVmFlags: rd wr\n"u8);
        Assert.Equal("rd wr", Assert.Single(SmapsParser.ByStart(new FileContents(), Path.Combine(_root, "smaps"))).Value.VmFlags);
    }

    [Theory]
    [InlineData(0x7ffffffffffff000UL)]
    [InlineData(0xfffffffffffff000UL)]
    [InlineData(0xc000000000000000UL)] // doorbells of an AMD GPU: their kind stands in the highest bits
    [InlineData(0x3ffffffffffff000UL)]
    public void A_driver_that_takes_numbers_of_its_own_for_offsets_breaks_no_sum(ulong offset)
    {
        var mapping = Assert.Single(MapsParser.Parse(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"7f0000000000-7f0040000000 rw-s {offset:x} 00:05 7 /dev/kfd\n")), new ObjectTable()));
        Assert.InRange(mapping.Offset, 0, MappingList.MostOffset - (1 << 30));
    }

    [Fact]
    public void Lines_are_read_in_the_memory_of_one_line()
    {
        var text = new StringBuilder();
        for (var i = 0; i < 2000; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"{i:x}-").Append('x', (i * 37) % 20_000 == 0 ? 200_000 : (i * 37) % 20_000).Append('\n');
        }

        text.Append("last");
        Write("lines", Encoding.ASCII.GetBytes(text.ToString()));
        var expected = text.ToString().Split('\n').Select(l => l.Length > 16 * 1024 ? l[..(16 * 1024)] : l).ToList();
        var read = new List<string>();
        var file = new FileContents();

        var lines = file.ReadLines(Path.Combine(_root, "lines"), l => read.Add(Encoding.ASCII.GetString(l)), out var error);

        Assert.Equal((0, (long)expected.Count), (error, lines));
        Assert.Equal(expected.Select(l => (l.Length, l[..Math.Min(l.Length, 8)])), read.Select(l => (l.Length, l[..Math.Min(l.Length, 8)])));
        var before = GC.GetAllocatedBytesForCurrentThread();
        file.ReadLines(Path.Combine(_root, "lines"), _ => { }, out _);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 256 << 10);
    }

    [Fact]
    public void A_command_line_without_end_is_read_at_its_start()
    {
        Write("cmdline", Encoding.ASCII.GetBytes(new string('a', 3 << 20)));
        Assert.Equal(1 << 20, new FileContents().ReadStart(Path.Combine(_root, "cmdline"), 1 << 20).Length);
        Assert.Equal(3 << 20, new FileContents().ReadStart(Path.Combine(_root, "cmdline"), 4 << 20).Length);
    }
}
