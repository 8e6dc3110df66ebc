using Pando.Linux.Report;
using Pando.Linux.Snapshot;
using Pando.Linux.Text;

namespace Pando.Linux.Analysis;

/// <summary>What the kernel can do about page tables, from its configuration where that is published, else from its
/// files in /sys. Unknown counts as able.</summary>
internal sealed record KernelSupport(bool Hugetlb, bool HugetlbSharing, bool Thp, bool DaxPmd, IReadOnlyList<SupportReport> Lines)
{
    public static KernelSupport Of(MachineFacts machine)
    {
        // Pools and settings in /sys exist where the kernel was built with them, whether its configuration is published
        // or not.
        var hugetlb = machine.Pools.Count > 0 ? "yes" : State(machine, "CONFIG_HUGETLB_PAGE");
        // The option has this name since 6.13; before, the architecture's wish alone decided.
        var sharing = machine.Config.ContainsKey("CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING")
            ? State(machine, "CONFIG_HUGETLB_PMD_PAGE_TABLE_SHARING")
            : State(machine, "CONFIG_ARCH_WANT_HUGE_PMD_SHARE");
        var thp = machine.TransparentHugePages.Length > 0 ? "yes" : State(machine, "CONFIG_TRANSPARENT_HUGEPAGE");
        var dax = State(machine, "CONFIG_FS_DAX");
        var daxPmd = State(machine, "CONFIG_FS_DAX_PMD");
        var reclaim = State(machine, "CONFIG_PT_RECLAIM");
        var pools = string.Join(", ", machine.Pools.Select(p => $"{p.Total} of {ByteText.Size((long)p.PageSize)} ({p.Free} free)"));
        return new KernelSupport(hugetlb != "no", sharing != "no", thp != "no", daxPmd != "no",
        [
            new("hugetlb pages", hugetlb, pools.Length > 0 ? $"pools: {pools}" : "no pools"),
            new("sharing of hugetlb PMD tables", sharing, "whole aligned GiBs of 2 MiB pages, equal flags"),
            new("transparent huge pages", thp, $"enabled: {Or(machine.TransparentHugePages)}; shmem: {Or(machine.ShmemHugePages)}"),
            new("DAX file systems", dax, $"2 MiB leaves: {daxPmd}"),
            new("sharing of DAX PMD tables", "no", "proposed in 2019, not merged"),
            new("sharing of PTE tables (mshare, ptshare)", machine.TableSharing is { Count: > 0 } || machine.Config.GetValueOrDefault("CONFIG_MSHARE") == "y" ? "yes" : "no",
                machine.TableSharing is { Count: > 0 } found ? $"{string.Join(", ", found)}: VmPTE misleads, see the note" : "patches on the list, and in kernels of Android and Anolis; not merged"),
            new("freeing empty tables on MADV_DONTNEED", reclaim, "CONFIG_PT_RECLAIM, Linux 6.14"),
        ]);
    }

    private static string State(MachineFacts machine, string option) => machine.Config.Count == 0 ? "unknown"
        : machine.Config.GetValueOrDefault(option) is "y" or "m" ? "yes" : "no";

    private static string Or(string word) => word.Length > 0 ? word : "unknown";
}
