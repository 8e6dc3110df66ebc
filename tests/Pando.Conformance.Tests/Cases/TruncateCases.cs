using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Files that become shorter and longer.</summary>
public class TruncateCases
{
    [Theory]
    [InlineData("shared pages past the end are gone", "map 0-4 rw-s small+0; store 3 1; ftruncate small 2; load 1 = 0; load 2 -> BusError; store 3 -> BusError; has 0-4 rw-s small+0")]
    [InlineData("private copies past the end are gone", "map 0-4 rw-p small+0; store 3 1; store 1 2; ftruncate small 2; load 3 -> BusError; load 1 = 2; has 0-4 rw-p small+0")]
    [InlineData("all of it", "map 0-4 rw-s small+0; store 0 1; ftruncate small 0; load 0 -> BusError; has 0-4 rw-s small+0")]
    [InlineData("the page that the end cuts is zero behind it", "map 0-2 rw-s small+0; store 0+100b 1; store 0+200b 2; ftruncate small 150b; load 0+100b = 1; load 0+200b = 0; load 1 -> BusError; has 0-2 rw-s small+0")]
    [InlineData("a private copy of the page that the end cuts is not", "map 0-2 rw-p small+0; store 0+100b 1; store 0+200b 2; ftruncate small 150b; load 0+100b = 1; load 0+200b = 2; load 1 -> BusError; has 0-2 rw-p small+0")]
    [InlineData("what was never touched", "map 0-4 rw-s small+0; ftruncate small 2; load 2 -> BusError; load 0 = 0; has 0-4 rw-s small+0")]
    [InlineData("what is locked", "map 0-4 rw-s small+0; mlock 0-4; ftruncate small 2; load 2 -> BusError; mincore 0-4 = 1100; has 0-4 rw-s small+0 locked")]
    [InlineData("what is sealed", "map 0-4 rw-p small+0; store 3 1; mseal 0-4; ftruncate small 2; load 3 -> BusError; has 0-4 rw-p small+0 sealed")]
    [InlineData("what may not be accessed", "map 0-4 rw-s small+0; store 3 1; mprotect 0-4 ---; ftruncate small 2; load 3 -> NotAllowed; mprotect 0-4 r--; load 3 -> BusError; has 0-4 r--s small+0")]
    [InlineData("several tables", "map 2M-8M rw-s memory+0; store 3M 1; store 5M 2; store 7M 3; ftruncate memory 2M; load 3M = 1; load 5M -> BusError; load 7M -> BusError; has 2M-8M rw-s memory+0")]
    public void A_shorter_file(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("shows zeroes where it was longer once", "map 0-4 rw-s small+0; store 3 1; ftruncate small 2; ftruncate small 4; load 3 = 0; store 3 2; load 3 = 2; has 0-4 rw-s small+0")]
    [InlineData("shows zeroes in a page that was cut", "map 0-2 rw-s small+0; store 0+200b 2; ftruncate small 100b; ftruncate small 2; load 0+200b = 0; has 0-2 rw-s small+0")]
    [InlineData("shows zeroes in a page that was stored to past the end", "map 0-2 rw-s small+0; ftruncate small 100b; store 0+200b 2; load 0+200b = 2; ftruncate small 2; load 0+200b = 0; has 0-2 rw-s small+0")]
    [InlineData("shows zeroes for private copies that were lost", "map 0-4 rw-p small+0; store 3 1; ftruncate small 2; ftruncate small 4; load 3 = 0; has 0-4 rw-p small+0")]
    [InlineData("has pages where there was an error", "map 0-4 rw-s small+8; load 2 -> BusError; ftruncate small 12; load 2 = 0; store 3 1; load 3 = 1; has 0-4 rw-s small+8")]
    [InlineData("keeps what it had", "map 0-4 rw-s small+8; store 1 7; ftruncate small 20; load 1 = 7; has 0-4 rw-s small+8")]
    [InlineData("of the same length is the same", "map 0-4 rw-s small+0; store 3 7; ftruncate small 10; load 3 = 7; has 0-4 rw-s small+0")]
    public void A_longer_file(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("opened to be read", "ftruncate readonly 2 -> EINVAL; map 0-4 r--s memory+0; load 3 = 0; has 0-4 r--s memory+0")]
    [InlineData("to less than nothing", "ftruncate small -1 -> EINVAL; map 0-1 r--s small+9; load 0 = 0; has 0-1 r--s small+9")]
    public void A_file_is_not_cut(string name, string script) => CaseScript.Runs(name, script);
}
