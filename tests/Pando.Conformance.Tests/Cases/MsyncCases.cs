using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Writing back.</summary>
public class MsyncCases
{
    [Theory]
    [InlineData("a shared file", "map 0-2 rw-s memory+0; store 0 1; msync 0-2; load 0 = 1; has 0-2 rw-s memory+0")]
    [InlineData("a private file", "map 0-2 rw-p memory+0; store 0 1; msync 0-2; load 0 = 1; has 0-2 rw-p memory+0")]
    [InlineData("anonymous memory", "map 0-2 rw-p; store 0 1; msync 0-2 invalidate; load 0 = 1; has 0-2 rw-p")]
    [InlineData("a length of nothing", "msync 0-0; has nothing")]
    [InlineData("a part of a page", "map 0-2 rw-s memory+0; msync 0-0+1b; has 0-2 rw-s memory+0")]
    [InlineData("what is locked", "map 0-2 rw-s memory+0; mlock 0-2; msync 0-2; has 0-2 rw-s memory+0 locked")]
    [InlineData("what is unlocked again", "map 0-2 rw-s memory+0; mlock 0-2; munlock 0-2; msync 0-2 invalidate; has 0-2 rw-s memory+0")]
    [InlineData("what may not be accessed", "map 0-2 ---s memory+0; msync 0-2; has 0-2 ---s memory+0")]
    public void It_is_written_back(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("an address inside a page", "map 0-2 rw-s memory+0; msync 0+1b-1 -> EINVAL; has 0-2 rw-s memory+0")]
    [InlineData("where nothing is", "msync 0-2 -> ENOMEM; has nothing")]
    [InlineData("a hole inside", "map 0-1 rw-s memory+0; map 2-3 rw-s memory+2; msync 0-3 -> ENOMEM; has 0-1 rw-s memory+0, 2-3 rw-s memory+2")]
    [InlineData("a hole at the end", "map 0-1 rw-s memory+0; msync 0-3 -> ENOMEM; has 0-1 rw-s memory+0")]
    [InlineData("a locked part is to be invalidated", "map 0-2 rw-s memory+0; mlock 1-2; msync 0-2 invalidate -> EBUSY; has 0-1 rw-s memory+0, 1-2 rw-s memory+1 locked")]
    [InlineData("a part locked on fault is to be invalidated", "map 0-2 rw-s memory+0; mlock 0-2 onfault; msync 0-2 invalidate -> EBUSY; has 0-2 rw-s memory+0 lockedonfault")]
    public void It_is_refused(string name, string script) => CaseScript.Runs(name, script);
}
