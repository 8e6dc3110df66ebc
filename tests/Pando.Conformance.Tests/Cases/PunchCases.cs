using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Holes in files.</summary>
public class PunchCases
{
    [Theory]
    [InlineData("is zeroes", "map 0-4 rw-s memory+0; store 0 1; store 1 2; store 2 3; punch memory 1-2; load 0 = 1; load 1 = 0; load 2 = 3; has 0-4 rw-s memory+0")]
    [InlineData("can be filled again", "map 0-4 rw-s memory+0; store 1 2; punch memory 1-2; store 1 5; load 1 = 5; has 0-4 rw-s memory+0")]
    [InlineData("leaves private copies", "map 0-2 rw-p memory+0; store 0 1; punch memory 0-2; load 0 = 1; load 1 = 0; has 0-2 rw-p memory+0")]
    [InlineData("is seen by private mappings without copies", "map 0-2 rw-s memory+0; store 0 1; map 4-6 rw-p memory+0; load 4 = 1; punch memory 0-1; load 4 = 0; has 0-2 rw-s memory+0, 4-6 rw-p memory+0")]
    [InlineData("may be a part of a page", "map 0-2 rw-s memory+0; store 0+100b 1; store 0+200b 2; store 0+300b 3; punch memory 0+150b-0+250b; load 0+100b = 1; load 0+200b = 0; load 0+300b = 3; has 0-2 rw-s memory+0")]
    [InlineData("may have parts of pages at its ends", "map 0-4 rw-s memory+0; store 0+100b 1; store 0+200b 2; store 1 3; store 2 4; store 2+200b 5; punch memory 0+150b-2+150b; load 0+100b = 1; load 0+200b = 0; load 1 = 0; load 2 = 0; load 2+200b = 5; has 0-4 rw-s memory+0")]
    [InlineData("may be of several tables", "map 2M-8M rw-s memory+0; store 2M 1; store 4M 2; store 5M 3; store 7M+255 4; punch memory 1M-4M; load 2M = 1; load 4M = 0; load 5M = 0; load 7M+255 = 4; has 2M-8M rw-s memory+0")]
    [InlineData("past the end is nothing", "map 0-2 rw-s small+8; store 1 1; punch small 10-12; load 1 = 1; has 0-2 rw-s small+8")]
    [InlineData("over the end keeps the length", "map 0-4 rw-s small+8; store 1 1; punch small 9-20; load 1 = 0; load 2 -> BusError; has 0-4 rw-s small+8")]
    [InlineData("where a hole is already", "map 0-2 rw-s memory+0; punch memory 0-2; load 0 = 0; mincore 0-2 = 10; has 0-2 rw-s memory+0")]
    [InlineData("in what is locked", "map 0-2 rw-s memory+0; mlock 0-2; store 0 1; punch memory 0-1; mincore 0-2 = 01; load 0 = 0; has 0-2 rw-s memory+0 locked")]
    public void A_hole(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("of no length", "punch memory 1-1 -> EINVAL; has nothing")]
    [InlineData("of less than none", "punch memory 2-1 -> EINVAL; has nothing")]
    [InlineData("in a file opened to be read", "map 0-2 rw-s memory+0; store 0 1; punch readonly 0-1 -> EBADF; load 0 = 1; has 0-2 rw-s memory+0")]
    public void A_hole_is_refused(string name, string script) => CaseScript.Runs(name, script);
}
