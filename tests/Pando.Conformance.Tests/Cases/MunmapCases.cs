using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Unmapping.</summary>
public class MunmapCases
{
    [Theory]
    [InlineData("all of it", "map 0-4 rw-p; store 1 1; munmap 0-4; load 1 -> NotMapped; has nothing")]
    [InlineData("its beginning", "map 0-4 rw-s memory+2; munmap 0-1; has 1-4 rw-s memory+3")]
    [InlineData("its end", "map 0-4 rw-s memory+2; munmap 3-4; has 0-3 rw-s memory+2")]
    [InlineData("its middle", "map 0-4 rw-p; store 0 1; store 3 2; munmap 1-3; load 0 = 1; load 3 = 2; load 2 -> NotMapped; has 0-1 rw-p, 3-4 rw-p")]
    [InlineData("a part of a page is the page", "map 0-4 rw-p; munmap 0-0+1b; has 1-4 rw-p")]
    [InlineData("several", "map 0-2 rw-p; map 2-4 r--p; map 4-6 rw-s memory+0; munmap 1-5; has 0-1 rw-p, 5-6 rw-s memory+1")]
    [InlineData("with gaps", "map 1-2 rw-p; map 3-4 rw-p; munmap 0-6; has nothing")]
    [InlineData("where nothing is", "map 0-2 rw-p; munmap 4-6; has 0-2 rw-p")]
    [InlineData("again", "map 0-2 rw-p; munmap 0-2; munmap 0-2; has nothing")]
    [InlineData("what is locked", "map 0-4 rw-p; mlock 0-4; munmap 1-4; has 0-1 rw-p locked")]
    [InlineData("a hole over two tables", "map 2M-6M rw-p; store 3M 1; store 5M 2; munmap 3M+1-5M; load 3M = 1; load 5M = 2; has 2M-3M+1 rw-p, 5M-6M rw-p")]
    [InlineData("what comes again is empty", "map 0-2 rw-p; store 0 1; munmap 0-2; map 0-2 rw-p; load 0 = 0; has 0-2 rw-p")]
    [InlineData("a shared file keeps what was stored", "map 0-2 rw-s memory+0; store 0 1; munmap 0-2; map 0-2 r--p memory+0; load 0 = 1; has 0-2 r--p memory+0")]
    public void It_is_unmapped(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("a length of nothing", "map 0-2 rw-p; munmap 0-0 -> EINVAL; has 0-2 rw-p")]
    [InlineData("an address inside a page", "map 0-2 rw-p; munmap 0+1b-1 -> EINVAL; has 0-2 rw-p")]
    [InlineData("beyond all addresses", "munmap end-end+1 -> EINVAL; has nothing")]
    [InlineData("a sealed part", "map 0-4 rw-p; mseal 2-3; munmap 0-4 -> EPERM; has 0-2 rw-p, 2-3 rw-p sealed, 3-4 rw-p")]
    public void It_is_refused(string name, string script) => CaseScript.Runs(name, script);
}
