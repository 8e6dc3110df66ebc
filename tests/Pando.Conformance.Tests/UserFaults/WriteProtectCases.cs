using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.UserFaults;

/// <summary>UFFDIO_WRITEPROTECT: what it protects, and how long that lasts.</summary>
public class WriteProtectCases
{
    [Theory]
    [InlineData("what is there", "map 0-4 rw-p; store 0 1; load 1 = 0; register 0-4 wp; wp 0-4; store 0 2; store 1 3; store 2 4; load 0 = 2; asked 0 wp store, 1 wp store; has 0-4 rw-p userwriteprotect")]
    [InlineData("a file's pages that are not there", "map 0-4 rw-s memory+0; register 0-4 wp; wp 0-4; mincore 0-4 = 0000; load 0 = 0; store 0 1; store 1 2; load 0 = 1; asked 0 wp store, 1 wp store; has 0-4 rw-s memory+0 userwriteprotect")]
    [InlineData("a private mapping's pages that are not there", "map 0-4 rw-p memory+0; map 8-12 rw-s memory+0; store 9 5; register 0-4 wp; wp 0-4; store 1 2; load 9 = 5; load 1 = 2; asked 1 wp store; has 0-4 rw-p memory+0 userwriteprotect, 8-12 rw-s memory+0")]
    [InlineData("missing pages", "map 0-4 rw-s memory+0; register 0-4 missing wp; wp 0-4; store 0 9; asked 0 missing store; has 0-4 rw-s memory+0 usermissing userwriteprotect")]
    [InlineData("this process alone", "map 0-4 rw-s memory+0; fork 1; register 0-4 wp; wp 0-4; 1: store 0 5; load 0 = 5; store 0 6; 1: load 0 = 6; asked 0 wp store; has 0-4 rw-s memory+0 userwriteprotect; 1: has 0-4 rw-s memory+0")]
    [InlineData("what may not be stored to", "map 0-4 r--p; load 0 = 0; register 0-4 wp; wp 0-4; store 0 -> NotAllowed; mprotect 0-4 rw-; store 0 1; asked 0 wp store; has 0-4 rw-p userwriteprotect")]
    [InlineData("twice", "map 0-4 rw-p; store 0 1; register 0-4 wp; wp 0-4; wp 0-4; store 0 2; asked 0 wp store; has 0-4 rw-p userwriteprotect")]
    [InlineData("and no more", "map 0-4 rw-p; store 0 1; store 1 1; register 0-4 wp; wp 0-4; unwp 0-1; store 0 2; store 1 2; asked 1 wp store; has 0-4 rw-p userwriteprotect")]
    [InlineData("and all of it no more", "answer wp UnprotectArea; map 0-4 rw-p; store 0 1; store 1 1; register 0-4 wp; wp 0-4; store 1 2; store 0 2; asked 1 wp store; has 0-4 rw-p userwriteprotect")]
    [InlineData("until the handler goes", "answer wp Unregister; map 0-4 rw-p; store 0 1; store 1 1; register 0-4 wp; wp 0-4; store 1 2; store 0 2; asked 1 wp store; has 0-4 rw-p")]
    [InlineData("what its range has of what is registered", "map 0-1 rw-p; map 2-3 rw-p; store 0 1; store 2 1; register 0-3 wp; wp 0-4; store 0 2; store 2 2; asked 0 wp store, 2 wp store; has 0-1 rw-p userwriteprotect, 2-3 rw-p userwriteprotect")]
    [InlineData("but not what is not registered", "map 0-4 rw-p; store 0 1; register 0-2 wp; wp 0-4 -> ENOENT; store 0 2; asked 0 wp store; has 0-2 rw-p userwriteprotect, 2-4 rw-p")]
    [InlineData("by a store that populates", "needs kernel faults; map 0-4 rw-s memory+0; register 0-4 wp; wp 1-2; madvise 0-4 PopulateWrite; asked 1 wp store; has 0-4 rw-s memory+0 userwriteprotect")]
    [InlineData("by mlock", "needs kernel faults; map 0-4 rw-p; store 1 1; register 0-4 wp; wp 0-4; mlock 0-4; asked 1 wp store; has 0-4 rw-p locked userwriteprotect")]
    public void It_protects(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("a part is unmapped", "munmap 1-2", "0-1 rw-s memory+0 userwriteprotect, 2-4 rw-s memory+2 userwriteprotect", "0 wp store, 2 wp store, 3 wp store")]
    [InlineData("a part is given other rights and back", "mprotect 1-2 r--; mprotect 1-2 rw-", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("dropped", "madvise 0-2 DontNeed", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("removed", "madvise 0-2 Remove", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("punched", "punch memory 0-2", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("truncated and grown", "ftruncate memory 0; ftruncate memory 8", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("forked", "fork 1; 1: exit", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("reclaimed", "madvise 0-4 PageOut", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("written back", "msync 0-4", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("a part is no longer registered", "unregister 1-3", "0-1 rw-s memory+0 userwriteprotect, 1-3 rw-s memory+1, 3-4 rw-s memory+3 userwriteprotect", "0 wp store, 3 wp store")]
    [InlineData("a part is registered anew", "unregister 1-3; register 1-3 wp", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 3 wp store")]
    [InlineData("a part is registered otherwise", "register 1-3 minor", "0-1 rw-s memory+0 userwriteprotect, 1-3 rw-s memory+1 userminor, 3-4 rw-s memory+3 userwriteprotect", "0 wp store, 3 wp store")]
    [InlineData("a part is registered otherwise and back", "register 1-3 minor; register 1-3 wp", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 3 wp store")]
    [InlineData("mapped anew", "map 1-2 rw-s memory+1; register 1-2 wp", "0-4 rw-s memory+0 userwriteprotect", "0 wp store, 2 wp store, 3 wp store")]
    public void A_file_s_pages_stay_protected(string name, string operations, string areas, string asked) => CaseScript.Runs(
        name,
        $"map 0-4 rw-s memory+0; store 0 1; store 1 1; register 0-4 wp; wp 0-4; asked nothing; {operations}; store 0 2; {(operations.StartsWith("munmap", StringComparison.Ordinal) ? "" : "store 1 2; ")}store 2 2; store 3 2; asked {asked}; has {areas}");

    [Theory]
    [InlineData("a part is unmapped", "munmap 1-2", "0-1 rw-p userwriteprotect, 2-4 rw-p userwriteprotect", "0 wp store, 2 wp store, 3 wp store")]
    [InlineData("a part is given other rights and back", "mprotect 1-2 r--; mprotect 1-2 rw-", "0-4 rw-p userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("dropped", "madvise 0-2 DontNeed", "0-4 rw-p userwriteprotect", "2 wp store, 3 wp store")]
    [InlineData("freed", "madvise 0-2 Free", "0-4 rw-p userwriteprotect", "2 wp store, 3 wp store")]
    [InlineData("forked", "fork 1; 1: store 2 7; 1: exit", "0-4 rw-p userwriteprotect", "0 wp store, 1 wp store, 2 wp store, 3 wp store")]
    [InlineData("moved and not unmapped", "mremap 0-2 to 8-10 dontunmap", "0-4 rw-p userwriteprotect, 8-10 rw-p", "2 wp store, 3 wp store")]
    [InlineData("a part is no longer registered", "unregister 1-3", "0-1 rw-p userwriteprotect, 1-3 rw-p, 3-4 rw-p userwriteprotect", "0 wp store, 3 wp store")]
    public void Private_pages_stay_protected(string name, string operations, string areas, string asked) => CaseScript.Runs(
        name,
        $"map 0-4 rw-p; store 0 1; store 1 1; load 2 = 0; store 3 1; register 0-4 wp; wp 0-4; {operations}; store 0 2; {(operations.StartsWith("munmap", StringComparison.Ordinal) ? "" : "store 1 2; ")}store 2 2; store 3 2; asked {asked}; has {areas}");
}
