namespace Pando.Kvm.Physical;

/// <summary>Where the machine's own pages lie: in guest-physical memory and in every address space.</summary>
/// <remarks>
/// An address space needs one entry for them: the last (511) of its root table holds
/// <c>VirtualMachine.KernelEntry</c>. All else below is built by this project. The range is
/// the last 512 GiB of the address space, where no user address can be; but for one page of programs, which ring 3 may
/// read and execute (as Linux has its vsyscall page), it is supervisor-only.
/// <code>
/// page  holds
/// 0     level-4 table, used with 5 levels only      4   GDT
/// 1     level-3 table (PUD)                         5   IDT
/// 2     level-2 table (PMD)                         6   the stub's code
/// 3     level-1 table (PTE)                         7   programs that every space has (<c>CommonCode</c>)
/// 8+2i  vCPU i: TSS at the start, ring-0 stack from the end down
/// 9+2i  vCPU i: run queue (a cursor and 511 CR3 values), or for the toucher its list of tables
/// </code>
/// </remarks>
internal static class KernelLayout
{
    internal const ulong PageSize = 4096;

    /// <summary>The root table's entry that leads to these pages.</summary>
    internal const int RootIndex = 511;

    /// <summary>The virtual address of image page 0: the lowest that entry 511 translates, sign-extended.</summary>
    internal const ulong VirtualBase = 0xFFFF_FF80_0000_0000;

    internal const int Level4Page = 0;
    internal const int Level3Page = 1;
    internal const int Level2Page = 2;
    internal const int Level1Page = 3;
    internal const int GdtPage = 4;
    internal const int IdtPage = 5;
    internal const int StubPage = 6;
    internal const int UserCodePage = 7;
    internal const int FirstProcessorPage = 8;
    internal const int Pages = 512;

    /// <summary>As many vCPUs as the image has pages for.</summary>
    internal const int MaximumProcessors = (Pages - FirstProcessorPage) / 2;

    /// <summary>How many of them a machine's user can have: the machine has one of its own, which flushes tables.</summary>
    internal const int MostVcpus = MaximumProcessors - 1;

    /// <summary>CR3 values one run queue holds: its page less the cursor and the zero that ends it.</summary>
    internal const int QueueCapacity = 510;

    // Selectors as SYSCALL wants them (Intel SDM vol. 2B, SYSCALL: SS is CS + 8) and, for the ring-3 ones, with RPL 3.
    internal const ushort KernelCode = 0x08;
    internal const ushort KernelData = 0x10;
    internal const ushort UserData = 0x23;
    internal const ushort UserCode = 0x2B;
    internal const ushort TaskState = 0x30;

    internal const ulong TaskStateLength = 104;

    internal static ulong Virtual(int page) => VirtualBase + ((ulong)page * PageSize);

    internal static int StackPage(int processor) => FirstProcessorPage + (2 * processor);

    internal static int QueuePage(int processor) => FirstProcessorPage + (2 * processor) + 1;

    /// <summary>The ring-0 stack's first free byte: where the processor starts to push when it leaves ring 3.</summary>
    internal static ulong StackTop(int processor) => Virtual(StackPage(processor)) + PageSize;
}
