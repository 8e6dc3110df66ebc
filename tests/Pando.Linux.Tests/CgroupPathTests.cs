using Pando.Linux.Analysis;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Tests;

/// <summary>Which cgroup lies in which, in a namespace and outside.</summary>
public class CgroupPathTests
{
    [Theory]
    [InlineData("/", "/", true)]
    [InlineData("/a/b", "/", true)]
    [InlineData("/../..", "/", false)] // outside the reader's cgroup namespace
    [InlineData("/../sibling", "/", false)]
    [InlineData("/..data", "/", true)] // a name that begins with dots
    [InlineData("/..data/x", "/..data", true)]
    [InlineData("/a/b", "/a", true)]
    [InlineData("/ab", "/a", false)]
    [InlineData("/a", "/a/b", false)]
    [InlineData("/", "/..", true)]
    [InlineData("/x/y", "/..", true)]
    [InlineData("/../sibling/z", "/..", true)]
    [InlineData("/../../aunt", "/..", false)]
    [InlineData("/../sibling/z", "/../sibling", true)]
    [InlineData("/sibling", "/../sibling", false)]
    [InlineData("/../../aunt", "/../..", true)]
    [InlineData("", "/", false)] // not known
    [InlineData("/a b:c/d", "/a b:c", true)]
    public void A_cgroup_is_in_another_by_whole_names_and_by_how_far_up_it_lies(string path, string top, bool inside) =>
        Assert.Equal(inside, CgroupPath.IsInside(path, top));

    [Theory]
    [InlineData("/", null)]
    [InlineData("/a", "/")]
    [InlineData("/a/b", "/a")]
    [InlineData("/..", null)]
    [InlineData("/../a", "/..")]
    public void The_cgroup_above(string path, string? parent) => Assert.Equal(parent, CgroupPath.ParentOf(path));

    [Fact]
    public void The_root_of_a_nested_cgroup_namespace_is_not_everybody()
    {
        // c17 in a container: ten processes in the namespace, four beside it, two above.
        ProcessFacts Process(int pid, string cgroup) => new(pid, "p", 0, cgroup, 4096, 0, 0, []);
        var processes = Enumerable.Range(1, 10).Select(i => Process(i, i < 4 ? "/" : "/pod A:1/c"))
            .Concat(Enumerable.Range(11, 4).Select(i => Process(i, "/../other")))
            .Concat(Enumerable.Range(15, 2).Select(i => Process(i, "/../..")));
        var snapshot = new MachineSnapshot(DateTimeOffset.UnixEpoch, 1, true,
            new MachineFacts("6.12.0", 4, 2, 24L << 30, 1L << 30, 0, false, [], new Dictionary<string, string>(), "madvise", "never", new Dictionary<string, string>()),
            [new ObjectFacts(0, ObjectKind.Anonymous, "[anonymous]", "", 0)], [.. processes], [], [], []);
        int Count(string cgroup) => ScanAnalysis.Analyse(snapshot, new ReportOptions { Cgroup = cgroup }).Processes.Count;

        Assert.Equal((10, 7, 7, 4, 14, 16), (Count("/"), Count("/pod A:1"), Count("pod A:1/c/"), Count("/../other"), Count("/.."), Count("/../..")));

        // The table sums over the same tree.
        var rows = ScanAnalysis.Analyse(snapshot, new ReportOptions()).Cgroups;
        Assert.Equal(
            [("/../..", 16, 2), ("/..", 14, 0), ("/", 10, 3), ("/pod A:1/c", 7, 7), ("/../other", 4, 4)],
            rows.Select(r => (r.Path, r.TreeProcesses, r.Processes)));
        Assert.All(rows, r => Assert.Equal(Count(r.Path), r.TreeProcesses));
    }
}
