using System.Text;
using Pando.Linux.Proc;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

public class ParserTests
{
    [Fact]
    public void Maps_lines_become_mappings_and_the_same_inode_is_the_same_object()
    {
        var objects = new ObjectTable();
        var mappings = MapsParser.Parse(Encoding.ASCII.GetBytes(
            "7f0000000000-7f0040000000 rw-s 00200000 00:01 1057                       /dev/zero (deleted)\n" +
            "7f0080000000-7f0080001000 r--s 00000000 00:01 1057                       /dev/zero (deleted)\n" +
            "7f0090000000-7f0090001000 rw-p 00000000 00:00 0 \n" +
            "7f0091000000-7f0091200000 rw-s 00000000 00:10 0                          /SYSV00000000 (deleted)\n" +
            "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"), objects);

        Assert.Equal(new MappingFacts(0x7f0000000000, 0x7f0040000000, 0x200000, MappingRights.Read | MappingRights.Write | MappingRights.Shared, 1), mappings[0]);
        Assert.Equal([1, 1, 0, 2, 3], mappings.Select(m => m.ObjectNumber));
        Assert.Equal(["[anonymous]", "/dev/zero (deleted)", "/SYSV00000000 (deleted)", "[vsyscall]"], objects.ToFacts().Select(o => o.Name));
        Assert.Equal([("", 0UL), ("00:01", 1057UL), ("00:10", 0UL), ("", 0UL)], objects.ToFacts().Select(o => (o.Device, o.Inode)));
        Assert.Equal("rw-s", mappings[0].RightsText());
    }

    [Fact]
    public void A_line_cut_short_is_passed_over()
    {
        var mappings = MapsParser.Parse("7f0000000000-7f0040000000 rw-s 0 00:01 7 /a\n7f00400000"u8, new ObjectTable());
        Assert.Single(mappings);
    }

    [Fact]
    public void Status_gives_sizes_in_bytes_and_kernel_threads_have_no_tables()
    {
        var status = StatusParser.Parse("Name:\tpostgres\nState:\tD (disk sleep)\nUid:\t1\t105\t105\t105\nVmRSS:\t   20 kB\nVmPTE:\t    8208 kB\nHugetlbPages:\t    2048 kB\n"u8);
        Assert.Equal(new ProcessStatus("postgres", 105, 8208 * 1024, 2048 * 1024, 20 * 1024, "D", 0), status);
        Assert.Null(StatusParser.Parse("Name:\tkthreadd\nUid:\t0\t0\t0\t0\n"u8).TableBytes);
    }

    [Fact]
    public void Smaps_gives_page_size_huge_bytes_and_flags_of_each_mapping()
    {
        var entries = SmapsParser.Parse(
            "7f0000000000-7f0040000000 rw-s 00000000 00:0f 7   /anon_hugepage (deleted)\nSize: 1 kB\nKernelPageSize:     2048 kB\nAnonHugePages:         0 kB\nShmemPmdMapped:     4096 kB\nVmFlags: rd wr sh mr mw me ms ht \n7f0090000000-7f0090001000 rw-p 00000000 00:00 0 \nKernelPageSize:        4 kB\nVmFlags: rd wr\n"u8);
        Assert.Equal(
        [
            new SmapsEntry(0x7f0000000000, 0x7f0040000000, 2 << 20, 4 << 20, "rd wr sh mr mw me ms ht"),
            new SmapsEntry(0x7f0090000000, 0x7f0090001000, 4096, 0, "rd wr"),
        ], entries);
    }

    [Fact]
    public void Kernel_options_not_set_are_n_and_others_are_left_out()
    {
        var options = KernelConfig.Parse("CONFIG_HUGETLB_PAGE=y\n# CONFIG_DEV_DAX is not set\nCONFIG_SMP=y\n"u8);
        Assert.Equal(new Dictionary<string, string> { ["CONFIG_DEV_DAX"] = "n", ["CONFIG_HUGETLB_PAGE"] = "y" }, options);
    }

    [Fact]
    public void Mountinfo_gives_the_type_behind_a_device_and_the_page_size_of_a_hugetlbfs()
    {
        var mounts = MountTable.Parse(Encoding.ASCII.GetBytes(
            "36 35 98:0 /mnt1 /mnt2\\040-\\040x rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue\n" +
            "37 35 0:45 / /dev/hugepages rw - hugetlbfs hugetlbfs rw,pagesize=2M,size=4096M\n" +
            "38 35 0:46 / /huge rw - hugetlbfs none rw,pagesize=1024M\n" +
            "39 35 0:47 / /v rw - virtiofs v rw,dax=always\n" +
            "garbage\n40 35 0:48 / /f rw - fuse.sshfs x rw,user_id=0"));

        Assert.Equal([(0x6200000U, "ext3", 0UL), (45U, "hugetlbfs", 2UL << 20), (46U, "hugetlbfs", 1UL << 30), (47U, "virtiofs", 0UL), (48U, "fuse.sshfs", 0UL)],
            mounts.Select(m => (m.Device, m.Type.Name, m.Type.PageSize)));
        Assert.Equal([true, true, true, false, false], mounts.Select(m => m.Type.AnswersAtOnce));
        Assert.Equal([false, false, false, true, false], mounts.Select(m => m.Type.MayHaveServedDax));
    }
}
