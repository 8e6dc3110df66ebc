using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>What a child gets.</summary>
public class ForkCases
{
    [Theory]
    [InlineData("the child stores", "map 0-2 rw-p; store 0 1; fork 1; 1: store 0 2; load 0 = 1; 1: load 0 = 2; has 0-2 rw-p; 1: has 0-2 rw-p")]
    [InlineData("the parent stores", "map 0-2 rw-p; store 0 1; fork 1; store 0 2; load 0 = 2; 1: load 0 = 1; has 0-2 rw-p; 1: has 0-2 rw-p")]
    [InlineData("both store", "map 0-2 rw-p; store 0 1; fork 1; store 0 2; 1: store 0 3; load 0 = 2; 1: load 0 = 3; has 0-2 rw-p; 1: has 0-2 rw-p")]
    [InlineData("pages that were never touched", "map 0-2 rw-p; fork 1; store 0 2; 1: load 0 = 0; has 0-2 rw-p; 1: has 0-2 rw-p")]
    [InlineData("a copy of a file's page", "map 0-2 rw-p memory+0; store 0 1; fork 1; store 0 2; 1: load 0 = 1; 1: store 1 4; load 1 = 0; has 0-2 rw-p memory+0; 1: has 0-2 rw-p memory+0")]
    [InlineData("a file's page of which nobody has a copy", "map 0-2 rw-p memory+0; map 4-6 rw-s memory+0; fork 1; store 4 9; load 0 = 9; 1: load 0 = 9; has 0-2 rw-p memory+0, 4-6 rw-s memory+0; 1: has 0-2 rw-p memory+0, 4-6 rw-s memory+0")]
    [InlineData("three generations", "map 0-3 rw-p; store 0 1; store 1 1; store 2 1; fork 1; 1: store 1 2; 1: fork 2; 2: store 2 3; 1: store 0 4; 2: load 0 = 1; 2: load 1 = 2; load 1 = 1; load 2 = 1; 1: load 2 = 1; has 0-3 rw-p; 1: has 0-3 rw-p; 2: has 0-3 rw-p")]
    [InlineData("a grandchild that outlives the child", "map 0-2 rw-p; store 0 1; fork 1; 1: store 0 2; 1: fork 2; 1: exit; 2: load 0 = 2; 2: store 0 3; load 0 = 1; has 0-2 rw-p; 2: has 0-2 rw-p")]
    [InlineData("two children", "map 0-2 rw-p; store 0 1; fork 1; store 0 2; fork 2; store 0 3; 1: load 0 = 1; 2: load 0 = 2; load 0 = 3; has 0-2 rw-p; 1: has 0-2 rw-p; 2: has 0-2 rw-p")]
    [InlineData("what may not be accessed", "map 0-2 rw-p; store 0 1; mprotect 0-2 ---; fork 1; mprotect 0-2 rw-; store 0 2; 1: mprotect 0-2 r--; 1: load 0 = 1; has 0-2 rw-p; 1: has 0-2 r--p")]
    [InlineData("four generations", "map 0-2 rw-p; store 0 1; fork 1; 1: fork 2; 2: fork 3; 3: store 0 4; 2: store 0 3; 1: store 0 2; load 0 = 1; 1: load 0 = 2; 2: load 0 = 3; 3: load 0 = 4; has 0-2 rw-p; 1: has 0-2 rw-p; 2: has 0-2 rw-p; 3: has 0-2 rw-p")]
    [InlineData("what a child moves and unmaps", "map 1022M-1026M rw-p; store 1024M 1; fork 1; 1: mremap 1022M-1026M to 2046M-2050M; 1: load 2G = 1; 1: munmap 2046M-2048M; has 1022M-1026M rw-p; 1: has 2G-2050M rw-p")]
    public void Private_memory_is_each_ones_own(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("a file", "map 0-2 rw-s memory+0; fork 1; 1: store 0 5; load 0 = 5; store 0 6; 1: load 0 = 6; has 0-2 rw-s memory+0; 1: has 0-2 rw-s memory+0")]
    [InlineData("anonymous", "map 0-2 rw-s; fork 1; 1: store 0 5; load 0 = 5; has 0-2 rw-s unnamed+0; 1: has 0-2 rw-s unnamed+0")]
    [InlineData("anonymous, after the child is gone", "map 0-2 rw-s; fork 1; 1: store 0 5; 1: exit; load 0 = 5; has 0-2 rw-s unnamed+0")]
    [InlineData("anonymous, of a grandchild", "map 0-2 rw-s; fork 1; 1: fork 2; 1: exit; 2: store 1 5; load 1 = 5; has 0-2 rw-s unnamed+0; 2: has 0-2 rw-s unnamed+0")]
    public void Shared_memory_is_one(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("not what must not be copied", "map 0-4 rw-p; store 1 1; madvise 1-3 DontFork; fork 1; 1: load 1 -> NotMapped; has 0-1 rw-p, 1-3 rw-p dontfork, 3-4 rw-p; 1: has 0-1 rw-p, 3-4 rw-p")]
    [InlineData("not a shared file that must not be copied", "map 0-2 rw-s memory+0; madvise 0-2 DontFork; fork 1; has 0-2 rw-s memory+0 dontfork; 1: has nothing")]
    [InlineData("what may be copied again", "map 0-2 rw-p; store 1 1; madvise 0-2 DontFork; madvise 0-2 DoFork; fork 1; 1: load 1 = 1; has 0-2 rw-p; 1: has 0-2 rw-p")]
    [InlineData("empty what must be wiped", "map 0-4 rw-p; store 0 1; store 1 1; madvise 1-3 WipeOnFork; fork 1; 1: load 0 = 1; 1: load 1 = 0; load 1 = 1; has 0-1 rw-p, 1-3 rw-p wipeonfork, 3-4 rw-p; 1: has 0-1 rw-p, 1-3 rw-p wipeonfork, 3-4 rw-p")]
    [InlineData("empty what must be wiped, in each generation", "map 0-2 rw-p; madvise 0-2 WipeOnFork; store 0 1; fork 1; 1: store 0 2; 1: fork 2; 2: load 0 = 0; has 0-2 rw-p wipeonfork; 1: has 0-2 rw-p wipeonfork; 2: has 0-2 rw-p wipeonfork")]
    [InlineData("unlocked what is locked", "map 0-2 rw-p; mlock 0-2; store 0 1; fork 1; 1: load 0 = 1; has 0-2 rw-p locked; 1: has 0-2 rw-p")]
    [InlineData("unlocked what is locked on fault", "map 0-2 rw-p; mlock 0-2 onfault; fork 1; has 0-2 rw-p lockedonfault; 1: has 0-2 rw-p")]
    [InlineData("no wish to lock what will be mapped", "mlockall future; fork 1; 1: map 0-2 rw-p; map 0-2 rw-p; has 0-2 rw-p locked; 1: has 0-2 rw-p")]
    [InlineData("what is sealed, sealed", "map 0-2 rw-p; mseal 0-2; fork 1; 1: munmap 0-2 -> EPERM; has 0-2 rw-p sealed; 1: has 0-2 rw-p sealed")]
    [InlineData("what was advised", "map 0-2 rw-p; madvise 0-2 Random; madvise 0-2 DontDump; fork 1; has 0-2 rw-p dontdump random; 1: has 0-2 rw-p dontdump random")]
    [InlineData("nothing of what must be wiped and not copied", "map 0-2 rw-p; madvise 0-2 WipeOnFork; madvise 0-2 DontFork; fork 1; has 0-2 rw-p dontfork wipeonfork; 1: has nothing")]
    [InlineData("unlocked pieces as pieces", "map 0-4 rw-p; map 4-8 rw-s memory+0; mlock 2-6; fork 1; mremap 0-8 to 20-28; has 20-22 rw-p, 22-24 rw-p locked, 24-26 rw-s memory+0 locked, 26-28 rw-s memory+2; 1: has 0-2 rw-p, 2-4 rw-p, 4-6 rw-s memory+0, 6-8 rw-s memory+2")]
    public void The_child_gets(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("rights", "map 0-2 rw-p; store 0 1; fork 1; 1: mprotect 0-2 r--; store 0 2; 1: store 0 -> NotAllowed; 1: load 0 = 1; has 0-2 rw-p; 1: has 0-2 r--p")]
    [InlineData("unmapping", "map 0-2 rw-p; store 0 1; fork 1; munmap 0-2; 1: load 0 = 1; has nothing; 1: has 0-2 rw-p")]
    [InlineData("moving", "map 0-2 rw-s memory+0; store 0 1; fork 1; 1: mremap 0-2 to 10-12; load 0 = 1; 1: load 10 = 1; has 0-2 rw-s memory+0; 1: has 10-12 rw-s memory+0")]
    [InlineData("the file cut short", "map 0-2 rw-s small+0; map 2-4 rw-p small+0; store 3 1; fork 1; ftruncate small 1; load 1 -> BusError; 1: load 1 -> BusError; 1: load 3 -> BusError; has 0-2 rw-s small+0, 2-4 rw-p small+0; 1: has 0-2 rw-s small+0, 2-4 rw-p small+0")]
    [InlineData("a file cut short before", "map 0-4 rw-s small+0; store 3 1; ftruncate small 2; fork 1; 1: load 3 -> BusError; ftruncate small 4; 1: load 3 = 0; has 0-4 rw-s small+0; 1: has 0-4 rw-s small+0")]
    [InlineData("a hole in the file", "map 0-2 rw-s memory+0; store 0 1; fork 1; punch memory 0-1; 1: load 0 = 0; load 0 = 0; has 0-2 rw-s memory+0; 1: has 0-2 rw-s memory+0")]
    [InlineData("moved copies of a file that is punched and cut short", "map 0-4 rw-p memory+0; store 0 1; fork 1; 1: mremap 0-4 to 10-14; punch memory 0-4; 1: load 10 = 1; ftruncate memory 0; 1: load 10 -> BusError; load 0 -> BusError; has 0-4 rw-p memory+0; 1: has 10-14 rw-p memory+0")]
    [InlineData("rights to a file opened to be read", "map 0-4 rw-s readonly+0 -> EACCES; map 0-4 r--s readonly+0; fork 1; 1: mprotect 0-4 rw- -> EACCES; mremap 0-4 to 10-14; mprotect 10-14 rw- -> EACCES; has 10-14 r--s memory+0; 1: has 0-4 r--s memory+0")]
    [InlineData("a second mapping of what is left of shared anonymous memory", "map 0-4 rw-s; store 2 5; munmap 0-2; fork 1; 1: load 2 = 5; 1: mremap 2-2 to 10-12; 1: store 10 6; load 2 = 6; has 2-4 rw-s unnamed+2; 1: has 2-4 rw-s unnamed+2, 10-12 rw-s unnamed+2")]
    public void Afterwards_each_goes_its_way(string name, string script) => CaseScript.Runs(name, script);
}
