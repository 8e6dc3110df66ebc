namespace Pando.Linux.Report;

/// <summary>What a cgroup is to people.</summary>
public enum CgroupKind
{
    /// <summary>Its path does not tell.</summary>
    Other,

    /// <summary>A systemd slice.</summary>
    Slice,

    /// <summary>A systemd service, scope or other unit that runs processes.</summary>
    Unit,

    /// <summary>A Kubernetes pod.</summary>
    Pod,

    /// <summary>A container, of a pod or alone.</summary>
    Container,

    /// <summary>A virtual machine of libvirt.</summary>
    VirtualMachine,

    /// <summary>A job of a batch system (Slurm).</summary>
    Job,
}
