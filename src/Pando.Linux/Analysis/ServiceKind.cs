namespace Pando.Linux.Analysis;

/// <summary>Servers that have words of their own for huge pages.</summary>
public enum ServiceKind
{
    /// <summary>Any other program.</summary>
    Other,

    /// <summary>PostgreSQL and what is built on it.</summary>
    PostgreSql,

    /// <summary>An Oracle instance.</summary>
    Oracle,

    /// <summary>MySQL or MariaDB.</summary>
    MySql,

    /// <summary>A Java virtual machine.</summary>
    Jvm,

    /// <summary>A virtual machine of QEMU, with libvirt or without.</summary>
    Qemu,

    /// <summary>A program on DPDK or SPDK.</summary>
    Dpdk,

    /// <summary>Redis and its kin, which fork to save.</summary>
    Redis,
}
