using System.Globalization;
using Pando.Linux.Report;
using Pando.Linux.Snapshot;

namespace Pando.Linux.Analysis;

/// <summary>Finds virtual machines on KVM by what they map (a page of each vCPU), and what KVM's tables for them cost.</summary>
internal static class VirtualMachines
{
    private const string Processor = "anon_inode:kvm-vcpu";
    private const ulong SmallestMemory = 16UL << 20;
    private const long RuleOfThumb = 512;

    /// <summary>The machines of a snapshot, the largest first.</summary>
    public static IReadOnlyList<VirtualMachineReport> Find(MachineSnapshot snapshot)
    {
        var vcpus = snapshot.Objects.Where(o => o.Name.StartsWith(Processor, StringComparison.Ordinal)).Select(o => o.Number).ToHashSet();
        if (vcpus.Count == 0)
        {
            return [];
        }

        var found = snapshot.Processes.Where(p => p.Mappings?.Any(m => vcpus.Contains(m.ObjectNumber)) == true).ToList();
        var cgroups = snapshot.Cgroups.GroupBy(c => c.Path).ToDictionary(g => g.Key, g => g.First());
        return [.. found.Select(p => Report(p, p.Mappings!.Count(m => vcpus.Contains(m.ObjectNumber)), found, snapshot, cgroups)).OrderByDescending(v => v.GuestBytes).ThenBy(v => v.Pid)];
    }

    private static VirtualMachineReport Report(ProcessFacts process, int processors, List<ProcessFacts> all, MachineSnapshot snapshot, Dictionary<string, CgroupFacts> cgroups)
    {
        var guest = FromArguments(process.Service?.Arguments ?? []) ?? process.Mappings!
            .Where(m => (m.Rights & (MappingRights.Write | MappingRights.Execute)) == MappingRights.Write && m.Length >= SmallestMemory)
            .Total(m => (long)m.Length);
        var (secondary, source) = Secondary(process, all, snapshot, cgroups);
        return new VirtualMachineReport(process.Pid, NameOf(process), processors, guest, process.TableBytes, secondary, source, guest / RuleOfThumb);
    }

    /// <summary>KVM's tables are told by cgroup and for the whole machine: both are a machine's own where it is alone there.</summary>
    private static (long? Bytes, string Source) Secondary(ProcessFacts process, List<ProcessFacts> all, MachineSnapshot snapshot, Dictionary<string, CgroupFacts> cgroups)
    {
        string? shared = null;
        for (var path = process.Cgroup.Length == 0 ? null : process.Cgroup; path is not null; path = CgroupPath.ParentOf(path))
        {
            if (cgroups.GetValueOrDefault(path)?.SecondaryTableBytes is not { } bytes)
            {
                continue;
            }

            var inside = all.Count(p => CgroupPath.IsInside(p.Cgroup, path));
            if (inside == 1)
            {
                return (bytes, $"sec_pagetables of cgroup {path}");
            }

            shared ??= $"{inside} machines share cgroup {path}";
        }

        return all.Count == 1 && snapshot.Machine.SecondaryTableBytes is { } whole ? (whole, "SecPageTables of the machine, on which it is alone (with tables of the IOMMU)")
            : (null, shared ?? (snapshot.Machine.SecondaryTableBytes is null ? "the kernel does not count them (Linux 6.0)" : "several machines, and no cgroup v2 of its own"));
    }

    private static string NameOf(ProcessFacts process)
    {
        var cgroup = CgroupName.Of(process.OtherCgroups?.Unit ?? process.Cgroup);
        if (cgroup.Kind == CgroupKind.VirtualMachine)
        {
            return cgroup.Unit;
        }

        var arguments = process.Service?.Arguments ?? [];
        for (var i = 0; i + 1 < arguments.Count; i++)
        {
            if (arguments[i] == "-name")
            {
                var name = arguments[i + 1].Split(',').FirstOrDefault(w => w.StartsWith("guest=", StringComparison.Ordinal)) ?? arguments[i + 1].Split(',')[0];
                return name.StartsWith("guest=", StringComparison.Ordinal) ? name["guest=".Length..] : name;
            }
        }

        return process.Name;
    }

    /// <summary>QEMU's -m 4096, -m 4G, -m size=4194304k,slots=2.</summary>
    internal static long? FromArguments(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i + 1 < arguments.Count; i++)
        {
            if (arguments[i] != "-m")
            {
                continue;
            }

            var word = arguments[i + 1].Split(',')[0];
            var text = word.StartsWith("size=", StringComparison.Ordinal) ? word["size=".Length..] : word;
            var shift = text.Length == 0 ? 0 : char.ToUpperInvariant(text[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
            if (long.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0)
            {
                shift = shift == 0 ? 20 : shift; // a number alone is in MiB
                return number <= long.MaxValue >> shift ? number << shift : null;
            }
        }

        return null;
    }
}
