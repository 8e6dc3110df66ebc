using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>Areas that join, and areas that are cut.</summary>
public class MergeCases
{
    [Theory]
    [InlineData("behind", "map 0-2 rw-p; map 2-4 rw-p; has 0-4 rw-p")]
    [InlineData("before", "map 2-4 rw-p; map 0-2 rw-p; has 0-4 rw-p")]
    [InlineData("into a gap", "map 0-2 rw-p; map 4-6 rw-p; map 2-4 rw-p; has 0-6 rw-p")]
    [InlineData("not beyond a gap", "map 0-2 rw-p; map 3-4 rw-p; has 0-2 rw-p, 3-4 rw-p")]
    [InlineData("into a gap, with the one below only", "map 0-2 rw-p; map 4-6 r--p; map 2-4 rw-p; has 0-4 rw-p, 4-6 r--p")]
    [InlineData("into a gap, with the one above only", "map 0-2 r--p; map 4-6 rw-p; map 2-4 rw-p; has 0-2 r--p, 2-6 rw-p")]
    [InlineData("over the end of another", "map 0-4 rw-p; map 2-6 rw-p; has 0-6 rw-p")]
    [InlineData("over the whole of others", "map 0-2 rw-p; map 2-4 r--p; map 4-6 rw-p; map 2-4 rw-p; has 0-6 rw-p")]
    public void A_new_mapping_joins_those_that_it_continues(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("other rights", "map 0-2 rw-p; map 2-4 r--p; has 0-2 rw-p, 2-4 r--p")]
    [InlineData("shared and private", "map 0-2 rw-p memory+0; map 2-4 rw-s memory+2; has 0-2 rw-p memory+0, 2-4 rw-s memory+2")]
    [InlineData("a file and none", "map 0-2 rw-p memory+0; map 2-4 rw-p; has 0-2 rw-p memory+0, 2-4 rw-p")]
    [InlineData("two files", "map 0-2 rw-s memory+0; map 2-4 rw-s small+2; has 0-2 rw-s memory+0, 2-4 rw-s small+2")]
    [InlineData("offsets that leave pages out", "map 0-2 rw-s memory+0; map 2-4 rw-s memory+3; has 0-2 rw-s memory+0, 2-4 rw-s memory+3")]
    [InlineData("offsets that repeat pages", "map 0-2 rw-s memory+0; map 2-4 rw-s memory+0; has 0-2 rw-s memory+0, 2-4 rw-s memory+0")]
    [InlineData("the same file opened for less", "map 0-2 r--s memory+0; map 2-4 r--s readonly+2; has 0-2 r--s memory+0, 2-4 r--s memory+2")]
    [InlineData("two pieces of shared anonymous memory", "map 0-2 rw-s; map 2-4 rw-s; has 0-2 rw-s unnamed+0, 2-4 rw-s unnamed+0")]
    [InlineData("a locked one", "map 0-2 rw-p; mlock 0-2; map 2-4 rw-p; has 0-2 rw-p locked, 2-4 rw-p")]
    [InlineData("a sealed one", "map 0-2 rw-p; mseal 0-2; map 2-4 rw-p; has 0-2 rw-p sealed, 2-4 rw-p")]
    [InlineData("one with advice", "map 0-2 rw-p; madvise 0-2 Random; map 2-4 rw-p; has 0-2 rw-p random, 2-4 rw-p")]
    public void Mappings_that_differ_stay_apart(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("of a shared file", "map 0-2 rw-s memory+0; map 2-4 rw-s memory+2; has 0-4 rw-s memory+0")]
    [InlineData("of a private file", "map 0-2 rw-p memory+0; map 2-4 rw-p memory+2; has 0-4 rw-p memory+0")]
    [InlineData("of a file, from the back", "map 2-4 r-xs small+2; map 0-2 r-xs small+0; has 0-4 r-xs small+0")]
    [InlineData("locked by mlockall", "mlockall future; map 0-2 rw-p; map 2-4 rw-p; has 0-4 rw-p locked")]
    [InlineData("without any right", "map 0-2 ---p; map 2-4 ---p; has 0-4 ---p")]
    public void Mappings_that_go_on_in_the_same_way_are_one(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("at its beginning", "map 0-6 rw-p; mprotect 0-2 r--; has 0-2 r--p, 2-6 rw-p")]
    [InlineData("at its end", "map 0-6 rw-p; mprotect 4-6 r--; has 0-4 rw-p, 4-6 r--p")]
    [InlineData("in the middle", "map 0-6 rw-p; mprotect 2-4 r--; has 0-2 rw-p, 2-4 r--p, 4-6 rw-p")]
    [InlineData("of a file in the middle", "map 0-6 rw-s memory+4; mprotect 2-4 r--; has 0-2 rw-s memory+4, 2-4 r--s memory+6, 4-6 rw-s memory+8")]
    [InlineData("by advice", "map 0-6 rw-p; madvise 2-4 DontFork; has 0-2 rw-p, 2-4 rw-p dontfork, 4-6 rw-p")]
    [InlineData("by mlock", "map 0-6 rw-p; mlock 2-4; has 0-2 rw-p, 2-4 rw-p locked, 4-6 rw-p")]
    [InlineData("by mseal", "map 0-6 rw-p; mseal 2-4; has 0-2 rw-p, 2-4 rw-p sealed, 4-6 rw-p")]
    [InlineData("by munmap", "map 0-6 rw-s memory+0; munmap 2-4; has 0-2 rw-s memory+0, 4-6 rw-s memory+4")]
    [InlineData("by a mapping upon it", "map 0-6 rw-s memory+0; map 2-4 rw-p; has 0-2 rw-s memory+0, 2-4 rw-p, 4-6 rw-s memory+4")]
    [InlineData("twice", "map 0-6 rw-p; mprotect 1-3 r--; mprotect 2-4 ---; has 0-1 rw-p, 1-2 r--p, 2-4 ---p, 4-6 rw-p")]
    public void A_part_that_changes_is_cut_off(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("with the one below", "map 0-2 r--p; map 2-6 rw-p; mprotect 2-4 r--; has 0-4 r--p, 4-6 rw-p")]
    [InlineData("with the one above", "map 0-4 rw-p; map 4-6 r--p; mprotect 2-4 r--; has 0-2 rw-p, 2-6 r--p")]
    [InlineData("with both", "map 0-6 rw-p; mprotect 2-4 r--; mprotect 2-4 rw-; has 0-6 rw-p")]
    [InlineData("with all three", "map 0-6 rw-p; mprotect 1-2 r--; mprotect 4-5 r--; mprotect 0-6 r-x; has 0-6 r-xp")]
    [InlineData("with a part of the one above", "map 0-6 rw-p; mprotect 0-2 r--; mprotect 2-3 r--; has 0-3 r--p, 3-6 rw-p")]
    [InlineData("with a part of the one below", "map 0-6 rw-p; mprotect 4-6 r--; mprotect 3-4 r--; has 0-3 rw-p, 3-6 r--p")]
    [InlineData("where areas end inside", "map 0-2 r--p; map 2-4 rw-p; map 4-6 ---p; mprotect 1-5 r-x; has 0-1 r--p, 1-5 r-xp, 5-6 ---p")]
    [InlineData("of a file, in line", "map 0-2 r--s memory+0; map 2-4 rw-s memory+2; mprotect 2-4 r--; has 0-4 r--s memory+0")]
    [InlineData("of a file, not in line", "map 0-2 r--s memory+0; map 2-4 rw-s memory+4; mprotect 2-4 r--; has 0-2 r--s memory+0, 2-4 r--s memory+4")]
    public void Rights_made_alike_join(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("fork", "map 0-4 rw-p; madvise 1-3 DontFork; madvise 1-3 DoFork; has 0-4 rw-p")]
    [InlineData("wiping", "map 0-4 rw-p; madvise 1-3 WipeOnFork; madvise 1-3 KeepOnFork; has 0-4 rw-p")]
    [InlineData("dumps", "map 0-4 rw-p; madvise 0-3 DontDump; madvise 0-3 DoDump; has 0-4 rw-p")]
    [InlineData("order", "map 0-4 rw-p; madvise 0-2 Random; madvise 2-4 Sequential; madvise 0-4 Normal; has 0-4 rw-p")]
    [InlineData("locks", "map 0-4 rw-p; mlock 1-2; munlock 1-2; has 0-4 rw-p")]
    [InlineData("two ways of locking", "map 0-4 rw-p; mlock 0-2; mlock 2-4 onfault; mlock 0-2 onfault; has 0-4 rw-p lockedonfault")]
    [InlineData("seals", "map 0-4 rw-p; mseal 0-2; mseal 2-4; has 0-4 rw-p sealed")]
    [InlineData("a gap between", "map 0-2 rw-p; map 3-4 rw-p; madvise 0-2 Random; madvise 3-4 Random; has 0-2 rw-p random, 3-4 rw-p random")]
    public void Advice_and_locks_made_alike_join(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("between", "map 0-2 rw-p; map 4-6 rw-p; map 10-12 rw-p; mremap 10-12 to 2-4; has 0-6 rw-p")]
    [InlineData("behind", "map 0-2 rw-p; map 10-12 rw-p; mremap 10-12 to 2-4; has 0-4 rw-p")]
    [InlineData("before", "map 2-4 rw-p; map 10-12 rw-p; mremap 10-12 to 0-2; has 0-4 rw-p")]
    [InlineData("back into its own gap", "map 0-6 rw-s memory+0; mremap 2-4 to 10-12; mremap 10-12 to 2-4; has 0-6 rw-s memory+0")]
    [InlineData("a file that is in line there", "map 0-2 rw-s memory+0; map 10-12 rw-s memory+2; mremap 10-12 to 2-4; has 0-4 rw-s memory+0")]
    [InlineData("a file that is not in line there", "map 0-2 rw-s memory+0; map 10-12 rw-s memory+3; mremap 10-12 to 2-4; has 0-2 rw-s memory+0, 2-4 rw-s memory+3")]
    [InlineData("grown up to the next", "map 0-2 rw-p; map 4-6 rw-p; mremap 0-2 for 4; has 0-6 rw-p")]
    [InlineData("a piece out of the middle", "map 0-6 rw-p; mremap 2-4 to 6-8; has 0-2 rw-p, 4-8 rw-p")]
    public void What_is_moved_joins_where_it_comes_to(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("of two written ones", "map 0-2 rw-p; map 4-6 rw-p; store 0 1; store 4 2; map 2-4 rw-p; has 0-6 rw-p; load 0 = 1; load 3 = 0; load 4 = 2")]
    [InlineData("of a written one and rights", "map 0-4 rw-p; store 3 7; mprotect 0-2 r--; mprotect 0-2 rw-; has 0-4 rw-p; load 3 = 7; load 0 = 0")]
    [InlineData("of private pages of a file", "map 0-2 rw-p memory+0; store 1 9; map 2-4 rw-p memory+2; has 0-4 rw-p memory+0; load 1 = 9; load 2 = 0")]
    [InlineData("after a fork", "map 0-4 rw-p; store 0 1; fork 1; 1: mprotect 0-2 r--; 1: mprotect 0-2 rw-; has 0-4 rw-p; 1: has 0-4 rw-p; 1: load 0 = 1")]
    public void Areas_with_pages_join(string name, string script) => CaseScript.Runs(name, script);
}
