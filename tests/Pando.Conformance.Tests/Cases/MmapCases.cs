using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>New mappings: where, with which rights, of which part of a file.</summary>
public class MmapCases
{
    [Theory]
    [InlineData("nothing, private", "map 0-2 ---p memory+0; load 0 -> NotAllowed; store 0 -> NotAllowed; has 0-2 ---p memory+0")]
    [InlineData("nothing, shared", "map 0-2 ---s memory+0; load 0 -> NotAllowed; store 0 -> NotAllowed; has 0-2 ---s memory+0")]
    [InlineData("loads, private", "map 0-2 r--p memory+0; load 0 = 0; store 0 -> NotAllowed; has 0-2 r--p memory+0")]
    [InlineData("loads, shared", "map 0-2 r--s memory+0; load 0 = 0; store 0 -> NotAllowed; has 0-2 r--s memory+0")]
    [InlineData("stores, private", "map 0-2 -w-p memory+0; store 0 1; load 0 = 1; has 0-2 -w-p memory+0")]
    [InlineData("stores, shared", "map 0-2 -w-s memory+0; store 0 1; load 0 = 1; has 0-2 -w-s memory+0")]
    [InlineData("loads and stores, private", "map 0-2 rw-p memory+0; store 0 1; load 0 = 1; has 0-2 rw-p memory+0")]
    [InlineData("loads and stores, shared", "map 0-2 rw-s memory+0; store 0 1; load 0 = 1; has 0-2 rw-s memory+0")]
    [InlineData("loads and fetches, private", "map 0-2 r-xp memory+0; load 0 = 0; store 0 -> NotAllowed; has 0-2 r-xp memory+0")]
    [InlineData("loads and fetches, shared", "map 0-2 r-xs memory+0; load 0 = 0; store 0 -> NotAllowed; has 0-2 r-xs memory+0")]
    [InlineData("stores and fetches, private", "map 0-2 -wxp memory+0; store 0 1; load 0 = 1; has 0-2 -wxp memory+0")]
    [InlineData("stores and fetches, shared", "map 0-2 -wxs memory+0; store 0 1; load 0 = 1; has 0-2 -wxs memory+0")]
    [InlineData("everything, private", "map 0-2 rwxp memory+0; store 0 1; load 0 = 1; has 0-2 rwxp memory+0")]
    [InlineData("everything, shared", "map 0-2 rwxs memory+0; store 0 1; load 0 = 1; has 0-2 rwxs memory+0")]
    public void A_mapping_allows_what_was_asked_for(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("a length of nothing", "map 0-0 rw-p -> EINVAL; has nothing")]
    [InlineData("a fixed address inside a page", "map 0+1b-2+1b rw-p -> EINVAL; has nothing")]
    [InlineData("an offset inside a page", "map 0-2 rw-p memory+100b -> EINVAL; has nothing")]
    [InlineData("more than there are addresses", "map 0-100000000G rw-p hint -> ENOMEM; has nothing")]
    [InlineData("a place beyond all addresses", "map end-end+1 rw-p -> ENOMEM; has nothing")]
    [InlineData("an offset beyond all files", "map 0-2 r--s memory+8589934591G+1023M+255 -> EOVERFLOW; has nothing")]
    [InlineData("shared stores to a file opened to be read", "map 0-2 rw-s readonly+0 -> EACCES; has nothing")]
    [InlineData("shared loads of a file opened to be written", "map 0-2 r--s writeonly+0 -> EACCES; has nothing")]
    [InlineData("private loads of a file opened to be written", "map 0-2 r--p writeonly+0 -> EACCES; has nothing")]
    [InlineData("no right at all to a file opened to be written", "map 0-2 ---p writeonly+0 -> EACCES; has nothing")]
    [InlineData("a refused one upon another", "map 0-2 rw-p; store 0 3; map 0-2 rw-s readonly+0 -> EACCES; has 0-2 rw-p; load 0 = 3")]
    public void A_mapping_is_refused(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("private stores to a file opened to be read", "map 0-2 rw-p readonly+0; store 0 5; load 0 = 5; has 0-2 rw-p memory+0")]
    [InlineData("a length inside a page", "map 0-1+1b rw-p; load 1+4095b = 0; load 2 -> NotMapped; has 0-2 rw-p")]
    [InlineData("upon another", "map 0-4 rw-p; store 1 9; map 1-3 rw-p memory+0; load 1 = 0; has 0-1 rw-p, 1-3 rw-p memory+0, 3-4 rw-p")]
    [InlineData("upon itself", "map 0-4 rw-p; store 1 9; map 0-4 rw-p; load 1 = 0; has 0-4 rw-p")]
    [InlineData("upon several and a gap", "map 0-2 r--p; map 3-5 ---p; map 1-4 rw-s memory+7; has 0-1 r--p, 1-4 rw-s memory+7, 4-5 ---p")]
    [InlineData("where a hint says", "map 8-10 rw-p hint; has 8-10 rw-p")]
    [InlineData("in the page of a hint inside a page", "map 8+1b-10 rw-p hint; has 8-10 rw-p")]
    [InlineData("elsewhere where a hint is taken", "map 8-10 r--p; map 9-12 rw-p hint; store elsewhere 4; load elsewhere = 4; has 8-10 r--p, elsewhere:3 rw-p")]
    [InlineData("with its pages", "map 0-4 rw-p populate; mincore 0-4 = 1111; has 0-4 rw-p")]
    [InlineData("with a file's pages", "map 0-4 r--s memory+0 populate; mincore 0-4 = 1111; map 4-6 r--s memory+3; mincore 4-6 = 10; has 0-4 r--s memory+0, 4-6 r--s memory+3")]
    [InlineData("with its pages, as far as the file goes", "map 0-4 r--s small+8 populate; mincore 0-2 = 11; load 2 -> BusError; has 0-4 r--s small+8")]
    [InlineData("without any page, as nothing may be read", "map 0-2 ---p populate; mincore 0-2 = 00; has 0-2 ---p")]
    public void A_mapping_is_made(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("two shared of one page", "map 0-2 rw-s memory+5; map 4-5 rw-s memory+6; store 1 8; load 4 = 8; store 4 9; load 1 = 9; has 0-2 rw-s memory+5, 4-5 rw-s memory+6")]
    [InlineData("a private one shows stores by others until it stores", "map 0-1 rw-s memory+0; map 2-3 rw-p memory+0; store 0 1; load 2 = 1; store 0 2; load 2 = 2; store 2 3; store 0 4; load 2 = 3; load 0 = 4; has 0-1 rw-s memory+0, 2-3 rw-p memory+0")]
    [InlineData("the page with the end of the file is whole", "map 0-2 rw-s memory+6M; store 0+100b 1; load 0+4095b = 0; load 1 -> BusError; has 0-2 rw-s memory+1536")]
    [InlineData("past the end of the file", "map 0-2 rw-p small+10; load 0 -> BusError; store 1 -> BusError; has 0-2 rw-p small+10")]
    [InlineData("over the end of the file", "map 0-4 rw-s small+8; store 1 1; store 2 -> BusError; has 0-4 rw-s small+8")]
    [InlineData("shared anonymous memory begins with zeroes each time", "map 0-2 rw-s; store 0 6; map 0-2 rw-s; load 0 = 0; has 0-2 rw-s unnamed+0")]
    public void Mappings_show_the_file(string name, string script) => CaseScript.Runs(name, script);
}
