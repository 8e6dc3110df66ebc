using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Sealed memory.</summary>
public class SealCases
{
    [Theory]
    [InlineData("unmapped", "map 0-2 rw-p; store 0 1; mseal 0-2; munmap 0-1 -> EPERM; load 0 = 1; has 0-2 rw-p sealed")]
    [InlineData("unmapped with others", "map 0-2 rw-p; map 4-6 rw-p; mseal 4-6; munmap 0-6 -> EPERM; has 0-2 rw-p, 4-6 rw-p sealed")]
    [InlineData("mapped upon", "map 0-2 rw-p; mseal 0-2; map 1-3 rw-p -> EPERM; has 0-2 rw-p sealed")]
    [InlineData("given other rights", "map 0-2 rw-p; mseal 0-2; mprotect 0-2 r-- -> EPERM; store 0 1; has 0-2 rw-p sealed")]
    [InlineData("given the rights that it has", "map 0-2 rw-p; mseal 0-2; mprotect 0-2 rw- -> EPERM; has 0-2 rw-p sealed")]
    [InlineData("given other rights, after what lies before it", "map 0-4 rw-p; mseal 2-4; mprotect 0-4 r-- -> EPERM; has 0-2 r--p, 2-4 rw-p sealed")]
    [InlineData("grown", "map 0-2 rw-p; mseal 0-2; mremap 0-2 for 4 -> EPERM; has 0-2 rw-p sealed")]
    [InlineData("shrunk", "map 0-2 rw-p; mseal 0-2; mremap 0-2 for 1 -> EPERM; has 0-2 rw-p sealed")]
    [InlineData("kept at its length", "map 0-2 rw-p; mseal 0-2; mremap 0-2 for 2 -> EPERM; has 0-2 rw-p sealed")]
    [InlineData("cut off by another that shrinks", "map 0-2 rw-p; map 2-4 r--p; mseal 2-4; mremap 0-4 for 2 -> EPERM; has 0-2 rw-p, 2-4 r--p sealed")]
    [InlineData("mapped a second time", "map 0-2 rw-s memory+0; mseal 0-2; mremap 0-0 to 10-12 -> EPERM; has 0-2 rw-s memory+0 sealed")]
    [InlineData("dropped where nothing may be stored", "map 0-2 rw-p; store 0 1; mprotect 0-2 r--; mseal 0-2; madvise 0-2 DontNeed -> EPERM; load 0 = 1; has 0-2 r--p sealed")]
    [InlineData("wiped on fork where nothing may be stored", "map 0-2 r--p; mseal 0-2; madvise 0-2 WipeOnFork -> EPERM; has 0-2 r--p sealed")]
    [InlineData("left out of a fork where nothing may be stored", "map 0-2 r--p; mseal 0-2; madvise 0-2 DontFork -> EPERM; has 0-2 r--p sealed")]
    [InlineData("mapped a second time, or shrunk to nothing", "map 0-4 rw-p; mseal 0-4; mremap 0-0 to 10-12 -> EPERM; mremap 0-4 for 0 -> EINVAL; has 0-4 rw-p sealed")]
    public void What_is_sealed_is_not(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("stored to", "map 0-2 rw-p; mseal 0-2; store 0 1; load 0 = 1; has 0-2 rw-p sealed")]
    [InlineData("dropped where it may be stored to", "map 0-2 rw-p; store 0 1; mseal 0-2; madvise 0-2 DontNeed; load 0 = 0; has 0-2 rw-p sealed")]
    [InlineData("dropped where it is a shared file", "map 0-2 r--s memory+0; mseal 0-2; madvise 0-2 DontNeed; has 0-2 r--s memory+0 sealed")]
    [InlineData("locked", "map 0-2 rw-p; mseal 0-2; mlock 0-1; has 0-1 rw-p locked sealed, 1-2 rw-p sealed")]
    [InlineData("advised", "map 0-2 r--p; mseal 0-2; madvise 0-2 Random; has 0-2 r--p random sealed")]
    [InlineData("sealed again", "map 0-2 rw-p; mseal 0-1; mseal 0-2; has 0-2 rw-p sealed")]
    [InlineData("written back", "map 0-2 rw-s memory+0; mseal 0-2; store 0 1; msync 0-2; has 0-2 rw-s memory+0 sealed")]
    [InlineData("asked about", "map 0-2 rw-p; mseal 0-2; store 0 1; mincore 0-2 = 10; has 0-2 rw-p sealed")]
    [InlineData("neighbour of what changes", "map 0-4 rw-p; mseal 0-2; mprotect 2-4 r--; munmap 3-4; has 0-2 rw-p sealed, 2-3 r--p")]
    [InlineData("dropped by MADV_FREE where it may be stored to", "map 0-2 rw-p; mseal 0-2; madvise 0-2 Free; has 0-2 rw-p sealed")]
    [InlineData("dropped where it is a private file", "map 0-2 r--p memory+0; mseal 0-2; madvise 0-2 DontNeed; has 0-2 r--p memory+0 sealed")]
    [InlineData("dropped where it is a private file with copies", "map 0-2 rw-p memory+0; store 0 1; mprotect 0-2 r--; mseal 0-2; madvise 0-2 DontNeed; load 0 = 0; has 0-2 r--p memory+0 sealed")]
    [InlineData("wiped on fork where it may be stored to", "map 0-2 rw-p; mseal 0-2; fork 1; 1: exit; madvise 0-2 WipeOnFork; has 0-2 rw-p wipeonfork sealed")]
    public void What_is_sealed_is(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("an address inside a page", "map 0-2 rw-p; mseal 0+1b-1+1b -> EINVAL; has 0-2 rw-p")]
    [InlineData("where nothing is", "mseal 0-2 -> ENOMEM; has nothing")]
    [InlineData("a hole inside", "map 0-1 rw-p; map 2-3 rw-p; mseal 0-3 -> ENOMEM; has 0-1 rw-p, 2-3 rw-p")]
    [InlineData("a hole at the end", "map 0-1 rw-p; mseal 0-2 -> ENOMEM; has 0-1 rw-p")]
    public void A_seal_is_refused(string name, string script) => CaseScript.Runs(name, script);

    [Fact]
    public void A_seal_of_nothing_seals_nothing() => CaseScript.Runs("nothing", "map 0-2 rw-p; mseal 0-0; mseal 4-4; has 0-2 rw-p");
}
