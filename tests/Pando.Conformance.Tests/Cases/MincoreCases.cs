using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>What is in memory.</summary>
public class MincoreCases
{
    [Theory]
    [InlineData("nothing was touched", "map 0-4 rw-p; mincore 0-4 = 0000; has 0-4 rw-p")]
    [InlineData("what was stored to", "map 0-4 rw-p; store 1; mincore 0-4 = 0100; has 0-4 rw-p")]
    [InlineData("what was loaded from", "map 0-4 rw-p; load 2 = 0; mincore 0-4 = 0010; has 0-4 rw-p")]
    [InlineData("dropped pages", "map 0-4 rw-p populate; madvise 1-3 DontNeed; mincore 0-4 = 1001; has 0-4 rw-p")]
    [InlineData("a file's pages that others have brought", "map 0-4 rw-s memory+0; store 1; map 8-12 r--p memory+0; mincore 8-12 = 0100; has 0-4 rw-s memory+0, 8-12 r--p memory+0")]
    [InlineData("a file's pages after they were unmapped", "map 0-4 rw-s memory+0; store 1; munmap 0-4; map 0-4 r--p memory+0; mincore 0-4 = 0100; has 0-4 r--p memory+0")]
    [InlineData("a private copy of a page", "map 0-4 rw-p memory+0; store 2; mincore 0-4 = 0010; has 0-4 rw-p memory+0")]
    [InlineData("past the end of the file", "map 0-4 rw-s small+8; store 0; store 1; mincore 0-4 = 1100; has 0-4 rw-s small+8")]
    [InlineData("over several areas", "map 0-2 rw-p; map 2-4 rw-s memory+0; store 1; store 2; mincore 0-4 = 0110; has 0-2 rw-p, 2-4 rw-s memory+0")]
    [InlineData("a hole in the file", "map 0-4 rw-s memory+0; store 0; store 1; punch memory 0-1; mincore 0-4 = 0100; has 0-4 rw-s memory+0")]
    [InlineData("what may no more be accessed", "map 0-2 rw-p; store 0; mprotect 0-2 ---; mincore 0-2 = 10; has 0-2 ---p")]
    public void Pages_are_in_memory(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("an address inside a page", "map 0-2 rw-p; mincore 0+1b-1+1b -> EINVAL; has 0-2 rw-p")]
    [InlineData("where nothing is", "mincore 0-2 -> ENOMEM; has nothing")]
    [InlineData("a hole inside", "map 0-1 rw-p; map 2-3 rw-p; mincore 0-3 -> ENOMEM; has 0-1 rw-p, 2-3 rw-p")]
    public void The_question_is_refused(string name, string script) => CaseScript.Runs(name, script);
}
