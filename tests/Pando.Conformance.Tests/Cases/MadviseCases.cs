using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Advice.</summary>
public class MadviseCases
{
    [Theory]
    [InlineData("anonymous memory", "map 0-4 rw-p; store 0 1; store 1 2; store 3 4; madvise 1-3 DontNeed; load 0 = 1; load 1 = 0; load 3 = 4; has 0-4 rw-p")]
    [InlineData("private pages of a file", "map 0-2 rw-s memory+0; store 0 1; map 4-6 rw-p memory+0; store 4 2; madvise 4-6 DontNeed; load 4 = 1; has 0-2 rw-s memory+0, 4-6 rw-p memory+0")]
    [InlineData("shared pages of a file stay in it", "map 0-2 rw-s memory+0; store 0 1; madvise 0-2 DontNeed; load 0 = 1; has 0-2 rw-s memory+0")]
    [InlineData("shared anonymous memory stays", "map 0-2 rw-s; store 0 1; madvise 0-2 DontNeed; load 0 = 1; has 0-2 rw-s unnamed+0")]
    [InlineData("over several areas", "map 0-2 rw-p; map 2-4 rw-p memory+0; store 1 1; store 2 2; madvise 0-4 DontNeed; load 1 = 0; load 2 = 0; has 0-2 rw-p, 2-4 rw-p memory+0")]
    [InlineData("of one of two processes", "map 0-2 rw-p; store 0 1; fork 1; madvise 0-2 DontNeed; load 0 = 0; 1: load 0 = 1; has 0-2 rw-p; 1: has 0-2 rw-p")]
    [InlineData("what may not be accessed", "map 0-2 rw-p; store 0 1; mprotect 0-2 ---; madvise 0-2 DontNeed; mprotect 0-2 rw-; load 0 = 0; has 0-2 rw-p")]
    [InlineData("with MADV_FREE", "map 0-2 rw-p; store 0 1; madvise 0-2 Free; store 0 2; load 0 = 2; has 0-2 rw-p")]
    [InlineData("a whole table of it", "map 2M-6M rw-p; store 2M 1; store 4M 2; madvise 2M-4M DontNeed; load 2M = 0; load 4M = 2; has 2M-6M rw-p")]
    [InlineData("a part of a page is the page", "map 0-2 rw-p; store 0+200b 1; madvise 0-0+1b DontNeed; load 0+200b = 0; has 0-2 rw-p")]
    public void Pages_are_dropped(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("a hole, and the rest is dropped", "map 0-1 rw-p; map 2-3 rw-p; store 0 1; store 2 2; madvise 0-3 DontNeed -> ENOMEM; load 0 = 0; load 2 = 0; has 0-1 rw-p, 2-3 rw-p")]
    [InlineData("locked memory", "map 0-2 rw-p; mlock 0-2; store 0 1; madvise 0-2 DontNeed -> EINVAL; load 0 = 1; has 0-2 rw-p locked")]
    [InlineData("locked memory, after what lies before it", "map 0-4 rw-p; mlock 2-4; store 0 1; store 2 2; madvise 0-4 DontNeed -> EINVAL; load 0 = 0; load 2 = 2; has 0-2 rw-p, 2-4 rw-p locked")]
    [InlineData("MADV_FREE of a file", "map 0-2 rw-p memory+0; madvise 0-2 Free -> EINVAL; has 0-2 rw-p memory+0")]
    [InlineData("MADV_COLD of locked memory", "map 0-2 rw-p; mlock 0-2; madvise 0-2 Cold -> EINVAL; has 0-2 rw-p locked")]
    [InlineData("MADV_WIPEONFORK of a file", "map 0-2 rw-p memory+0; madvise 0-2 WipeOnFork -> EINVAL; has 0-2 rw-p memory+0")]
    [InlineData("MADV_WIPEONFORK of shared memory", "map 0-2 rw-s; madvise 0-2 WipeOnFork -> EINVAL; has 0-2 rw-s unnamed+0")]
    [InlineData("an address inside a page", "map 0-2 rw-p; madvise 0+1b-1+1b DontNeed -> EINVAL; has 0-2 rw-p")]
    [InlineData("where nothing is", "madvise 0-2 Normal -> ENOMEM; has nothing")]
    [InlineData("advice that there is not", "map 0-2 rw-p; madvise 0-2 99 -> EINVAL; has 0-2 rw-p")]
    [InlineData("advice that there is not, for nothing", "madvise 0-0 99 -> EINVAL; has nothing")]
    public void Advice_is_refused(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("a length of nothing", "madvise 0-0 DontNeed; has nothing")]
    [InlineData("order of access", "map 0-4 rw-p; madvise 0-2 Random; madvise 1-3 Sequential; has 0-1 rw-p random, 1-3 rw-p sequential, 3-4 rw-p")]
    [InlineData("huge pages or not", "map 0-4 rw-p; madvise 0-2 HugePage; madvise 1-3 NoHugePage; has 0-1 rw-p hugepages, 1-3 rw-p nohugepages, 3-4 rw-p")]
    [InlineData("dumps", "map 0-2 rw-p; madvise 0-1 DontDump; has 0-1 rw-p dontdump, 1-2 rw-p")]
    [InlineData("merging of pages, of private memory only", "map 0-2 rw-p; map 2-4 rw-s memory+0; madvise 0-4 Mergeable; has 0-2 rw-p mergeable, 2-4 rw-s memory+0")]
    [InlineData("soon needed", "map 0-2 rw-s memory+0; madvise 0-2 WillNeed; mincore 0-2 = 00; has 0-2 rw-s memory+0")]
    [InlineData("a hole, and the rest is advised", "map 0-1 rw-p; map 2-3 rw-p; madvise 0-3 Random -> ENOMEM; has 0-1 rw-p random, 2-3 rw-p random")]
    [InlineData("huge pages or not, which MADV_NORMAL leaves", "map 0-4 rw-p; madvise 0-4 HugePage; madvise 0-2 NoHugePage; madvise 0-4 Normal; has 0-2 rw-p nohugepages, 2-4 rw-p hugepages")]
    public void Advice_is_noted(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("for loads", "map 0-4 rw-p; madvise 1-3 PopulateRead; mincore 0-4 = 0110; has 0-4 rw-p")]
    [InlineData("for stores", "map 0-4 rw-p memory+0; madvise 1-3 PopulateWrite; mincore 0-4 = 0110; load 1 = 0; has 0-4 rw-p memory+0")]
    [InlineData("for stores where nothing may be stored", "map 0-2 r--p; madvise 0-2 PopulateWrite -> EINVAL; mincore 0-2 = 00; has 0-2 r--p")]
    [InlineData("for loads where nothing may be loaded", "map 0-2 ---p; madvise 0-2 PopulateRead -> EINVAL; has 0-2 ---p")]
    [InlineData("up to a hole", "map 0-2 rw-p; map 3-4 rw-p; madvise 0-4 PopulateRead -> ENOMEM; mincore 0-2 = 11; mincore 3-4 = 0; has 0-2 rw-p, 3-4 rw-p")]
    [InlineData("up to the end of the file", "map 0-4 rw-s small+8; madvise 0-4 PopulateRead -> EFAULT; mincore 0-2 = 11; has 0-4 rw-s small+8")]
    [InlineData("for loads where only stores are allowed, refused", "map 0-2 -w-p; madvise 0-2 PopulateRead -> EINVAL; madvise 0-2 PopulateWrite; mincore 0-2 = 11; has 0-2 -w-p")]
    [InlineData("for stores where a file was opened to be read, refused", "map 0-4 r--s readonly+0; madvise 0-4 PopulateWrite -> EINVAL; mlock 0-4; mincore 0-4 = 1111; has 0-4 r--s memory+0 locked")]
    public void Pages_are_brought(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("a shared file", "map 0-4 rw-s memory+0; store 0 1; store 1 2; map 8-9 r--s memory+1; load 8 = 2; madvise 1-2 Remove; load 0 = 1; load 1 = 0; load 8 = 0; has 0-4 rw-s memory+0, 8-9 r--s memory+1")]
    [InlineData("shared anonymous memory", "map 0-2 rw-s; store 0 1; madvise 0-2 Remove; load 0 = 0; has 0-2 rw-s unnamed+0")]
    [InlineData("what may only be loaded now", "map 0-2 rw-s memory+0; store 0 1; mprotect 0-2 r--; madvise 0-2 Remove; load 0 = 0; has 0-2 r--s memory+0")]
    [InlineData("a private file, refused", "map 0-2 rw-p memory+0; madvise 0-2 Remove -> EACCES; has 0-2 rw-p memory+0")]
    [InlineData("anonymous memory, refused", "map 0-2 rw-p; madvise 0-2 Remove -> EINVAL; has 0-2 rw-p")]
    [InlineData("a file opened to be read, refused", "map 0-2 r--s readonly+0; madvise 0-2 Remove -> EACCES; has 0-2 r--s memory+0")]
    [InlineData("a locked file, refused", "map 0-2 rw-s memory+0; mlock 0-2; store 0 1; madvise 0-2 Remove -> EINVAL; load 0 = 1; has 0-2 rw-s memory+0 locked")]
    [InlineData("with a hole, after what lies before it", "map 0-2 rw-s memory+0; store 0 1; madvise 0-3 Remove -> ENOMEM; load 0 = 0; has 0-2 rw-s memory+0")]
    [InlineData("over the end of the file", "map 0-4 rw-s small+8; madvise 0-4 Remove; load 0 = 0; has 0-4 rw-s small+8")]
    [InlineData("of two areas, of which one may only be loaded from", "map 0-4 rw-s memory+0; map 4-8 r--s memory+4; msync 1-7; madvise 1-7 Remove; has 0-4 rw-s memory+0, 4-8 r--s memory+4")]
    [InlineData("a private file, refused after what lies before it", "map 0-4 rw-s memory+0; store 2 1; map 4-8 rw-p memory+0; madvise 0-8 Remove -> EACCES; load 2 = 0; has 0-4 rw-s memory+0, 4-8 rw-p memory+0")]
    public void Storage_is_removed(string name, string script) => CaseScript.Runs(name, script);
}
