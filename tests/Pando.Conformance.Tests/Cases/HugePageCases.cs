using Pando.Conformance.Tests.Kernel;
using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>A file with pages of 2 MiB (hugetlbfs), shared: what is refused inside of a page, and what is rounded.</summary>
public class HugePageCases(HugePages pages) : IClassFixture<HugePages>
{
    [Theory]
    [InlineData("the whole file", "map 0-8M rw-s huge+0; store 0 1; store 1M+1048575b 2; store 6M 3; load 0 = 1; load 1M+1048575b = 2; load 4M = 0; load 6M = 3; has 0-8M rw-s huge+0")]
    [InlineData("a part", "map 0-8M rw-s huge+0; store 2M 1; map 10M-12M r--s huge+2M; load 10M = 1; store 10M -> NotAllowed; has 0-8M rw-s huge+0, 10M-12M r--s huge+2M")]
    [InlineData("a length inside a page is the page", "map 0-1M rw-s huge+0; store 1M 1; has 0-2M rw-s huge+0")]
    [InlineData("past the end, to be loaded from", "map 0-2M r--s huge+8M; load 0 -> BusError; has 0-2M r--s huge+8M")]
    [InlineData("past the end, to be stored to, which makes the file longer", "map 0-2M rw-s huge+8M; store 0 1; map 8M-10M r--s huge+8M; load 8M = 1; has 0-2M rw-s huge+8M, 8M-10M r--s huge+8M")]
    [InlineData("with its pages", "map 0-4M rw-s huge+0 populate; mincore 2M-2M+4 = 1111; has 0-4M rw-s huge+0")]
    [InlineData("beside another, they stay two", "map 0-2M rw-s huge+0; map 2M-4M rw-s huge+2M; has 0-2M rw-s huge+0, 2M-4M rw-s huge+2M")]
    [InlineData("upon a whole page of another", "map 0-8M rw-s huge+0; store 2M 1; map 2M-4M rw-p; load 2M = 0; has 0-2M rw-s huge+0, 2M-4M rw-p, 4M-8M rw-s huge+4M")]
    [InlineData("where a hint says", "map 0-4M rw-s huge+0 hint; has 0-4M rw-s huge+0")]
    public void It_is_mapped(string name, string script) => Runs(name, script);

    [Theory]
    [InlineData("mapped inside a page", "map 1-2M+1 rw-s huge+0 -> EINVAL; has nothing")]
    [InlineData("mapped from inside a page of the file", "map 0-2M rw-s huge+1 -> EINVAL; has nothing")]
    [InlineData("unmapped from inside a page", "map 0-4M rw-s huge+0; store 0 1; munmap 1-2M -> EINVAL; load 0 = 1; has 0-4M rw-s huge+0")]
    [InlineData("unmapped up to inside a page", "map 0-4M rw-s huge+0; munmap 0-1 -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("mapped upon inside a page", "map 0-4M rw-s huge+0; map 1-2 rw-p -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("given other rights inside a page", "map 0-4M rw-s huge+0; mprotect 0-1 r-- -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("grown", "map 0-4M rw-s huge+0; mremap 0-4M for 6M maymove -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("moved and not unmapped", "map 0-2M rw-s huge+0; mremap 0-2M to 4M-6M dontunmap -> EINVAL; has 0-2M rw-s huge+0")]
    [InlineData("mapped a second time", "map 0-2M rw-s huge+0; mremap 0-0 to 4M-6M -> EINVAL; has 0-2M rw-s huge+0")]
    [InlineData("moved with what is no whole page", "map 0-2M rw-s huge+0; map 2M-2M+1 rw-p; mremap 1M-2M+1 to 5M-6M+1 -> EINVAL; has 0-2M rw-s huge+0, 2M-2M+1 rw-p")]
    [InlineData("moved to inside a page", "map 0-2M rw-s huge+0; mremap 0-2M to 4M+1-6M+1 -> EINVAL; has 0-2M rw-s huge+0")]
    [InlineData("dropped from inside a page", "map 0-4M rw-s huge+0; madvise 1-2M DontNeed -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("advised inside a page", "map 0-4M rw-s huge+0; madvise 0-1 Random -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("sealed inside a page", "map 0-4M rw-s huge+0; mseal 0-1 -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("cut inside a page", "map 0-8M rw-s huge+0; ftruncate huge 3M -> EINVAL; load 6M = 0; has 0-8M rw-s huge+0")]
    [InlineData("reclaimed", "map 0-4M rw-s huge+0; madvise 0-4M Cold -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("unmapped from inside a page with others", "map 0-2M rw-s huge+0; map 2M-2M+2 rw-p; munmap 1M-2M+2 -> EINVAL; munmap 0-2M+1; has 2M+1-2M+2 rw-p")]
    [InlineData("shrunk with a new address inside a page", "map 0-4M rw-s huge+0; mremap 0-4M for 2M maymove near 1M -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("shrunk from inside a page", "map 0-4M rw-s huge+0; mremap 1-2M for 1M -> EINVAL; has 0-4M rw-s huge+0")]
    [InlineData("moved to inside a page beyond an edge of 1 GiB", "map 1G-1G+8M rw-s huge+0; store 1G 1; store 1G+6M 2; mremap 1G-1G+8M to 2044M+1-2052M+1 -> EINVAL; has 1G-1G+8M rw-s huge+0")]
    [InlineData("mapped upon with MAP_FIXED_NOREPLACE", "map 0-4M rw-s huge+0 noreplace; map 1-2 rw-p noreplace -> EEXIST; has 0-4M rw-s huge+0")]
    [InlineData("dropped beyond its end", "map 0-4M rw-s huge+0; madvise 0-2M DontNeed; madvise 0-2M+1 DontNeed; madvise 0-6M DontNeed -> ENOMEM; has 0-4M rw-s huge+0")]
    public void It_is_not(string name, string script) => Runs(name, script);

    [Theory]
    [InlineData("a page unmapped", "map 0-8M rw-s huge+0; store 0 1; store 4M 2; munmap 2M-4M; load 0 = 1; load 4M = 2; load 2M -> NotMapped; has 0-2M rw-s huge+0, 4M-8M rw-s huge+4M")]
    [InlineData("a page given other rights", "map 0-4M rw-s huge+0; store 0 1; store 2M 2; mprotect 0-2M r--; store 0 -> NotAllowed; load 0 = 1; store 2M 3; has 0-2M r--s huge+0, 2M-4M rw-s huge+2M")]
    [InlineData("rights that it has, inside a page", "map 0-4M rw-s huge+0; mprotect 0-1 rw-; has 0-4M rw-s huge+0")]
    [InlineData("rights made alike again stay two", "map 0-4M rw-s huge+0; mprotect 0-2M r--; mprotect 0-2M rw-; has 0-2M rw-s huge+0, 2M-4M rw-s huge+2M")]
    [InlineData("moved", "map 0-4M rw-s huge+0; store 0 1; store 2M 2; mremap 0-4M to 8M-12M; load 8M = 1; load 10M = 2; load 0 -> NotMapped; has 8M-12M rw-s huge+0")]
    [InlineData("moved with others", "map 0-2M rw-s huge+0; map 2M-2M+1 rw-p; store 0 1; store 2M 2; mremap 0-2M+1 to 4M-6M+1; load 4M = 1; load 6M = 2; has 4M-6M rw-s huge+0, 6M-6M+1 rw-p")]
    [InlineData("moved beside another, they stay two", "map 0-2M rw-s huge+0; map 8M-10M rw-s huge+2M; mremap 8M-10M to 2M-4M; has 0-2M rw-s huge+0, 2M-4M rw-s huge+2M")]
    [InlineData("a part of a page is moved, and the page moves", "map 0-2M rw-s huge+0; store 1M 1; mremap 0-1 to 4M-4M+1; load 5M = 1; has 4M-6M rw-s huge+0")]
    [InlineData("shrunk", "map 0-4M rw-s huge+0; store 0 1; mremap 0-4M for 2M; load 0 = 1; has 0-2M rw-s huge+0")]
    [InlineData("shrunk to inside a page", "map 0-4M rw-s huge+0; mremap 0-4M for 1M; has 0-2M rw-s huge+0")]
    [InlineData("dropped, and still in the file", "map 0-4M rw-s huge+0; store 0 1; madvise 0-2M DontNeed; load 0 = 1; has 0-4M rw-s huge+0")]
    [InlineData("dropped up to inside a page", "map 0-4M rw-s huge+0; store 0 1; madvise 0-1 DontNeed; load 0 = 1; has 0-4M rw-s huge+0")]
    [InlineData("locked, which is passed over", "map 0-4M rw-s huge+0; mlock 0-4M; has 0-4M rw-s huge+0")]
    [InlineData("sealed", "map 0-4M rw-s huge+0; mseal 0-4M; munmap 0-2M -> EPERM; store 0 1; has 0-4M rw-s huge+0 sealed")]
    [InlineData("written back", "map 0-4M rw-s huge+0; store 0 1; msync 0-4M; has 0-4M rw-s huge+0")]
    [InlineData("asked about", "map 0-4M rw-s huge+0; store 2M 1; mincore 1M+255-1M+256 = 0; mincore 2M-2M+4 = 1111; has 0-4M rw-s huge+0")]
    [InlineData("advised, but not to be wiped or merged", "map 0-4M rw-s huge+0; madvise 0-2M WipeOnFork -> EINVAL; madvise 0-2M HugePage; madvise 0-2M Mergeable; has 0-2M rw-s huge+0 hugepages, 2M-4M rw-s huge+2M")]
    [InlineData("mapped after mlockall, with its pages and not locked", "mlockall current future; map 0-4M rw-s huge+0; mincore 0-4 = 1111; has 0-4M rw-s huge+0")]
    [InlineData("mapped after mlockall on fault, with its pages all the same", "mlockall current future onfault; map 0-4M rw-s huge+0; mincore 0-4 = 1111; has 0-4M rw-s huge+0")]
    [InlineData("locked, and has its pages", "map 0-4M rw-s huge+0; mlock 0-4M; mincore 0-4 = 1111; has 0-4M rw-s huge+0")]
    [InlineData("locked, and dropped and written back all the same", "map 0-4M rw-s huge+0; mlock 0-4M; msync 0-4M invalidate; madvise 0-4M DontNeed; has 0-4M rw-s huge+0")]
    [InlineData("brought for stores", "map 0-4M rw-s huge+0; madvise 0-4M PopulateWrite; mincore 0-4 = 1111; has 0-4M rw-s huge+0")]
    [InlineData("brought by a part of a page", "map 0-4M rw-s huge+0; madvise 1-2 PopulateRead; mincore 0-4 = 1111; has 0-4M rw-s huge+0")]
    [InlineData("advised", "map 0-4M rw-s huge+0; madvise 0-4M WillNeed; madvise 0-4M DontDump; madvise 0-4M Sequential; has 0-4M rw-s huge+0 dontdump sequential")]
    [InlineData("moved and shrunk", "map 0-4M rw-s huge+0; store 0 1; mremap 0-4M to 8M-10M; load 8M = 1; has 8M-10M rw-s huge+0")]
    [InlineData("kept at its length", "map 0-4M rw-s huge+0; mremap 0-4M for 4M; mremap 0-1M for 2M; has 0-4M rw-s huge+0")]
    [InlineData("moved over an edge of 1 GiB", "map 1G-1G+8M rw-s huge+0; store 1G 1; store 1G+6M 2; mremap 1G-1G+8M to 2044M-2052M; load 2044M = 1; load 2050M = 2; has 2044M-2052M rw-s huge+0")]
    [InlineData("given no right, and loads only", "map 0-4M rw-s huge+0; mprotect 0-4M ---; load 0 -> NotAllowed; mprotect 0-4M r--; load 0 = 0; mprotect 0-1M rw- -> EINVAL; has 0-4M r--s huge+0")]
    [InlineData("given other rights up to a hole", "map 0-2M r--s huge+0; map 8M-8M+1 rw-p; mprotect 0-2M+1 rw- -> ENOMEM; has 0-2M rw-s huge+0, 8M-8M+1 rw-p")]
    [InlineData("dropped where it is sealed", "map 0-4M rw-s huge+0; mseal 0-2M; madvise 0-2M DontNeed; mremap 0-2M to 8M-10M -> EPERM; has 0-2M rw-s huge+0 sealed, 2M-4M rw-s huge+2M")]
    public void It_is(string name, string script) => Runs(name, script);

    [Theory]
    [InlineData("shared with a child", "map 0-4M rw-s huge+0; store 0 1; fork 1; 1: store 0 2; load 0 = 2; 1: store 2M 3; load 2M = 3; has 0-4M rw-s huge+0; 1: has 0-4M rw-s huge+0")]
    [InlineData("not given to a child", "map 0-4M rw-s huge+0; madvise 0-2M DontFork; fork 1; has 0-2M rw-s huge+0 dontfork, 2M-4M rw-s huge+2M; 1: has 2M-4M rw-s huge+2M")]
    [InlineData("cut short", "map 0-8M rw-s huge+0; store 6M 1; store 2M 2; ftruncate huge 4M; load 6M -> BusError; load 2M = 2; ftruncate huge 8M; load 6M = 0; has 0-8M rw-s huge+0")]
    [InlineData("punched", "map 0-8M rw-s huge+0; store 0 1; store 2M 2; punch huge 0-2M; load 0 = 0; load 2M = 2; has 0-8M rw-s huge+0")]
    [InlineData("punched inside pages", "map 0-8M rw-s huge+0; store 1 1; store 3M 2; store 5M 3; store 7M 4; punch huge 1M-6M; load 1 = 1; load 3M = 0; load 5M = 0; load 7M = 4; has 0-8M rw-s huge+0")]
    [InlineData("punched by advice", "map 0-4M rw-s huge+0; store 0 1; madvise 0-2M Remove; load 0 = 0; has 0-4M rw-s huge+0")]
    [InlineData("shared with a child that unmaps and moves", "map 0-4M rw-s huge+0; store 0 1; fork 1; 1: munmap 0-2M; 1: mremap 2M-4M to 8M-10M; 1: store 8M 3; load 2M = 3; 1: exit; has 0-4M rw-s huge+0")]
    [InlineData("not punched by advice that fits no page, but cleared", "map 0-4M rw-s huge+0; store 0 1; madvise 0-1 Remove; load 0 = 0; has 0-4M rw-s huge+0")]
    [InlineData("cleared inside a page by advice", "map 0-4M rw-s huge+0; store 0 1; store 1 2; madvise 1-2 Remove; load 0 = 1; load 1 = 0; has 0-4M rw-s huge+0")]
    [InlineData("cut to nothing, and grown to less than the mapping", "map 0-4M rw-s huge+0; ftruncate huge 0; load 0 -> BusError; ftruncate huge 2M; store 0 1; load 2M -> BusError; has 0-4M rw-s huge+0")]
    public void The_file_is(string name, string script) => Runs(name, script);

    private void Runs(string name, string script)
    {
        pages.Require();
        CaseScript.Runs(name, script, hugePages: true);
    }
}
