using Pando.Conformance.Tests.Lockstep;

namespace Pando.Conformance.Tests.Cases;

/// <summary>pkey_alloc, pkey_free and pkey_mprotect, where the processor has protection keys.</summary>
public class KeyCases
{
    [Theory]
    [InlineData("with all rights", "pkey_alloc rw-; map 0-2 rw-p; mprotect 0-2 rw- key 1; store 0 7; load 0 = 7; has 0-2 rw-p")]
    [InlineData("with none", "pkey_alloc ---; map 0-2 rw-p; store 0 7; mprotect 0-2 rw- key 1; load 0 -> DeniedByKey; store 0 -> DeniedByKey; load 1 -> DeniedByKey; mprotect 0-2 rw- key 0; load 0 = 7; has 0-2 rw-p")]
    [InlineData("to be read", "pkey_alloc r--; map 0-2 rw-p; store 0 7; mprotect 0-2 rw- key 1; load 0 = 7; store 0 -> DeniedByKey; load 1 = 0; store 1 -> DeniedByKey; has 0-2 rw-p")]
    [InlineData("of a shared file", "pkey_alloc ---; map 0-2 rw-s memory+0; map 4-6 rw-s memory+0; mprotect 0-2 rw- key 1; store 4 7; load 0 -> DeniedByKey; mprotect 0-2 rw- key 0; load 0 = 7; has 0-2 rw-s memory+0, 4-6 rw-s memory+0")]
    [InlineData("without any right", "pkey_alloc ---; map 0-2 rw-p; mprotect 0-2 --- key 1; load 0 -> DeniedByKey; load 2 -> NotMapped; has 0-2 ---p")]
    [InlineData("past the end of a file", "pkey_alloc ---; map 0-2 rw-s small+20; mprotect 0-2 rw- key 1; load 0 -> DeniedByKey; has 0-2 rw-s small+20")]
    public void A_key_takes_away_what_its_thread_may_not_do(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("other rights without a key", "pkey_alloc r--; map 0-2 rw-p; mprotect 0-2 rw- key 1; mprotect 0-2 r--; mprotect 0-2 rw-; store 0 -> DeniedByKey; has 0-2 rw-p")]
    [InlineData("a move", "pkey_alloc r--; map 0-2 rw-p; store 0 7; mprotect 0-2 rw- key 1; mremap 0-2 to 8-10; load 8 = 7; store 8 -> DeniedByKey; has 8-10 rw-p")]
    [InlineData("a fork", "pkey_alloc r--; map 0-2 rw-p; store 0 7; mprotect 0-2 rw- key 1; fork 1; 1: load 0 = 7; 1: store 0 -> DeniedByKey; 1: mprotect 0-2 rw- key 0; 1: store 0 8; load 0 = 7; has 0-2 rw-p; 1: has 0-2 rw-p")]
    [InlineData("not a neighbour with another", "pkey_alloc rw-; map 0-4 rw-p; mprotect 0-2 rw- key 1; has 0-2 rw-p, 2-4 rw-p; mprotect 2-4 rw- key 1; has 0-4 rw-p")]
    [InlineData("its being freed", "pkey_alloc r--; map 0-2 rw-p; mprotect 0-2 rw- key 1; pkey_free 1; store 0 -> DeniedByKey; mprotect 0-2 rw-; store 0 -> DeniedByKey; mprotect 0-2 rw- key 1 -> EINVAL; has 0-2 rw-p")]
    [InlineData("a mapping on top is another matter", "pkey_alloc r--; map 0-4 rw-p; mprotect 0-4 rw- key 1; map 1-2 rw-p; store 1 1; store 0 -> DeniedByKey; has 0-1 rw-p, 1-2 rw-p, 2-4 rw-p")]
    public void A_key_outlasts(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("never given out", "map 0-2 rw-p; mprotect 0-2 r-- key 1 -> EINVAL; mprotect 0-2 r-- key 15 -> EINVAL; mprotect 0-2 r-- key 16 -> EINVAL; pkey_free 1 -> EINVAL; mprotect 0-2 r-- key 0; has 0-2 r--p")]
    [InlineData("of memory that may only be executed", "map 0-2 --xp; map 2-4 rw-p; mprotect 2-4 rw- key 1 -> EINVAL; pkey_free 1 -> EINVAL; pkey_alloc r--; mprotect 2-4 rw- key 2; store 2 -> DeniedByKey; load 0 -> DeniedByKey; has 0-2 --xp, 2-4 rw-p")]
    [InlineData("which is checked before holes and after a length of nothing", "map 0-2 rw-p; mprotect 0-4 r-- key 9 -> EINVAL; mprotect 0-0 r-- key 9; has 0-2 rw-p")]
    [InlineData("more than there are", "pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw-; pkey_alloc rw- -> ENOSPC; map 0-2 --xp; load 0 = 0; pkey_free 7; map 2-4 --xp; load 2 -> DeniedByKey; mprotect 0-2 --x; load 0 -> DeniedByKey; pkey_alloc rw- -> ENOSPC; has 0-4 --xp")]
    public void A_key_is_not_to_be_had(string name, string script) => CaseScript.Runs(name, script);

    [Theory]
    [InlineData("a key that was asked for stays, and lets loads through", "pkey_alloc rw-; map 0-2 rw-p; store 0 5; mprotect 0-2 --x key 1; load 0 = 5; mprotect 0-2 --x; load 0 -> DeniedByKey; mprotect 0-2 r--; load 0 = 5; has 0-2 r--p")]
    [InlineData("it takes a key that was allowed before", "pkey_alloc rw-; map 0-2 rw-p; store 0 5; mprotect 0-2 rw- key 1; pkey_free 1; load 0 = 5; map 2-4 --xp; load 2 -> DeniedByKey; load 0 -> DeniedByKey; mprotect 0-2 r--; load 0 -> DeniedByKey; has 0-2 r--p, 2-4 --xp")]
    [InlineData("one that is refused may have its key all the same", "map 0-2 rw-p; map 0-2 --xp noreplace -> EEXIST; pkey_alloc r--; mprotect 0-2 rw- key 2; store 0 -> DeniedByKey; has 0-2 rw-p")]
    [InlineData("one that is refused early has none", "map 0-2 rw-p; mprotect 4-6 --x -> ENOMEM; mprotect 0-0 --x; pkey_alloc r--; mprotect 0-2 rw- key 1; store 0 -> DeniedByKey; has 0-2 rw-p")]
    [InlineData("made by a child alone", "map 0-2 rw-p; fork 1; 1: mprotect 0-2 --x; pkey_alloc r--; mprotect 0-2 rw- key 1; store 0 -> DeniedByKey; 1: pkey_alloc rw-; 1: mprotect 0-2 rw- key 2; 1: store 0 3; has 0-2 rw-p; 1: has 0-2 rw-p")]
    public void Beside_memory_that_may_only_be_executed(string name, string script) => CaseScript.Runs(name, script);
}
