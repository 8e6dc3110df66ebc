using System.Globalization;
using System.Text.RegularExpressions;
using Pando.Linux.Report;
using Pando.Linux.Text;

namespace Pando.Linux.Analysis;

/// <summary>
/// What a cgroup is to people, read from its path: systemd, container runtimes, the kubelet, libvirt and batch systems
/// each have their own way of writing it.
/// </summary>
/// <param name="Kind">What it is.</param>
/// <param name="Unit">The systemd unit (with escapes undone), or the name of the virtual machine, job or system container; empty if
/// the path tells none.</param>
/// <param name="Runtime">Whose container: docker, podman, containerd, cri-o, ...; "container" where only the form of the path tells; else empty.</param>
/// <param name="ContainerId">The container's id, 64 hexadecimal digits; empty if it is none.</param>
/// <param name="PodUid">The pod's uid, with dashes; empty if it is in none.</param>
internal sealed partial record CgroupName(CgroupKind Kind, string Unit, string Runtime, string ContainerId, string PodUid)
{
    // The kernel's NAME_MAX; what is longer comes from no kernel.
    private const int LongestName = 255;

    private static readonly CgroupName Nothing = new(CgroupKind.Other, "", "", "", "");

    /// <summary>Reads a path.</summary>
    public static CgroupName Of(string path)
    {
        var name = Nothing;
        foreach (var part in CgroupPath.Parts(path).Where(p => p.Length <= LongestName))
        {
            name = name.With(part);
        }

        return name;
    }

    /// <summary>One line for people; <paramref name="containerName"/> and <paramref name="podName"/> are the names that are not in the
    /// path, null where they are not known. Empty if the path tells nothing.</summary>
    public string Label(string? containerName, string? podName)
    {
        var pod = podName ?? (PodUid.Length > 0 ? $"pod {PodUid}" : "");
        var container = ContainerId.Length == 0 ? "" : containerName ?? $"{Runtime} {ContainerId[..12]}";
        return (pod.Length, container.Length) switch
        {
            ( > 0, > 0) => $"{pod}: {container}",
            ( > 0, _) => pod,
            (_, > 0) => container,
            _ => Unit,
        };
    }

    private CgroupName With(string part)
    {
        if (ContainerId.Length == 0 && Pod().Match(part) is { Success: true } pod)
        {
            var name = this with { Kind = CgroupKind.Pod, PodUid = pod.Groups["uid"].Value.Replace('_', '-') };
            return Container().Match(part) is { Success: true } inName ? name.WithContainer(inName) : name;
        }

        if (Container().Match(part) is { Success: true } container)
        {
            return WithContainer(container);
        }

        return (Machine().Match(part), SystemContainer().Match(part), Job().Match(part)) switch
        {
            ({ Success: true } machine, _, _) => this with { Kind = CgroupKind.VirtualMachine, Unit = Unescape(machine.Groups["name"].Value) },
            (_, { Success: true } system, _) when ContainerId.Length == 0 => this with { Kind = CgroupKind.Container, Runtime = system.Groups["lxc"].Success ? "lxc" : "nspawn", Unit = Unescape(system.Groups["name"].Value) },
            (_, _, { Success: true } job) when Unit.Length == 0 || Kind == CgroupKind.Job || Unit.StartsWith("slurm", StringComparison.Ordinal) => this with { Kind = CgroupKind.Job, Unit = Kind == CgroupKind.Job ? $"{Unit} {job.Value.Replace('_', ' ')}" : job.Value.Replace('_', ' ') },
            _ => WithUnit(part),
        };
    }

    private CgroupName WithContainer(Match match)
    {
        var runtime = match.Groups["runtime"].Value switch
        {
            "cri-containerd" or "containerd" => "containerd",
            "crio" => "cri-o",
            "libpod" => "podman",
            "" => Runtime.Length > 0 ? Runtime : "container",
            var other => other,
        };
        return this with { Kind = CgroupKind.Container, Runtime = runtime, ContainerId = match.Groups["id"].Value };
    }

    /// <summary>Inside a container, what its own systemd runs: told only where nothing above is.</summary>
    private CgroupName WithUnit(string part)
    {
        if (Kind is CgroupKind.Container or CgroupKind.VirtualMachine)
        {
            return this;
        }

        return part switch
        {
            "docker" or "lxc" => this with { Runtime = part },
            "podman" or "libpod_parent" => this with { Runtime = "podman" },
            _ when Runtime == "lxc" && Kind == CgroupKind.Other => this with { Kind = CgroupKind.Container, Unit = part },
            _ when part.EndsWith(".service", StringComparison.Ordinal) || part.EndsWith(".scope", StringComparison.Ordinal) || part.EndsWith(".socket", StringComparison.Ordinal)
                || part.EndsWith(".mount", StringComparison.Ordinal) || part.EndsWith(".swap", StringComparison.Ordinal) => this with { Kind = CgroupKind.Unit, Unit = Unescape(part) },
            _ when part.EndsWith(".slice", StringComparison.Ordinal) && Kind is CgroupKind.Other or CgroupKind.Slice => this with { Kind = CgroupKind.Slice, Unit = Unescape(part) },
            _ => this,
        };
    }

    /// <summary>systemd writes what a unit's name cannot hold as \x2d (systemd.unit(5)).</summary>
    private static string Unescape(string name)
    {
        if (!name.Contains("\\x", StringComparison.Ordinal))
        {
            return name;
        }

        var bytes = new List<byte>();
        for (var i = 0; i < name.Length; i++)
        {
            if (name[i] == '\\' && i + 3 < name.Length && name[i + 1] == 'x' && byte.TryParse(name.AsSpan(i + 2, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            {
                bytes.Add(value);
                i += 3;
            }
            else
            {
                bytes.AddRange(System.Text.Encoding.UTF8.GetBytes(name, i, char.IsSurrogatePair(name, i) ? 2 : 1));
                i += char.IsSurrogatePair(name, i) ? 1 : 0;
            }
        }

        return Printable.Decode([.. bytes]);
    }

    // podUID, kubepods-burstable-podUID.slice (systemd driver, '_' for '-'), and ...podUID.slice:cri-containerd:ID.
    [GeneratedRegex("(?:^|-)pod(?<uid>[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:$|\\.slice)", RegexOptions.CultureInvariant)]
    private static partial Regex Pod();

    // docker-ID.scope, cri-containerd-ID.scope, crio-conmon-ID.scope, libpod-ID, slice:cri-containerd:ID, ID.
    [GeneratedRegex("^(?:.*?:)?(?:(?<runtime>[a-z][a-z-]*?)[-:])?(?:conmon-)?(?<id>[0-9a-f]{64})(?:\\.scope)?$", RegexOptions.CultureInvariant)]
    private static partial Regex Container();

    // machine-qemu\x2d1\x2dNAME.scope (systemd), qemu-1-NAME.libvirt-qemu and NAME.libvirt-qemu (libvirt alone).
    [GeneratedRegex("^(?:machine-qemu\\\\x2d[0-9]+\\\\x2d(?<name>.+)\\.scope|(?:qemu-[0-9]+-)?(?<name>.+)\\.libvirt-qemu)$", RegexOptions.CultureInvariant)]
    private static partial Regex Machine();

    [GeneratedRegex("^(?:(?<lxc>lxc)\\.(?:payload|monitor)\\.(?<name>.+)|systemd-nspawn@(?<name>.+)\\.service|machine-(?<name>.+)\\.scope)$", RegexOptions.CultureInvariant)]
    private static partial Regex SystemContainer();

    [GeneratedRegex("^(?:job|step)_[0-9A-Za-z]+$", RegexOptions.CultureInvariant)]
    private static partial Regex Job();
}
