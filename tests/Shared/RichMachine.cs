using Pando.Linux.Snapshot;

namespace Pando.Tests.Shared;

/// <summary>A small machine that has something of everything that a snapshot can hold, and of every server that advice knows.</summary>
internal static class RichMachine
{
    private const ulong MiB = 1UL << 20;
    private const ulong GiB = 1UL << 30;
    private const MappingRights Private = MappingRights.Read | MappingRights.Write;
    private const MappingRights Shared = Private | MappingRights.Shared;
    private const string Container = "4f1d2c3b4a594f1d2c3b4a594f1d2c3b4a594f1d2c3b4a594f1d2c3b4a594f1d";

    /// <summary>The machine; <paramref name="name"/> is in every name that a stranger may choose.</summary>
    public static MachineSnapshot Create(string name = "x")
    {
        ObjectFacts[] objects =
        [
            new(0, ObjectKind.Anonymous, "[anonymous]", "", 0),
            new(1, ObjectKind.SharedAnonymous, "/dev/zero (deleted)", "00:01", 7, 0, "tmpfs", SizeBytes: 2L << 30, AllocatedBytes: 2L << 30),
            new(2, ObjectKind.SystemV, "/SYSV00000000 (deleted)", "00:01", 8, 0, "tmpfs", Scope: "ipc:[1]", SizeBytes: 2L << 30, AllocatedBytes: 2L << 30),
            new(3, ObjectKind.SystemV, "/SYSV00000000 (deleted)", "00:01", 8, 0, "tmpfs", Scope: "ipc:[2]"),
            new(4, ObjectKind.SharedMemory, $"/dev/shm/{name}", "00:1b", 9, 0, "tmpfs", SizeBytes: 64 << 20, AllocatedBytes: 2 << 20,
                Mount: new MountFacts("/dev/shm", $"rw,size=1024k,huge=never,{name}", 12, 1 << 30, 1 << 29, 4)),
            new(5, ObjectKind.DaxFile, $"/pmem/{name}", "103:1", 10, 0, "xfs", new DaxFacts(1 << 20, (long)GiB, "xfs", [new PhysicalExtent(0, 2 << 20, 16 * MiB, 0), new PhysicalExtent(16 * MiB, 40 << 20, 16 * MiB, PhysicalExtent.Unwritten), new PhysicalExtent(40 * MiB, GiB, 24 * MiB, 0)])),
            new(6, ObjectKind.Hugetlb, $"/huge/{name}", "00:30", 11, 2 * MiB, "hugetlbfs", SizeBytes: (long)(2 * GiB), AllocatedBytes: (long)(2 * GiB)),
            new(7, ObjectKind.Hugetlb, "/anon_hugepage (deleted)", "00:31", 12, GiB, "hugetlbfs"),
            new(8, ObjectKind.Memfd, $"/memfd:{name} (deleted)", "00:01", 13, 0, "tmpfs"),
            new(9, ObjectKind.File, $"/usr/lib/{name}.so", "08:01", 14, 0, "ext4"),
            new(10, ObjectKind.Special, "anon_inode:kvm-vcpu:0", "00:0f", 15),
            new(11, ObjectKind.DaxDevice, "/dev/dax0.0", "00:06", 16, 0, "devtmpfs"),
            new(12, ObjectKind.Special, "[vsyscall]", "", 0),
        ];
        return new MachineSnapshot(DateTimeOffset.UnixEpoch, 0.5, false,
            new MachineFacts($"6.12.1-{name}", 4, 2, 24L << 30, 1L << 30, 4 << 20, true,
                [new Pando.Linux.Snapshot.HugePagePool(2 * MiB, 1024, 10, 4, 2), new Pando.Linux.Snapshot.HugePagePool(GiB, 1, 1, 0, 0)],
                new Dictionary<string, string> { ["CONFIG_HUGETLB_PAGE"] = "y", ["CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING"] = "y", ["CONFIG_TRANSPARENT_HUGEPAGE"] = "y", ["CONFIG_FS_DAX_PMD"] = "y", ["CONFIG_PT_RECLAIM"] = "n" },
                "madvise", "advise", new Dictionary<string, string> { ["vm.nr_hugepages"] = "1024", ["kernel.shmmax"] = "18446744073692774399", ["vm.hugetlb_shm_group"] = "0" },
                2 * MiB, 8L << 30, 3L << 30, [new NodeTables(0, 1 << 29, 1 << 20), new NodeTables(1, 1 << 29, null)], ["CONFIG_MSHARE"], new ForkRate(900, 1.5)),
            objects, Processes(name),
            [
                new CgroupFacts("/", null, "because"),
                new CgroupFacts("/system.slice/postgresql.service", 1 << 24, null, 4096, [new NodeTables(0, 4096, 0)], 8L << 30, 1L << 30, [new HugetlbLimit(2 * MiB, 1 << 30, 2 << 20, "/system.slice", "/sys/fs/cgroup/system.slice/hugetlb.2MB.max", false)]),
                new CgroupFacts($"/kubepods/pod1/{Container}", 4096, Hugetlb: [new HugetlbLimit(2 * MiB, 0, 0, "/kubepods", $"/sys/fs/cgroup/{name}", true)], ContainerName: name, PodName: $"shop/{name}"),
            ],
            [new HugetlbProbe(6, 0, [31, 32, 33], 1), new HugetlbProbe(6, (long)GiB, [31, 32, 33], 2, 3), new HugetlbProbe(7, 0, [33], null)],
            [$"note of {name}"], "PID namespace");
    }

    private static ProcessFacts[] Processes(string name)
    {
        var postgres = "/system.slice/postgresql.service";
        var pod = $"/kubepods/pod1/{Container}";
        return
        [
            Server(11, "postgres", postgres, new("/usr/lib/postgresql/15/bin/postgres", $"/var/lib/{name}", "15", [], 1, 8 << 20, false), Of(4 * GiB, 64 * MiB, Private, 0), Of(64 * GiB, 2 * GiB, Shared, 1)),
            Server(12, "postgres", postgres, new("/usr/lib/postgresql/15/bin/postgres", $"/var/lib/{name}", "15", [], 11, null, false), Of(4 * GiB, 64 * MiB, Private, 0), Of(8 * GiB, 64 * MiB, Shared, 4), Of(64 * GiB, 2 * GiB, Shared, 1)),
            Server(13, "postgres", postgres, null, Of(4 * GiB, 64 * MiB, Private, 0), Of(64 * GiB, 2 * GiB, Shared, 1)) with { Populated = null },
            Server(21, "ora_pmon_ORCL", $"/{name}.slice", new("/u01/bin/oracle", "", "", [], 1, 1 << 20, true), Of(64 * GiB, 2 * GiB, Shared, 2), Of(68 * GiB, 64 * MiB, Shared, 2, 64 * MiB)),
            Server(22, "oracle_22_orcl", $"/{name}.slice", null, Of(64 * GiB, 2 * GiB, Shared, 2), Of(68 * GiB, 64 * MiB, MappingRights.Read | MappingRights.Shared, 3)),
            Huge(31, Of(8 * GiB, 2 * GiB, Shared, 6)) with { HugeRuns = [new PopulatedRun(0, 8 * GiB, 10 * GiB, 1)], Populated = null },
            Huge(32, Of((8 * GiB) + (2 * MiB), GiB, Shared, 6)),
            Huge(33, Of(8 * GiB, GiB, MappingRights.Read | MappingRights.Shared, 6), Of(16 * GiB, GiB, Shared, 7)),
            Server(41, "java", pod, new("/usr/bin/java", "", "", ["-Xmx1g", $"-XX:{name}"], 1, null, false), Of(GiB, GiB, Private, 0), Of(4 * GiB, 256 * MiB, Private | MappingRights.Execute, 0), Of(16 * GiB, 64 * MiB, Shared, 8), Of(32 * GiB, 64 * MiB, Shared, 8)),
            Server(51, "qemu-system-x86", "/machine.slice/machine-qemu\\x2d1\\x2dx.scope", new("/usr/bin/qemu-system-x86_64", "", "", ["-m", "1G", "-name", $"guest={name}", "-object", $"memory-backend-memfd,id={name}"], 1, null, false), Of(GiB, GiB, Private, 0), Of(2 * GiB, 4096, Shared, 10)),
            Server(61, "redis-server", "/a/b", new("/usr/bin/redis-server", "", "", [], 1, null, false, true), Of(GiB, 512 * MiB, Private, 0)) with { AnonymousBytes = 512 << 20 },
            Server(71, $"dpdk-{name}", "", new("/usr/bin/dpdk-testpmd", "", "", ["--no-huge", "-m", "64"], 1, null, false), Of(GiB, 64 * MiB, Shared, 8)),
            Server(81, name, $"/{name}", null, Of(GiB, 64 * MiB, Shared, 5), Of(2 * GiB, 64 * MiB, MappingRights.Read, 9), Of(4 * GiB, 64 * MiB, 0, 0), Of(8 * GiB, GiB, Shared, 11), new MappingFacts(0xffffffffff600000, 0xffffffffff601000, 0, MappingRights.Execute, 12)) with
            {
                Populated = [new PopulatedRun(0, GiB, GiB + (32 * MiB), 0), new PopulatedRun(0, GiB + (32 * MiB), GiB + (40 * MiB), 1), new PopulatedRun(1, 2 * GiB, (2 * GiB) + (2 * MiB), 0)], Unread = 1 << 30,
                OtherCgroups = new CgroupPaths($"/user.slice/{name}.scope", "/"), Thread = 82, SameSpace = [83, 84],
            },
            new(91, name, 1000, $"/{name}", 1 << 20, 0, 1 << 20, null, StuckState: "D"),
            Server(95, "mysqld", "/mysql", new("/usr/sbin/mysqld", "", "", ["--innodb-buffer-pool-size=1G"], 1, null, false), Of(GiB, GiB, Private, 0)),
        ];
    }

    private static MappingFacts Of(ulong start, ulong length, MappingRights rights, int number, ulong offset = 0) => new(start, start + length, (long)offset, rights, number);

    private static ProcessFacts Server(int pid, string name, string cgroup, ServiceFacts? service, params MappingFacts[] mappings) =>
        new(pid, name, 26, cgroup, 4 << 20, 0, 256 << 20, mappings, [.. mappings.Select((m, i) => new PopulatedRun(i, m.Start, m.End, 0)).Where(r => r.Start < 1UL << 63)], Service: service, AnonymousBytes: 64 << 20);

    private static ProcessFacts Huge(int pid, params MappingFacts[] mappings) =>
        new(pid, "worker", 1000, "/workers", 64 << 10, 2L << 30, 1 << 20, mappings, [.. mappings.Select((m, i) => new PopulatedRun(i, m.Start, m.End, m.ObjectNumber == 7 ? 2 : 1))], VmFlags: mappings.Select((m, i) => i).ToDictionary(i => i, i => $"rd wr sh mr mw me ms ht {(pid == 32 ? "sd" : "")}".Trim()));
}
