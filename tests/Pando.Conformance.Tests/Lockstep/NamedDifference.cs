namespace Pando.Conformance.Tests.Lockstep;

/// <summary>
/// Where Pando differs from Linux on purpose. Each is a rule that says exactly what the other side must have done, and is
/// counted; nothing is left out of the comparison. The reasons stand in docs/conformance.md.
/// </summary>
internal enum NamedDifference
{
    /// <summary>
    /// The kernel chose the address of a mapping by its own policy. The engine is asked for the same address and must
    /// find it free.
    /// </summary>
    AddressChoice,

    /// <summary>
    /// The kernel keeps private areas apart that map on in the same way, because their anon_vmas differ. The engine has
    /// one area there; it must end where the kernel's run of areas ends.
    /// </summary>
    PrivateAreasJoin,

    /// <summary>
    /// The kernel has changed the part of a range before (or around) what it refused. The engine refuses the whole, with
    /// the same error; done with the part, it must be where the kernel is.
    /// </summary>
    AllOrNothing,

    /// <summary>The kernel keeps the pages of MADV_FREE until it needs memory; the engine drops them at once, as the kernel may.</summary>
    FreeDropsAtOnce,

    /// <summary>
    /// The kernel copies or moves page-table entries that a fault would bring back (file pages, the page of zeroes);
    /// the engine leaves them to the fault. With these pages faulted in, the tables must be the same.
    /// </summary>
    EntriesComeBackByFault,

    /// <summary>
    /// The kernel makes a table in the copy or at the destination for a source table without entries, and may take one
    /// away whole. Until the window is touched or unmapped, the kernel's count may differ by the tables of that window.
    /// </summary>
    EmptyTablesTravel,

    /// <summary>
    /// A fault that fails past the end of a file has made the kernel map the pages around it. The engine maps only what is
    /// asked for; with these pages faulted in, the tables must be the same.
    /// </summary>
    FaultAround,

    /// <summary>
    /// The kernel has cut an area at an end of a range before it found that it must refuse the operation, and leaves it
    /// cut. The engine has one area there.
    /// </summary>
    RefusalLeavesCut,

    /// <summary>
    /// MADV_PAGEOUT: of the files in its range the kernel may have given up pages that were never written, for all who show them; mincore
    /// need not find those until they are seen in memory again, or touched. What was swapped out its entry says of itself. The engine keeps
    /// what it has.
    /// </summary>
    PageOutReclaims,

    /// <summary>
    /// MREMAP_DONTUNMAP of locked memory that was never written, to the place beside it: the kernel joins the two and then
    /// unlocks both. The engine unlocks what is left behind; told to unlock the other, it has one area as well.
    /// </summary>
    MovedStaysLocked,

    /// <summary>
    /// The same of memory whose faults a handler resolves: the kernel joins the two and then unregisters both. The engine unregisters what
    /// has moved.
    /// </summary>
    MovedStaysRegistered,

    /// <summary>
    /// The kernel finds a range to lie in two areas where the engine has one (see <see cref="PrivateAreasJoin"/>), and
    /// refuses to remap it. The engine is not asked.
    /// </summary>
    RemapAcrossKeptApart,

    /// <summary>
    /// hugetlbfs: mincore tells of a huge page only whether this process has it mapped. The engine says what the manual page
    /// says: whether it is in memory.
    /// </summary>
    HugePagesAreResident,

    /// <summary>hugetlbfs: processes with other rights have a table each; the engine's share one, the rights stand in the slots.</summary>
    SharesAcrossRights,

    /// <summary>hugetlbfs: an area that does not cover the whole GiB has a table of its own; the engine shares those of the same window.</summary>
    SharesPartOfSpan,

    /// <summary>hugetlbfs: areas with other flags (not locked or not) share no new table; for the engine only what says something of translations counts.</summary>
    SharesAcrossFlags,

    /// <summary>hugetlbfs: who has left a shared table keeps one of its own; in the engine a span that is one window again comes back.</summary>
    SharesAgain,

    /// <summary>
    /// mmap of a fixed address in the last 4,095 bytes of all: the kernel takes the address that it has found for the number of an
    /// error (IS_ERR_VALUE in __get_unmapped_area), before it sees that it lies past the user's addresses. The engine says ENOMEM.
    /// </summary>
    AddressIsAnError,

    /// <summary>
    /// Bytes that were stored past the end of a file, in the page that the end cuts, are no part of it when it grows: POSIX (ftruncate)
    /// wants zeroes there, and the engine clears them. The kernel's memory files (tmpfs, seen with 6.18) show them again;
    /// they are cleared there by a hole.
    /// </summary>
    GrowthClears,

    /// <summary>
    /// userfaultfd: where a part of a range was filled, the kernel says EAGAIN and how much. The engine says why the rest was not, which
    /// is what the kernel says when it is asked for that.
    /// </summary>
    FillingSaysWhy,

    /// <summary>
    /// userfaultfd: the kernel finds a range to lie in two areas where the engine has one (see <see cref="PrivateAreasJoin"/>), and
    /// fills none of it. The engine is not asked.
    /// </summary>
    FillAcrossKeptApart,

    /// <summary>
    /// userfaultfd: UFFDIO_CONTINUE of what only missing faults are registered for, so that the file's table is shared: what another process has faulted in
    /// is there already.
    /// </summary>
    SharedTablesShowAll,

    /// <summary>
    /// userfaultfd: UFFDIO_ZEROPAGE of a private mapping of a file shows the kernel's page of zeroes, which goes with what a hole takes from
    /// the file. In the engine it is a page of the process's own, and stays as such.
    /// </summary>
    ZeroesAreThePrivatePage,

    /// <summary>
    /// userfaultfd: the kernel makes tables for all of a range that is to be filled or protected, and keeps marks in them. The engine keeps
    /// what is protected beside its tables. With what is mapped there faulted in, tables must be the same.
    /// </summary>
    TablesForMarks,

    /// <summary>
    /// userfaultfd: a file of huge pages that becomes smaller takes the protection of what lay past its end along; one of 4 KiB pages does not. In the
    /// engine neither does.
    /// </summary>
    TruncationEndsNoProtection,

    /// <summary>
    /// userfaultfd: a range that is registered again without write-protection is protected no more, nor when it is registered for that later. The
    /// kernel's entries keep their marks, some of them writable.
    /// </summary>
    ProtectionEndsWithItsMode,
}
