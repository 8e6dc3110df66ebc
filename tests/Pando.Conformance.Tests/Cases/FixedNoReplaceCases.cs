using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>MAP_FIXED_NOREPLACE: there, or not at all.</summary>
public class FixedNoReplaceCases
{
    [Theory]
    [InlineData("where nothing is", "map 0-5 rw-p noreplace; has 0-5 rw-p")]
    [InlineData("right behind another", "map 0-5 r--p; map 5-7 rw-p noreplace; has 0-5 r--p, 5-7 rw-p")]
    [InlineData("right before another", "map 5-7 r--p; map 0-5 rw-p noreplace; has 0-5 rw-p, 5-7 r--p")]
    [InlineData("in a gap that it fills", "map 0-2 r--p; map 4-6 r--p; map 2-4 rw-p noreplace; has 0-2 r--p, 2-4 rw-p, 4-6 r--p")]
    [InlineData("where something was", "map 0-5 r--p; munmap 1-4; map 1-4 rw-p noreplace; has 0-1 r--p, 1-4 rw-p, 4-5 r--p")]
    public void It_is_mapped(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("upon the same range", "map 0-5 rw-p; store 4 2; map 0-5 rw-p noreplace -> EEXIST; has 0-5 rw-p; load 4 = 2")]
    [InlineData("inside of another", "map 0-5 rw-p; map 1-3 rw-s memory+0 noreplace -> EEXIST; has 0-5 rw-p")]
    [InlineData("over the end of another", "map 0-3 rw-p; map 2-6 rw-p noreplace -> EEXIST; has 0-3 rw-p")]
    [InlineData("over the beginning of another", "map 3-6 rw-p; map 0-4 rw-p noreplace -> EEXIST; has 3-6 rw-p")]
    [InlineData("around another", "map 2-3 rw-p; map 0-6 rw-p noreplace -> EEXIST; has 2-3 rw-p")]
    [InlineData("in a gap that is too small", "map 0-2 rw-p; map 3-6 rw-p; map 2-4 rw-p noreplace -> EEXIST; has 0-2 rw-p, 3-6 rw-p")]
    [InlineData("upon what may not be accessed", "map 0-2 ---p; map 0-2 rw-p noreplace -> EEXIST; has 0-2 ---p")]
    [InlineData("upon what is sealed", "map 0-2 rw-p; mseal 0-2; map 0-2 rw-p noreplace -> EEXIST; has 0-2 rw-p sealed")]
    [InlineData("upon another, without the right to the file", "map 0-2 rw-p; map 1-3 rw-s readonly+0 noreplace -> EEXIST; has 0-2 rw-p")]
    [InlineData("inside a page", "map 0+1b-2+1b rw-p noreplace -> EINVAL; has nothing")]
    [InlineData("beyond all addresses", "map end-end+1 rw-p noreplace -> ENOMEM; has nothing")]
    public void It_is_refused(string name, string script) => CaseScript.Runs(name, script);
}
