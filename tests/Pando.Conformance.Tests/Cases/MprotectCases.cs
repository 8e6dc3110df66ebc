using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Other rights for what is mapped.</summary>
public class MprotectCases
{
    [Theory]
    [InlineData("none", "map 0-2 rw-p; store 0 4; mprotect 0-2 ---; load 0 -> NotAllowed; mprotect 0-2 r--; load 0 = 4; has 0-2 r--p")]
    [InlineData("loads only", "map 0-2 rw-p; store 0 4; mprotect 0-2 r--; load 0 = 4; store 0 -> NotAllowed; has 0-2 r--p")]
    [InlineData("stores only", "map 0-2 r--p; mprotect 0-2 -w-; store 0 4; load 0 = 4; has 0-2 -w-p")]
    [InlineData("stores to a private file", "map 0-2 r--p memory+0; load 0 = 0; mprotect 0-2 rw-; store 0 4; map 4-5 r--s memory+0; load 4 = 0; load 0 = 4; has 0-2 rw-p memory+0, 4-5 r--s memory+0")]
    [InlineData("stores to a shared file", "map 0-2 r--s memory+0; load 0 = 0; mprotect 0-2 rw-; store 0 4; map 4-5 r--s memory+0; load 4 = 4; has 0-2 rw-s memory+0, 4-5 r--s memory+0")]
    [InlineData("stores to a private file opened to be read", "map 0-2 r--p readonly+0; mprotect 0-2 rw-; store 0 4; has 0-2 rw-p memory+0")]
    [InlineData("a page in a large area", "map 2M-6M rw-p; store 4M 1; mprotect 4M-4M+1 r--; store 4M -> NotAllowed; store 4M+1 2; has 2M-4M rw-p, 4M-4M+1 r--p, 4M+1-6M rw-p")]
    [InlineData("a part of a page is the page", "map 0-2 rw-p; mprotect 0-0+1b r--; has 0-1 r--p, 1-2 rw-p")]
    [InlineData("a length of nothing", "map 0-2 rw-p; mprotect 0-0 r--; has 0-2 rw-p")]
    [InlineData("a length of nothing where nothing is", "mprotect 0-0 r--; has nothing")]
    [InlineData("what it has already", "map 0-2 rw-p; mprotect 0-2 rw-; has 0-2 rw-p")]
    [InlineData("locked memory gets its copies", "map 0-2 r--p memory+0; mlock 0-2; mprotect 0-2 rw-; mincore 0-2 = 11; store 0 1; has 0-2 rw-p memory+0 locked")]
    [InlineData("stores and fetches, and then loads and fetches", "map 0-4 rw-p; mprotect 0-4 rwx; mprotect 0-4 r-x; madvise 0-4 PopulateRead; mincore 0-4 = 1111; has 0-4 r-xp")]
    [InlineData("of a private file, and pages dropped between", "map 0-6M rw-p memory+0; store 2M 1; mprotect 0-3M r--; madvise 2M-4M DontNeed; load 2M = 0; mprotect 0-6M rw-; has 0-6M rw-p memory+0")]
    public void Rights_change(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("an address inside a page", "map 0-2 rw-p; mprotect 0+1b-1 r-- -> EINVAL; has 0-2 rw-p")]
    [InlineData("where nothing is", "mprotect 0-2 r-- -> ENOMEM; has nothing")]
    [InlineData("a hole at the beginning", "map 1-2 rw-p; mprotect 0-2 r-- -> ENOMEM; has 1-2 rw-p")]
    [InlineData("a hole at the end, after what lies before it", "map 0-2 rw-p; mprotect 0-3 r-- -> ENOMEM; has 0-2 r--p")]
    [InlineData("a hole inside, after what lies before it", "map 0-2 rw-p; map 3-4 rw-p; mprotect 0-4 r-- -> ENOMEM; has 0-2 r--p, 3-4 rw-p")]
    [InlineData("beyond all addresses", "mprotect end-end+1 r-- -> ENOMEM; has nothing")]
    [InlineData("shared stores to a file opened to be read", "map 0-2 r--s readonly+0; mprotect 0-2 rw- -> EACCES; has 0-2 r--s memory+0")]
    [InlineData("the same, after what lies before it", "map 0-2 r--p; map 2-4 r--s readonly+0; mprotect 0-4 rw- -> EACCES; has 0-2 rw-p, 2-4 r--s memory+0")]
    public void Rights_are_refused(string name, string script) => CaseScript.Runs(name, script);
}
